import { checkAdapt } from './adapt';
import { excludedBeside } from './beside';
import { checkCountedParents } from './budget';
import { closestName, type Diagnostic } from './diagnostics';
import { group, type Group, isCount, isGroup } from './groups';
import { checkInstructions } from './instructions';
import { checkLaunch } from './launch';
import { checkMethod } from './method';
import { checkPruning } from './pruning';
import { checkRouterInit } from './router-init';
import { checkRouting } from './routing';
import { checkServing } from './serving';
import { checkZeroComputation } from './zero-computation';
import { checkSplit, splitsIntoExperts } from './split';
import { FREEZABLE } from './train-schema';
import type { DataPath, Source } from './source';

/** Most stages that a file may have. */
export const MAXIMUM_STAGES = 1000;

/**
 * Checks what the shape of the file cannot say: names that must exist, numbers that must fit each other, cycles.
 * Works on the plain data and skips what has the wrong shape, so that these mistakes show beside those of shape.
 */
export function checkMeaning(source: Source): Diagnostic[] {
  const file = group(source.data);
  const stages = Object.entries(group(file.stages));
  if (stages.length > MAXIMUM_STAGES) {
    return [source.atKey(['stages'], `at most ${MAXIMUM_STAGES} stages`, `${stages.length}`)];
  }
  const names = { domains: Object.keys(group(file.domains)), stages: Object.keys(group(file.stages)) };
  const mistakes = [...checkModel(source, group(file.model)), ...checkShape(source, file)];
  mistakes.push(...checkLaunch(source, group(file.launch)));
  if (file.seed !== undefined && file.seeds !== undefined) {
    mistakes.push(source.atKey(['seeds'], 'either `seed` or `seeds`', 'both'));
  }
  if (isGroup(file.domains) && !names.domains.length) {
    mistakes.push(source.at(['domains'], 'at least one domain'));
  }
  if (isGroup(file.stages) && !names.stages.length) {
    mistakes.push(source.at(['stages'], 'at least one stage'));
  }
  for (const kind of ['domains', 'stages'] as const) {
    for (const name of names[kind]) mistakes.push(...checkName(source, [kind, name], name));
  }
  for (const [name, domain] of Object.entries(group(file.domains))) {
    mistakes.push(...checkInstructions(source, name, group(domain)));
  }
  for (const [name, task] of Object.entries(group(file.tasks))) {
    mistakes.push(...checkName(source, ['tasks', name], name), ...checkTask(source, ['tasks', name], group(task)));
  }
  for (const [name, stage] of stages) {
    if (!isGroup(stage)) continue;
    mistakes.push(...checkStage(source, name, stage, names));
    mistakes.push(...checkKinds(source, name, group(file.stages)));
    mistakes.push(...checkPruning(source, name, group(file.stages)));
    mistakes.push(...checkSplit(source, name, file));
    mistakes.push(...checkServing(source, name, file));
    mistakes.push(...checkRouterInit(source, name, file));
    mistakes.push(...checkFreeze(source, name, group(file.stages)));
    mistakes.push(...checkAdapt(source, name, group(file.stages), isMixture(group(file.stages), name)));
    mistakes.push(...checkCountedParents(source, name, group(file.stages)));
  }
  return [...mistakes, ...checkCycles(source, group(file.stages))];
}

function checkModel(source: Source, model: Group): Diagnostic[] {
  const { width, heads, kvHeads } = model;
  if (!isCount(heads)) return [];
  const mistakes: Diagnostic[] = [];
  if (isCount(width) && width % heads !== 0) {
    mistakes.push(source.at(['model', 'heads'], `a divisor of the width ${width}`));
  } else if (isCount(width) && (width / heads) % 2 !== 0) {
    mistakes.push(source.at(['model', 'heads'], 'heads of an even size (width / heads), which rotary positions need'));
  }
  if (isCount(kvHeads) && heads % kvHeads !== 0) {
    mistakes.push(source.at(['model', 'kvHeads'], `a divisor of the ${heads} heads`));
  }
  return mistakes;
}

/** The model's shape may be left out only where no stage starts from random parameters. */
function checkShape(source: Source, file: Group): Diagnostic[] {
  const stages = Object.values(group(file.stages)).map(group);
  const isRandom = ({ from, upcycle, import: imported, ensemble }: Group): boolean =>
    [from, imported, ensemble].every((origin) => origin === undefined) &&
    (upcycle === undefined || group(upcycle).method === 'scratch');
  const imports = stages.some((stage) => stage.import !== undefined);
  if (!isGroup(file.model) || (imports && !stages.some(isRandom))) return [];
  const missing = ['layers', 'width', 'heads', 'ffnHidden'].filter((key) => group(file.model)[key] === undefined);
  return missing.map((key) => source.at(['model', key], 'a whole number'));
}

