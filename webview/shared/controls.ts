// The only file that knows the toolkit: panels ask for a control by what it does.
import {
  provideVSCodeDesignSystem,
  vsCodeBadge,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDivider,
  vsCodeDropdown,
  vsCodeOption,
  vsCodeProgressRing,
  vsCodeRadio,
  vsCodeRadioGroup,
  vsCodeTag,
  vsCodeTextArea,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';
import { element, setAttributes } from './dom';

provideVSCodeDesignSystem().register(
  vsCodeBadge(),
  vsCodeButton(),
  vsCodeCheckbox(),
  vsCodeDivider(),
  vsCodeDropdown(),
  vsCodeOption(),
  vsCodeProgressRing(),
  vsCodeRadio(),
  vsCodeRadioGroup(),
  vsCodeTag(),
  vsCodeTextArea(),
  vsCodeTextField(),
);

/** Something to choose. */
export interface Choice {
  value: string;
  label: string;
}

/** A control that holds a value. Setting it does not call back. */
export interface Control<T> {
  readonly root: HTMLElement;
  get(): T;
  set(value: T): void;
}

export interface Selection extends Control<string> {
  /** Replaces the choices; the value stays if it is still among them, else it is the first. Does not call back. */
  setChoices(choices: readonly Choice[]): void;
}

type Valued = HTMLElement & { value: string };

/** A button. `name` is what screen readers say where the label alone is not enough. */
export function button(
  label: string,
  press: () => void,
  { isPrimary = false, name }: { isPrimary?: boolean; name?: string } = {},
): HTMLElement {
  const made = custom('vscode-button', { appearance: isPrimary ? 'primary' : 'secondary', 'aria-label': name }, label);
  made.addEventListener('click', press);
  return made;
}

/** Turns a button on or off. */
export function setEnabled(on: HTMLElement, isEnabled: boolean): void {
  setAttributes(on, { disabled: !isEnabled });
}

/** A check box with its label. */
export function checkbox(label: string, isChecked: boolean, change: (isChecked: boolean) => void): Control<boolean> {
  const root = custom('vscode-checkbox', {}, label) as HTMLElement & { checked: boolean };
  return valued(root, { read: () => root.checked, write: (value) => void (root.checked = value) }, isChecked, change);
}

/** A drop-down list with a visible label. */
export function dropdown(
  label: string,
  choices: readonly Choice[],
  value: string,
  change: (value: string) => void,
): Selection {
  const list = custom('vscode-dropdown', { 'aria-label': label }) as Valued;
  const control = valued(list, { read: () => list.value, write: (next) => void (list.value = next) }, value, change);
  const setChoices = (next: readonly Choice[]): void => {
    if (!next.some((choice) => choice.value === control.get())) control.set(next[0]?.value ?? '');
    const options = next.map((choice) => {
      const selected = choice.value === control.get() ? '' : undefined;
      return custom('vscode-option', { value: choice.value, selected }, choice.label);
    });
    list.replaceChildren(...options);
  };
  setChoices(choices);
  return { ...control, root: labelled(label, list), setChoices };
}

/** Radio buttons in one line, of which one is chosen. */
export function radios(
  label: string,
  choices: readonly Choice[],
  value: string,
  change: (value: string) => void,
): Control<string> {
  const buttons = choices.map((choice) => custom('vscode-radio', { value: choice.value }, choice.label));
  const group = custom('vscode-radio-group', { 'aria-label': label }, ...buttons) as Valued;
  const control = valued(group, { read: () => group.value, write: (next) => void (group.value = next) }, value, change);
  return { ...control, root: labelled(label, group) };
}

/** A line of text to type; calls back at every key. */
export function textField(
  label: string,
  value: string,
  placeholder: string,
  change: (value: string) => void,
): Control<string> {
  // The toolkit takes its text as the name for screen readers; theme.css hides it.
  const root = custom('vscode-text-field', { placeholder, size: 40 }, label) as Valued;
  root.value = value;
  root.addEventListener('input', () => change(root.value));
  return { root, get: () => root.value, set: (next) => void (root.value = next) };
}

/** A short text to type, with a visible label; calls back at every key. */
export function shortField(
  label: string,
  value: string,
  { placeholder, size, title }: { placeholder?: string; size: number; title: string },
  change: (value: string) => void,
): Control<string> & { setProblem(problem: string | undefined): void } {
  const control = textField(label, value, placeholder ?? '', change);
  const input = control.root;
  setAttributes(input, { size, title });
  const setProblem = (problem: string | undefined): void => {
    setAttributes(input, { 'aria-invalid': problem !== undefined && 'true', title: problem ?? title });
    input.classList.toggle('invalid', problem !== undefined);
  };
  return { ...control, root: labelled(label, input), setProblem };
}

/** Lines of text to type; calls back at every key. */
export function textArea(
  label: string,
  value: string,
  { placeholder, rows }: { placeholder: string; rows: number },
  change: (value: string) => void,
): Control<string> {
  const root = custom('vscode-text-area', { placeholder, rows, resize: 'vertical' }, label) as Valued;
  root.value = value;
  root.addEventListener('input', () => change(root.value));
  return { root, get: () => root.value, set: (next) => void (root.value = next) };
}

/** A native range slider with a visible label and its value in words; calls back while it moves. */
export function slider(
  label: string,
  range: { min: number; max: number; value: number },
  text: (value: number) => string,
  change: (value: number) => void,
): Control<number> & { setMaximum(max: number): void } {
  const { min, max, value } = range;
  const input = element('input', { type: 'range', 'aria-label': label, min, max, step: 1 });
  const output = element('span', { class: 'slider-value' });
  const show = (): void => {
    output.textContent = text(input.valueAsNumber);
    input.setAttribute('aria-valuetext', output.textContent);
  };
  const set = (next: number): void => {
    input.valueAsNumber = next;
    show();
  };
  input.addEventListener('input', () => {
    show();
    change(input.valueAsNumber);
  });
  set(value);
  const root = labelled(label, input, output);
  const setMaximum = (next: number): void => {
    input.max = String(next);
    show();
  };
  return { root, get: () => input.valueAsNumber, set, setMaximum };
}

/** A ring that turns while something is under way. */
export function progressRing(label: string): HTMLElement {
  return custom('vscode-progress-ring', { 'aria-label': label });
}

/** A line between parts of a toolbar or page. */
export function divider(): HTMLElement {
  return custom('vscode-divider', { role: 'presentation' });
}

/** A short word in a frame: a state, a tag. */
export function tag(text: string): HTMLElement {
  return custom('vscode-tag', {}, text);
}

/** A count in a circle. */
export function badge(text: string): HTMLElement {
  return custom('vscode-badge', {}, text);
}

function custom(
  name: string,
  attributes: Record<string, string | number | undefined>,
  ...children: (Node | string)[]
): HTMLElement {
  const made = document.createElement(name);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

function labelled(label: string, ...children: Node[]): HTMLElement {
  const caption = element('span', { class: 'control-label', 'aria-hidden': 'true' }, label);
  return element('span', { class: 'control' }, caption, ...children);
}

/** The toolkit tells of values that the program sets, too: only those that differ from the last known are the user's. */
function valued<T>(
  root: HTMLElement,
  { read, write }: { read: () => T; write: (value: T) => void },
  first: T,
  change: (value: T) => void,
): Control<T> {
  let known = first;
  write(first);
  root.addEventListener('change', () => {
    if (!root.isConnected || read() === known) return;
    known = read();
    change(known);
  });
  const set = (value: T): void => {
    known = value;
    write(value);
  };
  return { root, get: () => known, set };
}
