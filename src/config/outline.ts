import { type Document, isMap, isNode, isScalar, type Node } from 'yaml';
import type { DataPath } from './source';
import { sweptPath } from './sweep';
import { type Entry, entriesOf, isText, keyText, parseTree, type Span, spanOf } from './tree';

export type NameKind = 'stage' | 'domain';

/** One place where the name of a stage or a domain stands. */
export interface NamePlace {
  kind: NameKind;
  name: string;
  role: 'definition' | 'reference';
  /** With quotes, if it has any. */
  span: Span;
  /** Only for a name within the path of a swept key, which takes no quotes of its own. */
  isPart?: true;
}

/** A key of the file and all that belongs to it. */
export interface Item {
  name: string;
  key: Span;
  /** From the key to the end of its value. */
  whole: Span;
}

/** A stage as written, without any check. */
export interface StageItem extends Item {
  from: string | undefined;
  /** The folder of an imported checkpoint. */
  imported: string | undefined;
  method: string | undefined;
  experts: string[];
  /** Of an ensemble. */
  members: string[];
  like: string | undefined;
  /** The stage that it learns from. */
  teacher: string | undefined;
  upcycles: boolean;
  prunes: boolean;
  /** Whether it is split out of the stage in `from`, into so many experts. */
  splits: 'into experts' | 'into one' | undefined;
  trains: boolean;
}

/** What an experiment file holds, by name. Made from as much of the text as can be read. */
export interface Outline {
  /** True where the text is YAML without a mistake, so that nothing was overlooked. */
  complete: boolean;
  /** The keys at the top: name, model, domains, ... */
  sections: Item[];
  domains: Item[];
  stages: StageItem[];
  names: NamePlace[];
}

/** The outline of a text, which may be broken. */
export function outlineOf(text: string): Outline {
  const document = parseTree(text);
  if (!document) return { complete: false, sections: [], domains: [], stages: [], names: [] };
  return outlineOfDocument(document, text);
}

/** The outline of a parsed text. */
export function outlineOfDocument(document: Document, text: string): Outline {
  const outline: Outline = { complete: !document.errors.length, sections: [], domains: [], stages: [], names: [] };
  for (const entry of entriesOf(document.contents)) {
    const place = namePlace(entry, text);
    if (place) outline.names.push(place);
    if (entry.role !== 'key') continue;
    const [section] = entry.path;
    if (entry.path.length === 1) outline.sections.push(item(entry, text));
    else if (entry.path.length > 2) continue;
    else if (section === 'domains') outline.domains.push(item(entry, text));
    else if (section === 'stages') outline.stages.push({ ...item(entry, text), ...stageOf(entry.value) });
  }
  outline.names.push(...sweptNames(document, text, outline.stages));
  outline.names.sort((a, b) => a.span.start - b.span.start);
  return outline;
}

/** The names in `sweep`: stages in the paths of keys, stages and domains in the values. */
function sweptNames(document: Document, text: string, stages: readonly StageItem[]): NamePlace[] {
  const known = stages.map(({ name }) => name);
  return [...entriesOf(document.contents)].flatMap((entry) => {
    const path = entry.path[0] === 'sweep' ? sweptPath(String(entry.path[1]), known) : undefined;
    if (!path) return [];
    // The path of a value in a list leads where the value would stand.
    if (entry.path.length > 2) return namePlace({ ...entry, path: [...path, ...entry.path.slice(3)] }, text) ?? [];
    const isKey = entry.role === 'key' && path[0] === 'stages';
    return isKey ? [partOfKey(entry, text, String(path[1]))] : [];
  });
}

function partOfKey({ node }: Entry, text: string, name: string): NamePlace {
  const start = text.indexOf(`stages.${name}.`, spanOf(text, node).start) + 'stages.'.length;
  return { kind: 'stage', name, role: 'reference', span: { start, end: start + name.length }, isPart: true };
}

function item({ path, node, value }: Entry, text: string): Item {
  const key = spanOf(text, node);
  const end = value ? spanOf(text, value).end : key.end;
  return { name: String(path.at(-1)), key, whole: { start: key.start, end: Math.max(end, key.end) } };
}

function namePlace({ path, role, node }: Entry, text: string): NamePlace | undefined {
  const found = nameKindAt(path, role);
  if (!found || (role === 'value' && !isText(node))) return undefined;
  const name = role === 'value' && isText(node) ? node.value : String(path.at(-1));
  return { ...found, name, span: spanOf(text, node) };
}