/** Names become folder names and file names, so they are kept to letters, digits, dot, dash and underscore. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

function checkName(source: Source, path: DataPath, name: string): Diagnostic[] {
  if (NAME.test(name)) return [];
  return [source.atKey(path, 'a name of at most 64 letters, digits, dots, dashes and underscores')];
}

function checkTask(source: Source, path: DataPath, { kind, choices }: Group): Diagnostic[] {
  if (kind === 'multiple-choice' && choices === undefined) {
    return [source.atKey(path, '`choices`, the field with the list of choices', 'nothing')];
  }
  if (kind === 'exact-match' && choices !== undefined) {
    return [source.atKey([...path, 'choices'], 'no `choices` with exact-match, which lets the model write')];
  }
  return [];
}

interface Names {
  domains: string[];
  stages: string[];
}

function checkStage(source: Source, name: string, stage: Group, names: Names): Diagnostic[] {
  const path = ['stages', name];
  const mistakes: Diagnostic[] = [];
  const upcycle = isGroup(stage.upcycle) ? stage.upcycle : undefined;
  if (typeof stage.from === 'string')
    mistakes.push(...checkReference(source, [...path, 'from'], stage.from, 'stage', names.stages));
  if (stage.from !== undefined && upcycle) {
    mistakes.push(source.atKey([...path, 'from'], 'either `from` or `upcycle`', 'both'));
  }
  if (stage.import !== undefined && (stage.from !== undefined || stage.upcycle !== undefined)) {
    mistakes.push(source.atKey([...path, 'import'], 'one of `from`, `upcycle` and `import`', 'more than one'));
  }
  const { since } = group(stage.prune);
  if (typeof since === 'string')
    mistakes.push(...checkReference(source, [...path, 'prune', 'since'], since, 'stage', names.stages));
  const makings = ['train', 'upcycle', 'split', 'prune', 'adapt', 'import', 'ensemble', 'serve'];
  if (makings.every((key) => stage[key] === undefined)) {
    const expected = '`train`, `upcycle`, `split`, `prune`, `adapt`, `import`, `ensemble` or `serve` in the stage';
    mistakes.push(source.atKey(path, expected, 'none of them'));
  }
  if (isGroup(stage.ensemble)) mistakes.push(...checkEnsemble(source, path, stage, stage.ensemble, names));
  if (upcycle) mistakes.push(...checkUpcycle(source, [...path, 'upcycle'], upcycle, names));
  if (isGroup(stage.train)) mistakes.push(...checkTrain(source, [...path, 'train'], stage.train, names));
  return mistakes;
}

function checkEnsemble(source: Source, path: DataPath, stage: Group, ensemble: Group, names: Names): Diagnostic[] {
  const why = (): string => ', which evaluates its members as they are';
  const mistakes = excludedBeside(source, path, stage, 'ensemble', ['from', 'upcycle', 'import', 'train'], why);
  const members = Array.isArray(ensemble.members) ? (ensemble.members as unknown[]) : [];
  members.forEach((member, i) => {
    if (typeof member === 'string') {
      mistakes.push(...checkReference(source, [...path, 'ensemble', 'members', i], member, 'stage', names.stages));
    }
  });
  return mistakes;
}

function checkUpcycle(source: Source, path: DataPath, upcycle: Group, names: Names): Diagnostic[] {
  const mistakes = checkMethod(source, path, upcycle);
  const experts = Array.isArray(upcycle.experts) ? (upcycle.experts as unknown[]) : [];
  experts.forEach((expert, i) => {
    if (typeof expert === 'string') {
      mistakes.push(...checkReference(source, [...path, 'experts', i], expert, 'stage', names.stages));
    }
  });
  mistakes.push(...checkRouting(source, path, upcycle), ...checkZeroComputation(source, path, upcycle));
  return mistakes;
}

function checkTrain(source: Source, path: DataPath, train: Group, names: Names): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  if (typeof train.like === 'string')
    mistakes.push(...checkReference(source, [...path, 'like'], train.like, 'stage', names.stages));
  const { teacher } = group(train.distill);
  if (typeof teacher === 'string')
    mistakes.push(...checkReference(source, [...path, 'distill', 'teacher'], teacher, 'stage', names.stages));
  for (const domain of Object.keys(group(train.mix))) {
    mistakes.push(...checkReference(source, [...path, 'mix', domain], domain, 'domain', names.domains));
  }
  const budgets = ['tokens', 'flops', 'match'].filter((key) => train[key] !== undefined);
  if (budgets.length > 1) {
    mistakes.push(source.atKey([...path, budgets[1]!], 'one budget: tokens, flops or match', budgets.join(' and ')));
  }
  if (train.match !== undefined && train.like === undefined) {
    mistakes.push(source.atKey([...path, 'match'], '`like` beside `match`, naming the stage to match'));
  }
  if (!budgets.length && train.like === undefined) {
    mistakes.push(source.atKey(path, 'a budget: tokens, flops, or like and match', 'none'));
  }
  if (isCount(train.batch) && isCount(train.accumulate) && train.batch % train.accumulate !== 0) {
    mistakes.push(source.at([...path, 'accumulate'], `a divisor of the batch ${train.batch}`));
  }
  return mistakes;
}

function checkReference(source: Source, path: DataPath, name: string, kind: string, known: string[]): Diagnostic[] {
  if (known.includes(name)) return [];
  const close = closestName(name, known);
  const expected = close
    ? `the ${kind} \`${close}\``
    : `a ${kind} of this file (${known.join(', ') || 'there is none'})`;
  const found = `"${name}"`;
  return [kind === 'domain' ? source.atKey(path, expected, found) : source.at(path, expected, found)];
}

/**
 * References to stages that exist but are of the wrong kind: experts, and stages that are split, that are mixtures, `like` of a stage that does not train, ensembles
 * where a checkpoint is needed.
 */
