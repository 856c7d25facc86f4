import { summarize } from '../../base/statistics';
import { readVariantName } from '../../base/variant-name';
import type { RunState } from '../../store/queries';
import type { TableRun } from '../../store/run-table';
import { type Measure, measuresOf, runTitle } from './measures';
import { compares, readDate, readDuration, readNumber, type Span } from './values';
import { matchesPattern, splitQuery, type Operator, type Word } from './words';

const STATES: readonly RunState[] = ['queued', 'running', 'finished', 'stopped', 'failed', 'interrupted'];

type Test = (run: TableRun) => boolean;

/** What a query asks for. */
export interface Query {
  matches: Test;
  /** The first mistake, in plain words with its place; `null` if there is none. A term with a mistake is left out. */
  problem: string | null;
}

/** Fields whose value is a text; `*` in a value stands for anything. */
const TEXTS: Record<string, (run: TableRun) => readonly (string | null)[]> = {
  stage: ({ stages }) => stages.flatMap(({ name, group }) => [name, group, readVariantName(name).stage]),
  tag: ({ tags }) => tags,
  state: ({ state }) => [state],
  experiment: ({ experiment }) => [experiment],
  id: ({ id }) => [id],
  title: (run) => [runTitle(run)],
  commit: ({ commit }) => [commit],
};

interface NumberField {
  /** Several only where the run has several; one that fits is enough. */
  values: (run: TableRun) => readonly (number | null)[];
  read: (text: string) => Span | undefined;
  /** What should stand behind the operator. */
  expected: string;
}

const A_NUMBER = 'a number such as 4, 0.5, 500k or 1e15';
const A_DATE = 'a date such as 2026-11-01 or 2026-11-01T17:15 (UTC)';
const A_DURATION = 'a duration such as 90s, 10min, 2h or 1d';

/** Fields whose value is a number. */
const NUMBERS: Record<string, NumberField> = {
  seed: { values: ({ seeds }) => seeds, read: readNumber, expected: A_NUMBER },
  best: { values: ({ bestAverage }) => [bestAverage], read: readNumber, expected: A_NUMBER },
  stages: { values: ({ stagesDone }) => [stagesDone], read: readNumber, expected: A_NUMBER },
  started: { values: ({ started }) => [started], read: readDate, expected: A_DATE },
  duration: { values: ({ seconds }) => [seconds], read: readDuration, expected: A_DURATION },
};

const FLAGS: Record<string, Test> = { starred: ({ starred }) => starred, archived: ({ archived }) => archived };

/**
 * Reads a query (docs/run-table.md) and never throws. `runs` are those that it will be asked of: a stage or number that none of them has is
 * a mistake. Archived runs match only a query that says `archived`.
 */
export function parseQuery(text: string, runs: readonly TableRun[]): Query {
  const words = splitQuery(text);
  const measures = measuresOf(runs);
  const stages = words.map(({ field, value, isNegated }) => (field === 'stage' && !isNegated ? value : undefined));
  const results = words.map((word, i) => {
    const stage = stages.slice(0, i).findLast(Boolean) ?? stages.find(Boolean);
    return readWord(word, { stage, measures });
  });
  const problems = results.flatMap((result, i) => (typeof result === 'string' ? [place(words[i]!, result)] : []));
  const tests = results.flatMap((result, i) => (typeof result === 'string' ? [] : [negated(result, words[i]!)]));
  if (!words.some((word) => flagOf(word) === 'archived')) tests.push((run) => !run.archived);
  return { matches: (run) => tests.every((test) => test(run)), problem: problems[0] ?? null };
}

interface Context {
  /** The stage that `avg` speaks of; `undefined` for the best of all. */
  stage: string | undefined;
  /** Every number that a stage of some run has. */
  measures: readonly Measure[];
}

/** The test of a term, or what is wrong with it. */
function readWord(word: Word, { stage, measures }: Context): Test | string {
  const { field, value, operator, isOpen } = word;
  if (isOpen) return 'the quote is not closed.';
  if (!value) return field ? `${field}${operator} needs a value behind it.` : 'there is nothing behind the minus.';
  if (field === undefined) return freeTest(word);
  const key = field.toLowerCase();
  if (Object.hasOwn(TEXTS, key)) return textTest(key, operator!, value, measures);
  if (Object.hasOwn(NUMBERS, key)) return numberTest(field, operator!, value, NUMBERS[key]!);
  const isAverage = key === 'avg' || key === 'average';
  if (isAverage && stage === undefined) return numberTest(field, operator!, value, NUMBERS.best!);
  const pattern = isAverage ? `${stage}.average` : field.replace(/\.avg$/i, '.average');
  if (!isAverage && !field.includes('.')) return unknownField(field);
  return measureTest(field, pattern, operator!, value, measures);
}

/** A quoted word is never a flag. */
function flagOf({ field, value, isQuoted }: Word): string | undefined {
  const flag = value.toLowerCase();
  return field === undefined && !isQuoted && Object.hasOwn(FLAGS, flag) ? flag : undefined;
}

function freeTest(word: Word): Test {
  const flag = flagOf(word);
  if (flag !== undefined) return FLAGS[flag]!;
  const needle = word.value.toLowerCase();
  return (run) => {
    const texts = [run.title, run.id, run.experiment, run.note, ...run.tags];
    return texts.some((text) => text?.toLowerCase().includes(needle));
  };
}

function textTest(field: string, operator: Operator, value: string, measures: readonly Measure[]): Test | string {
  if (operator !== ':' && operator !== '=') return `${field} is a text: write ${field}:${value}.`;
  const matches = (text: string | null): boolean => text !== null && matchesPattern(value, text);
  if (field === 'state' && !STATES.some(matches)) return `there is no state ${value}; there are ${STATES.join(', ')}.`;
  if (field === 'stage' && measures.length && !measures.some(({ stages }) => stages.some(matches))) {
    return `no run has a stage ${value}.`;
  }
  // A commit is known by its first digits.
  if (field === 'commit') return ({ commit }) => commit !== null && matchesPattern(`${value}*`, commit);
  return (run) => TEXTS[field]!(run).some(matches);
}

function numberTest(name: string, operator: Operator, text: string, field: NumberField): Test | string {
  const span = field.read(text);
  if (!span) return `${name} needs ${field.expected}, not ${text}.`;
  return (run) => field.values(run).some((value) => value !== null && compares(value, operator, span));
}

function measureTest(
  name: string,
  pattern: string,
  operator: Operator,
  text: string,
  measures: readonly Measure[],
): Test | string {
  const span = readNumber(text);
  if (!span) return `${name} needs ${A_NUMBER}, not ${text}.`;
  const known = measures.filter(({ names }) => names.some((known) => matchesPattern(pattern, known)));
  if (measures.length && !known.length) return `no run has a number ${pattern}.`;
  const mean = (values: readonly number[]): number | undefined => summarize(values)?.mean;
  return (run) => {
    const means = known.map(({ values }) => mean(values(run)));
    return means.some((value) => value !== undefined && compares(value, operator, span));
  };
}

function unknownField(field: string): string {
  const fields = [...Object.keys(TEXTS), 'avg', ...Object.keys(NUMBERS)];
  return `there is no field ${field}; there are ${fields.join(', ')}, and STAGE.DOMAIN. Quote it to search for the text.`;
}

function negated(test: Test, { isNegated }: Word): Test {
  return isNegated ? (run) => !test(run) : test;
}

function place({ at }: Word, problem: string): string {
  return `At character ${at}: ${problem}`;
}
