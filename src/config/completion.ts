import { type Cursor, cursorAt } from './cursor';
import { defaultText, describeKey, isGroup, type KeySchema, schemaOf, wordsOf } from './key-info';
import { foreignKeys } from './method';
import { nameText } from './names';
import { nameKindAt, originOf, type Outline, outlineOfDocument, type StageItem } from './outline';
import type { DataPath } from './source';
import { sweptPath } from './sweep';
import type { Span } from './tree';

/** Something that can be typed at the cursor. */
export interface Completion {
  label: string;
  kind: 'key' | 'word' | 'stage' | 'domain' | 'group';
  detail: string;
  /** Markdown. */
  documentation: string;
  /** In the syntax of snippets: `$1` and `${1:preset}` are places to fill in, `$0` is where the cursor ends. */
  insert: string;
  /** What it replaces: the word at the cursor. */
  word: Span;
  /** More can be completed where the cursor ends. */
  goesOn: boolean;
}

/** Keys of which a group has one only. */
const ALTERNATIVES = [
  ['seed', 'seeds'],
  ['from', 'upcycle', 'import', 'ensemble'],
  ['upcycle', 'split', 'prune', 'adapt', 'import', 'ensemble', 'serve'],
  ['field', 'prompt'],
  ['field', 'answer'],
  ['train', 'ensemble', 'serve'],
  ['tokens', 'flops', 'match'],
];

/** What can be typed at an offset of an experiment file, best first: keys in the order of the documentation, names in that of the file. */
export function completionsAt(text: string, offset: number): Completion[] {
  const cursor = cursorAt(text, offset);
  if (!cursor) return [];
  const outline = outlineOfDocument(cursor.document, cursor.text);
  if (cursor.role === 'value') return values(cursor, unswept(cursor.path, outline), outline);
  const around = cursor.path.slice(0, -1);
  if (around.join('.') === 'sweep') return sweptKeys(cursor, outline);
  const schema = schemaOf(around);
  if (!schema) return [];
  if (nameKindAt(cursor.path, 'key')?.role === 'reference') return weights(cursor, outline);
  if (schema.properties) return keys(cursor, around, schema.properties);
  // A word alone on its line reads as a key, but may become the value of the key above.
  return cursor.hasColon || schema.additionalProperties ? [] : values(cursor, around, outline);
}

/** Where a value of a sweep would stand without it. */
function unswept(path: DataPath, outline: Outline): DataPath {
  const names = outline.stages.map(({ name }) => name);
  const swept = path[0] === 'sweep' && path.length > 2 ? sweptPath(String(path[1]), names) : undefined;
  return swept ? [...swept, ...path.slice(3)] : path;
}

/** The paths of keys that can be swept, of every stage those of its groups. */
function sweptKeys(cursor: Cursor, { stages }: Outline): Completion[] {
  const groups: DataPath[] = [
    ...stages.flatMap(({ name, trains, upcycles, splits, prunes, members }) => [
      ...(splits ? [['stages', name, 'split']] : []),
      ...(upcycles ? [['stages', name, 'upcycle']] : []),
      ...(prunes ? [['stages', name, 'prune']] : []),
      ...(trains ? [['stages', name, 'train']] : []),
      ...(members.length ? [['stages', name, 'ensemble']] : []),
    ]),
    ['model'],
  ];
  const paths = groups.flatMap((group) => Object.keys(schemaOf(group)!.properties!).map((key) => [...group, key]));
  const names = stages.map(({ name }) => name);
  const free = paths.filter((path) => sweptPath(path.join('.'), names) && !cursor.siblings.includes(path.join('.')));
  return free.map((path) => {
    const { description = '' } = schemaOf(path)!;
    const text = path.join('.');
    const insert = cursor.hasColon ? text : `${text}: [$0]`;
    return { ...completion(cursor, text, 'key', { documentation: description, insert }), goesOn: !cursor.hasColon };
  });
}

function keys(cursor: Cursor, around: DataPath, properties: Record<string, KeySchema>): Completion[] {
  const taken = new Set(cursor.siblings);
  for (const alternatives of ALTERNATIVES) {
    if (alternatives.some((key) => cursor.siblings.includes(key))) for (const key of alternatives) taken.add(key);
  }
  const isUpcycling = around.length === 3 && around[2] === 'upcycle';
  if (isUpcycling) for (const key of foreignKeys(cursor.document.getIn([...around, 'method']))) taken.add(key);
  const free = Object.entries(properties).filter(([key]) => !taken.has(key));
  return free.map(([key, schema]) => ({
    label: key,
    kind: 'key',
    detail: describeKey([...around, key], schema),
    documentation: schema.description ?? '',
    insert: cursor.hasColon ? key : `${key}:${valueSnippet(key, schema, cursor.isFlow)}`,
    word: cursor.word,
    goesOn: !cursor.hasColon && hasChoices([...around, key], schema),
  }));
}