/** Whether a key or a value at this path is the name of a stage or domain, and whether it defines or refers. */
export function nameKindAt(path: DataPath, role: Entry['role']): Pick<NamePlace, 'kind' | 'role'> | undefined {
  const [section, , group, key] = path;
  if (role === 'key' && path.length === 2) {
    if (section === 'domains') return { kind: 'domain', role: 'definition' };
    return section === 'stages' ? { kind: 'stage', role: 'definition' } : undefined;
  }
  if (section !== 'stages') return undefined;
  if (role === 'key') {
    return path.length === 5 && group === 'train' && key === 'mix' ? { kind: 'domain', role: 'reference' } : undefined;
  }
  const isFrom = path.length === 3 && group === 'from';
  const isLike = path.length === 4 && group === 'train' && key === 'like';
  const isSince = path.length === 4 && group === 'prune' && key === 'since';
  const isExpert = path.length === 5 && group === 'upcycle' && key === 'experts';
  const isMember = path.length === 5 && group === 'ensemble' && key === 'members';
  const isTeacher = path.length === 5 && group === 'train' && key === 'distill' && path[4] === 'teacher';
  const isReference = isFrom || isLike || isSince || isTeacher || isExpert || isMember;
  return isReference ? { kind: 'stage', role: 'reference' } : undefined;
}

function stageOf(node: Node | undefined): Omit<StageItem, keyof Item> {
  const upcycle = childOf(node, 'upcycle');
  const train = childOf(node, 'train');
  return {
    from: textOf(childOf(node, 'from')),
    imported: textOf(childOf(childOf(node, 'import'), 'huggingFace')),
    method: textOf(childOf(upcycle, 'method')),
    experts: textsOf(childOf(upcycle, 'experts')),
    members: textsOf(childOf(childOf(node, 'ensemble'), 'members')),
    like: textOf(childOf(train, 'like')),
    teacher: textOf(childOf(childOf(train, 'distill'), 'teacher')),
    upcycles: hasKey(node, 'upcycle'),
    prunes: hasKey(node, 'prune'),
    splits: splitOf(node),
    trains: hasKey(node, 'train'),
  };
}

function splitOf(node: Node | undefined): StageItem['splits'] {
  if (!hasKey(node, 'split')) return undefined;
  const experts = childOf(childOf(node, 'split'), 'experts');
  return isScalar(experts) && experts.value === 1 ? 'into one' : 'into experts';
}

function hasKey(node: Node | undefined, name: string): boolean {
  return isMap(node) && node.items.some((pair) => keyText(pair.key) === name);
}

function childOf(node: Node | undefined, name: string): Node | undefined {
  if (!isMap(node)) return undefined;
  const value = node.items.find((pair) => keyText(pair.key) === name)?.value;
  return isNode(value) ? value : undefined;
}

function textsOf(node: Node | undefined): string[] {
  return [...entriesOf(node)].flatMap((entry) => textOf(entry.node) ?? []);
}

function textOf(node: Node | undefined): string | undefined {
  return isText(node) ? node.value : undefined;
}

/** A line of the document's outline. */
export interface OutlineSymbol extends Item {
  kind: 'section' | NameKind;
  /** Where a stage comes from. */
  detail: string;
  children: OutlineSymbol[];
}

/** The outline as a tree: model, domains and stages, with each domain and stage below. */
export function symbolsOf(outline: Outline): OutlineSymbol[] {
  const domains = outline.domains.map((domain): OutlineSymbol => leaf(domain, 'domain', ''));
  const stages = outline.stages.map((stage): OutlineSymbol => leaf(stage, 'stage', originOf(stage)));
  const children: Record<string, OutlineSymbol[]> = { model: [], domains, stages };
  return outline.sections.flatMap((section) => {
    const below = Object.hasOwn(children, section.name) ? children[section.name]! : undefined;
    if (!below) return [];
    // In a broken file, a group may end before what belongs to it.
    const end = Math.max(section.whole.end, ...below.map(({ whole }) => whole.end));
    return [{ ...leaf(section, 'section', ''), whole: { start: section.whole.start, end }, children: below }];
  });
}

function leaf({ name, key, whole }: Item, kind: OutlineSymbol['kind'], detail: string): OutlineSymbol {
  return { name, key, whole, kind, detail, children: [] };
}

/**
 * Where a stage comes from, in words: `bam of seed, law`, `scratch`, `ensemble of seed, law`, `import of models/pythia`, `split of seed`, `from seed`,
 * `pruned from bam`; empty for one that starts from nothing.
 */
export function originOf({ from, imported, method, experts, members, upcycles, splits, prunes }: StageItem): string {
  if (members.length) return `ensemble of ${members.join(', ')}`;
  if (upcycles) return [method ?? 'upcycle', experts.join(', ')].filter(Boolean).join(' of ');
  if (imported !== undefined) return `import of ${imported}`;
  if (from === undefined) return '';
  return splits ? `split of ${from}` : `${prunes ? 'pruned ' : ''}from ${from}`;
}

/** The groups of the file that take more than one line: sections, domains, stages, and the groups inside them. */
export function foldsOf(text: string): Span[] {
  const document = parseTree(text);
  if (!document) return [];
  const keys = [...entriesOf(document.contents)].filter(({ role }) => role === 'key');
  const wholes = keys.map((entry) => item(entry, text).whole);
  return wholes.filter(({ start, end }) => text.slice(start, end).includes('\n'));
}
