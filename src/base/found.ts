/** A value from a file as a message shows it: as JSON, cut to a readable length. Never throws, however deep the value is. */
export function describeFound(value: unknown, length = 60): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? 'nothing';
  } catch {
    return 'a value that is nested too deep to be shown';
  }
  return text.length <= length ? text : `${text.slice(0, length - 3)}...`;
}