/** True where something can be completed in the value of a key. */
function hasChoices(path: DataPath, schema: KeySchema): boolean {
  const isReference = [path, [...path, 0]].some((place) => nameKindAt(place, 'value'));
  return isReference || schema.properties !== undefined || wordsOf(schema).length > 0;
}

/** The value that comes with a key: its shape, or its default to be replaced. */
function valueSnippet(key: string, schema: KeySchema, isFlow: boolean): string {
  if (isGroup(schema)) return isFlow ? ' { $0 }' : '\n  $0';
  if (key === 'files') return ' "$0"';
  if (schema.items) return ' [$0]';
  const preset = defaultText(schema);
  return preset === undefined || wordsOf(schema).length ? ' $0' : ` \${1:${preset}}`;
}

function values(cursor: Cursor, path: DataPath, outline: Outline): Completion[] {
  const schema = schemaOf(path);
  if (!schema) return [];
  if (nameKindAt(path, 'value')) return stageChoices(cursor, path, outline);
  const preset = defaultText(schema);
  const words = wordsOf(schema).map((word): Completion => {
    const detail = word === preset ? 'default' : '';
    return completion(cursor, word, 'word', { detail, documentation: schema.description ?? '', insert: word });
  });
  return [...words, ...groups(cursor, path, schema, outline)];
}

function completion(
  { word }: Cursor,
  name: string,
  kind: Completion['kind'],
  more: Partial<Completion> = {},
): Completion {
  const insert = escapeSnippet(nameText(name));
  return { label: name, kind, detail: '', documentation: '', insert, word, goesOn: false, ...more };
}

/** A name is no snippet: `$` in it stands for itself. */
function escapeSnippet(text: string): string {
  return text.replace(/[\\$}]/g, '\\$&');
}

/** A group or a list in one line, where a key wants one. */
function groups(cursor: Cursor, path: DataPath, schema: KeySchema, outline: Outline): Completion[] {
  const documentation = schema.description ?? '';
  if (path.at(-1) === 'mix') return mixOfAll(cursor, documentation, outline);
  const isList = schema.type === 'array';
  if (!isList && !isGroup(schema)) return [];
  const [open, close] = isList ? ['[', ']'] : ['{ ', ' }'];
  const goesOn = hasChoices(path, schema);
  return [{ ...completion(cursor, `${open}…${close}`, 'group'), documentation, insert: `${open}$0${close}`, goesOn }];
}

function mixOfAll(cursor: Cursor, documentation: string, { domains }: Outline): Completion[] {
  if (!domains.length) return [];
  const entries = domains.map(({ name }, i) => `${escapeSnippet(nameText(name))}: \${${i + 1}:1}`);
  const label = `{ ${domains.map(({ name }) => `${name}: 1`).join(', ')} }`;
  return [completion(cursor, label, 'group', { documentation, insert: `{ ${entries.join(', ')} }` })];
}

/** Domains of a mix that are not in it yet, each with a weight. */
function weights(cursor: Cursor, outline: Outline): Completion[] {
  const free = outline.domains.filter(({ name }) => !cursor.siblings.includes(name));
  return free.map(({ name }) => {
    const key = escapeSnippet(nameText(name));
    return completion(cursor, name, 'domain', { insert: cursor.hasColon ? key : `${key}: \${1:1}` });
  });
}

/** The stages that may stand at a reference: no ensemble, none that needs this stage, for `experts` and splits dense ones, for `like` those that train. */
function stageChoices(cursor: Cursor, path: DataPath, { stages }: Outline): Completion[] {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const self = String(path[1]);
  const fits = (stage: StageItem): boolean => {
    if (ancestry(stage, byName).has(self) || stage.members.length) return false;
    const isSplit = path.includes('from') && byName.get(self)?.splits;
    if (path.includes('experts') || isSplit) return !isMixture(stage, byName);
    return !path.includes('like') || stage.trains;
  };
  return stages.filter(fits).map((stage) => completion(cursor, stage.name, 'stage', { detail: originOf(stage) }));
}

/** A stage and all that it needs, by name. */
function ancestry(stage: StageItem, byName: Map<string, StageItem>): Set<string> {
  const seen = new Set<string>([stage.name]);
  for (const name of seen) {
    const { from, like, teacher, experts, members } = byName.get(name) ?? { experts: [], members: [] };
    for (const needed of [from, like, teacher, ...experts, ...members]) if (needed !== undefined) seen.add(needed);
  }
  return seen;
}

function isMixture(stage: StageItem, byName: Map<string, StageItem>): boolean {
  const seen = new Set<StageItem>();
  for (let at: StageItem | undefined = stage; at && !seen.has(at); at = byName.get(at.from ?? '')) {
    if (at.upcycles || at.splits === 'into experts') return true;
    if (at.splits) return false;
    seen.add(at);
  }
  return false;
}
