import { excludedBeside } from './beside';
import type { Diagnostic } from './diagnostics';
import { type Group, group } from './groups';
import type { Source } from './source';

/** What a stage cannot do beside `adapt`, each with why. */
const BESIDE: Record<string, string> = {
  upcycle: 'adapt the mixture in a stage of its own',
  split: 'adapt what the split makes in a stage of its own',
  import: 'adapt the import in a stage of its own',
  ensemble: 'an ensemble has no parameters of its own',
};

/** Checks the adapters of a stage: those that it adds, and those that it has from the stage it starts from. */
export function checkAdapt(source: Source, name: string, stages: Group, isMixture: boolean): Diagnostic[] {
  const stage = group(stages[name]);
  const mistakes: Diagnostic[] = [];
  const path = ['stages', name];
  if (stage.adapt !== undefined) mistakes.push(...checkOwn(source, name, stages, isMixture));
  if (hasAdapters(stages, name)) mistakes.push(...checkTraining(source, name, group(stage.train)));
  if (stage.split !== undefined && typeof stage.from === 'string' && hasAdapters(stages, stage.from)) {
    const found = `"${stage.from}", which has some`;
    mistakes.push(source.at([...path, 'from'], 'a stage without adapters beside `split`', found));
  }
  const { experts } = group(stage.upcycle);
  (Array.isArray(experts) ? (experts as unknown[]) : []).forEach((expert, i) => {
    if (typeof expert !== 'string' || !hasAdapters(stages, expert)) return;
    mistakes.push(
      source.at([...path, 'upcycle', 'experts', i], 'a stage without adapters', `"${expert}", which has some`),
    );
  });
  return mistakes;
}

function checkOwn(source: Source, name: string, stages: Group, isMixture: boolean): Diagnostic[] {
  const stage = group(stages[name]);
  const { method, parts, ...adapt } = group(stage.adapt);
  const path = ['stages', name, 'adapt'];
  const why = (key: string): string => `: ${BESIDE[key]}`;
  const mistakes = excludedBeside(source, ['stages', name], stage, 'adapt', Object.keys(BESIDE), why);
  if (stage.from === undefined) {
    mistakes.push(source.atKey(path, '`from` beside `adapt`, the stage whose model is adapted'));
  } else if (typeof stage.from === 'string' && hasAdapters(stages, stage.from)) {
    const found = `"${stage.from}", which has some`;
    mistakes.push(source.at(['stages', name, 'from'], 'a stage without adapters beside `adapt`', found));
  }
  for (const key of ['rank', 'alpha']) {
    if (method !== 'mov' || adapt[key] === undefined) continue;
    mistakes.push(source.atKey([...path, key], `no \`${key}\` with mov, whose experts are vectors`));
  }
  if (method === 'mov' && isMixture && Array.isArray(parts) && parts.includes('ffn')) {
    const expected = '`attention` alone with mov in a mixture (the activations of FFN experts have no adapters)';
    mistakes.push(source.at([...path, 'parts', parts.indexOf('ffn')], expected));
  }
  return mistakes;
}

/** Settings of parts that do not train beside adapters. */
function checkTraining(source: Source, name: string, train: Group): Diagnostic[] {
  const path = ['stages', name, 'train'];
  const why = 'in a stage with adapters, beside which nothing else trains';
  const isSet: Record<string, boolean> = {
    freeze: train.freeze !== undefined,
    loadBalance: typeof train.loadBalance === 'number' && train.loadBalance > 0,
    routerZ: typeof train.routerZ === 'number' && train.routerZ > 0,
  };
  return Object.keys(isSet).flatMap((key) =>
    isSet[key] ? [source.atKey([...path, key], `no \`${key}\` ${why}`)] : [],
  );
}

/** Whether a stage's model has adapters: its own, or those of the stage that it starts from. */
export function hasAdapters(stages: Group, name: string, seen: readonly string[] = []): boolean {
  const stage = Object.hasOwn(stages, name) ? group(stages[name]) : {};
  if (stage.adapt !== undefined) return true;
  return typeof stage.from === 'string' && !seen.includes(name) && hasAdapters(stages, stage.from, [...seen, name]);
}
