import { describeValue, type Diagnostic } from './diagnostics';
import { schemaOf } from './key-info';
import { checkMeaning, MAXIMUM_STAGES } from './meaning';
import { type Experiment, experimentSchema } from './schema';
import { describeIssue } from './shape';
import { type DataPath, type Source, valueAt } from './source';

/** Most keys that a file may sweep: their names and values are part of a stage's name. */
const MAXIMUM_PATHS = 6;

/** One of a sweep's values in the place of what the file says. */
interface Setting {
  /** As the file writes it, with dots. */
  name: string;
  path: DataPath;
  /** Which value of the list. */
  position: number;
  value: unknown;
}

/** Values of an experiment file by path, as `sweep` writes it. */
export type SweptValues = Record<string, unknown>;

/**
 * The keys that lead to a swept value. Names of stages and domains may have dots in them, so they are looked up in the file.
 * `undefined` for a path that leads nowhere, or to what may not differ between variants: names, seeds, the data, the engine.
 */
export function sweptPath(name: string, stages: readonly string[]): DataPath | undefined {
  const path = splitPath(name, stages);
  const isData = path?.join('.') === 'model.tokenizer' || path?.[2] === 'import';
  const isOpen = path && !isData && path.length > (path[0] === 'stages' ? 2 : 1);
  return isOpen && schemaOf(path) ? path : undefined;
}

function splitPath(name: string, stages: readonly string[]): DataPath | undefined {
  if (name.startsWith('model.')) return name.split('.');
  const fits = stages.filter((stage) => name.startsWith(`stages.${stage}.`)).sort((a, b) => b.length - a.length);
  if (!fits.length) return undefined;
  const rest = name.slice(`stages.${fits[0]}.`.length);
  const keys = rest.startsWith('train.mix.') ? ['train', 'mix', rest.slice('train.mix.'.length)] : rest.split('.');
  return ['stages', fits[0]!, ...keys];
}

/** Every combination of one value from each list of a sweep, the last list changing fastest; one empty combination without a sweep. */
export function combinationsOf(sweep: Record<string, readonly unknown[]>): SweptValues[] {
  return Object.entries(sweep).reduce<SweptValues[]>(
    (before, [name, values]) => before.flatMap((some) => values.map((value) => ({ ...some, [name]: value }))),
    [{}],
  );
}

/** An experiment with swept values in it, which passed their checks. */
export function withValues(experiment: Experiment, values: SweptValues): Experiment {
  const stages = Object.keys(experiment.stages);
  const data = Object.entries(values).reduce<unknown>(
    (changed, [name, value]) => withValue(changed, sweptPath(name, stages)!, value),
    experiment,
  );
  return experimentSchema.parse(data);
}

/** Plain data with another value at a path. Groups that are missing on the way are made. */
function withValue(data: unknown, [key, ...rest]: DataPath, value: unknown): unknown {
  if (key === undefined) return value;
  const group = typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
  return { ...group, [key]: withValue(Object.hasOwn(group, key) ? group[key] : undefined, rest, value) };
}

/** Every mistake of `seeds` and `sweep` in a file that has no other: paths that lead nowhere, values that do not fit, too much of both. */
export function checkSweep(source: Source): Diagnostic[] {
  const file = source.data as { sweep?: Record<string, unknown[]>; seeds?: number[]; stages: object };
  const { sweep = {}, seeds = [] } = file;
  const names = Object.keys(sweep);
  if (names.length > MAXIMUM_PATHS) {
    return [source.atKey(['sweep'], `at most ${MAXIMUM_PATHS} swept keys`, `${names.length}`)];
  }
  const variants = names.reduce((product, name) => product * sweep[name]!.length, Math.max(1, seeds.length));
  const stages = Object.keys(file.stages);
  if (variants * stages.length > MAXIMUM_STAGES) {
    const found = `${variants} variants of ${stages.length} stages`;
    return [source.atKey([names.length ? 'sweep' : 'seeds'], `at most ${MAXIMUM_STAGES} stages`, found)];
  }
  const mistakes = [...repeated(source, ['seeds'], seeds)];
  for (const name of names)
    mistakes.push(...checkPath(source, name, stages), ...repeated(source, ['sweep', name], sweep[name]!));
  return mistakes.length ? mistakes : checkValues(source, sweep, stages);
}

function checkPath(source: Source, name: string, stages: readonly string[]): Diagnostic[] {
  if (sweptPath(name, stages)) return [];
  return [source.atKey(['sweep', name], 'the path of a key below `stages` or `model`, not the tokenizer')];
}

function repeated(source: Source, path: DataPath, values: readonly unknown[]): Diagnostic[] {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.flatMap((text, i) => (texts.indexOf(text) < i ? [source.at([...path, i], 'each value once')] : []));
}

/** Every value by itself, then, if all are right, every combination of them. */
function checkValues(source: Source, sweep: Record<string, unknown[]>, stages: readonly string[]): Diagnostic[] {
  const settings = Object.entries(sweep).map(([name, values]) =>
    values.map((value, position): Setting => ({ name, path: sweptPath(name, stages)!, position, value })),
  );
  const alone = settings.flat().flatMap((setting) => checkVariant(source, [setting]));
  if (alone.length || settings.length < 2) return alone;
  const positions = combinationsOf(Object.fromEntries(settings.map((some, i) => [i, some])));
  const mistakes = positions.flatMap((chosen) => checkVariant(source, Object.values(chosen) as Setting[]));
  return mistakes.filter((mistake, i) => mistakes.findIndex((other) => isSame(other, mistake)) === i);
}

function isSame(a: Diagnostic, b: Diagnostic): boolean {
  return a.path === b.path && a.expected === b.expected && a.found === b.found;
}

/** The mistakes of the file with these values in it, each told at the value that causes it. */
function checkVariant(source: Source, settings: readonly Setting[]): Diagnostic[] {
  const data = settings.reduce((changed, { path, value }) => withValue(changed, path, value), source.data);
  const parsed = experimentSchema.safeParse(data);
  const variant = variantSource(source, data, settings);
  const shape = parsed.error?.issues.flatMap((issue) => describeIssue(variant, issue)) ?? [];
  return shape.length ? shape : checkMeaning(variant);
}

/** The file as data with these values, whose mistakes are told at the values themselves. */
function variantSource(source: Source, data: unknown, settings: readonly Setting[]): Source {
  const tell = (path: DataPath, expected: string, found: string): Diagnostic => {
    const isAt = ({ path: swept }: Setting): boolean => swept.every((key, i) => path[i] === key);
    const own = settings.find(isAt);
    const { name, position } = own ?? settings.at(-1)!;
    const place: DataPath = ['sweep', name, position];
    if (own && path.length === own.path.length) return source.at(place, expected, found);
    return source.at(place, `${expected} at ${path.join('.')}`, `${found} in that variant`);
  };
  return {
    data,
    mistakes: [],
    at: (path, expected, found = describeValue(valueAt(data, path))) => tell(path, expected, found),
    atKey: (path, expected, found = describeValue(path.at(-1))) => tell(path, expected, found),
    respell: () => [],
  };
}