function checkKinds(source: Source, name: string, stages: Group): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  for (const reference of references(group(stages[name]))) {
    const path = ['stages', name, ...reference.path];
    const isExpert = reference.path.includes('experts');
    const isSplit = reference.path[0] === 'from' && isGroup(group(stages[name]).split);
    if ((isExpert || isSplit) && isMixture(stages, reference.name)) {
      mistakes.push(source.at(path, 'a dense stage', `the mixture "${reference.name}"`));
    }
    const isLike = reference.path.includes('like');
    if (!isLike && Object.hasOwn(stages, reference.name) && isGroup(group(stages[reference.name]).ensemble)) {
      mistakes.push(source.at(path, 'a stage with a checkpoint', `the ensemble "${reference.name}"`));
    }
    if (!isLike && Object.hasOwn(stages, reference.name) && isGroup(group(stages[reference.name]).serve)) {
      mistakes.push(source.at(path, 'a stage with a checkpoint', `"${reference.name}", which serves another`));
    }
    if (isLike && Object.hasOwn(stages, reference.name) && group(stages[reference.name]).train === undefined) {
      mistakes.push(source.at(path, 'a stage that trains', `"${reference.name}", which does not`));
    }
  }
  return mistakes;
}

/** Parts that a dense model has not, and a mixture of which nothing is left to train. */
function checkFreeze(source: Source, name: string, stages: Group): Diagnostic[] {
  const { freeze } = group(group(stages[name]).train);
  if (!Array.isArray(freeze)) return [];
  const place = ['stages', name, 'train', 'freeze'];
  if (FREEZABLE.every((part) => freeze.includes(part))) return [source.at(place, 'a part that is left to train')];
  if (isMixture(stages, name)) return [];
  return (freeze as unknown[]).flatMap((part, i) =>
    part === 'experts' || part === 'routers' ? [source.at([...place, i], 'a part of a dense model')] : [],
  );
}

function isMixture(stages: Group, name: string, seen: readonly string[] = []): boolean {
  const stage = Object.hasOwn(stages, name) ? group(stages[name]) : {};
  if (isGroup(stage.upcycle)) return true;
  if (isGroup(stage.split)) return splitsIntoExperts(stage);
  return typeof stage.from === 'string' && !seen.includes(name) && isMixture(stages, stage.from, [...seen, name]);
}

/** The stages that a stage needs first, with the place that says so. `like` counts: its settings come from there. */
function references(stage: Group): { name: string; path: DataPath }[] {
  const upcycle = group(stage.upcycle);
  const train = group(stage.train);
  const experts = Array.isArray(upcycle.experts) ? (upcycle.experts as unknown[]) : [];
  const { members: written } = group(stage.ensemble);
  const members = Array.isArray(written) ? (written as unknown[]) : [];
  const named: { name: unknown; path: DataPath }[] = [
    { name: stage.from, path: ['from'] },
    { name: group(stage.prune).since, path: ['prune', 'since'] },
    { name: train.like, path: ['train', 'like'] },
    { name: group(train.distill).teacher, path: ['train', 'distill', 'teacher'] },
    ...experts.map((name, i) => ({ name, path: ['upcycle', 'experts', i] })),
    ...members.map((name, i) => ({ name, path: ['ensemble', 'members', i] })),
  ];
  return named.flatMap(({ name, path }) => (typeof name === 'string' ? [{ name, path }] : []));
}

/** One diagnostic for every cycle, at the reference that closes it. */
function checkCycles(source: Source, stages: Group): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  const done = new Set<string>();
  const visit = (name: string, trail: string[]): void => {
    if (done.has(name)) return;
    for (const reference of references(group(stages[name]))) {
      const start = [...trail, name].indexOf(reference.name);
      if (start >= 0) {
        const cycle = [...[...trail, name].slice(start), reference.name].join(' -> ');
        mistakes.push(
          source.at(['stages', name, ...reference.path], 'stages that do not lead back to themselves', cycle),
        );
      } else if (Object.hasOwn(stages, reference.name)) visit(reference.name, [...trail, name]);
    }
    done.add(name);
  };
  for (const name of Object.keys(stages)) visit(name, []);
  return mistakes;
}
