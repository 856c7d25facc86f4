import { BITS, type Precision, PRECISIONS } from '../base/offload-words';
import { excludedBeside } from './beside';
import type { Diagnostic } from './diagnostics';
import { type Group, group, isCount, isGroup } from './groups';
import { mixtureOf } from './pruning';
import type { DataPath, Source } from './source';

/** What a stage that serves has not: it computes with the parameters of another. */
const NOT_BESIDE = ['upcycle', 'split', 'prune', 'adapt', 'import', 'ensemble', 'train'];

/** Checks that a stage with `serve` has a mixture to serve, and numbers that fit each other. `file` is the whole file. */
export function checkServing(source: Source, name: string, file: Group): Diagnostic[] {
  const stages = group(file.stages);
  const stage = group(stages[name]);
  if (!isGroup(stage.serve)) return [];
  const path = ['stages', name, 'serve'];
  const why = (): string => ', which measures the stage in `from` as it is';
  const mistakes = excludedBeside(source, ['stages', name], stage, 'serve', NOT_BESIDE, why);
  mistakes.push(...checkNumbers(source, path, stage.serve, group(file.model).context));
  if (typeof stage.from !== 'string') {
    if (stage.from === undefined) mistakes.push(source.atKey(path, '`from` beside `serve`, naming a mixture', 'none'));
    return mistakes;
  }
  if (!Object.hasOwn(stages, stage.from) || ['ensemble', 'serve'].some((key) => group(stages[String(stage.from)])[key]))
    return mistakes;
  const place = ['stages', name, 'from'];
  const mixture = mixtureOf(stages, stage.from);
  if (!mixture) return [...mistakes, source.at(place, 'a mixture, whose experts can stay on the disk')];
  if (mixture.upcycle.ffnRouting === 'soft') {
    return [...mistakes, source.at(place, 'a mixture whose tokens have some experts (soft routing has all)')];
  }
  const { layers } = group(file.model);
  const experts = isCount(layers) && mixture.left !== undefined ? layers * mixture.left : undefined;
  return [...mistakes, ...checkBudget(source, [...path, 'budget'], stage.serve, experts)];
}

function checkNumbers(source: Source, path: DataPath, serve: Group, context: unknown): Diagnostic[] {
  const { high = 'float32', low = 'int4', t1 = 0.6, t2 = 0.9, prompt = 32, tokens = 32 } = serve;
  const mistakes: Diagnostic[] = [];
  const rank = (precision: unknown): number => PRECISIONS.indexOf(precision as Precision);
  if (low !== 'none' && rank(high) >= 0 && rank(low) >= 0 && rank(low) <= rank(high)) {
    const below = PRECISIONS.slice(rank(high) + 1).map((precision) => `\`${precision}\``);
    mistakes.push(
      placed(source, path, serve, 'low', `${[...below, '`none`'].join(' or ')}, lower than \`${String(high)}\``, low),
    );
  }
  if (typeof t1 === 'number' && typeof t2 === 'number' && t2 < t1) {
    mistakes.push(placed(source, path, serve, 't2', `at least t1, ${t1}`, t2));
  }
  if (isCount(prompt) && isCount(tokens) && isCount(context) && prompt + tokens > context) {
    const expected = `with \`prompt\` at most the ${context} tokens of a sequence (\`model.context\`)`;
    mistakes.push(placed(source, path, serve, 'tokens', expected, `${prompt} + ${tokens}`));
  }
  return mistakes;
}

/** Room for one expert of each precision, scales not counted; `experts` are those of all layers, where the file says them. */
function checkBudget(source: Source, path: DataPath, serve: Group, experts: number | undefined): Diagnostic[] {
  const { budget, high = 'float32', low = 'int4' } = serve;
  if (typeof budget !== 'number' || experts === undefined) return [];
  const bits = (precision: unknown): number => BITS[precision as Precision] ?? 0;
  const least = (1 + bits(low) / bits(high)) / experts;
  if (!(budget < least)) return [];
  const what = low === 'none' ? 'one expert' : 'one expert of each precision';
  return [source.at(path, `at least ${least.toPrecision(2)}, room for ${what} of ${experts}`)];
}

/** At the key if it is written, else at the group: a default is what is wrong. */
function placed(
  source: Source,
  path: DataPath,
  serve: Group,
  key: string,
  expected: string,
  found: unknown,
): Diagnostic {
  if (serve[key] !== undefined) return source.at([...path, key], expected, String(found));
  return source.atKey(path, `\`${key}\` ${expected}`, String(found));
}
