import * as tf from '@tensorflow/tfjs';
import { hasFfnRouter } from '../architecture/architecture';
import { ffnChoices } from '../architecture/zero-computation';
import { sumRows, takeRows } from '../engine/ops/rows';
import { blockAdapters } from '../model/adapters';
import { ffnScores } from '../model/ffn';
import { zeroComputation } from '../model/zero-computation';
import { chooseExperts } from './choose-experts';
import type { ExpertGate, RoutedLayer } from './experts';
import { logitsAhead } from './look-ahead';
import type { DecodingModel } from './model';
import type { LayerChange } from './routing-change';

/** What a pass gives the FFN of a layer beside its input. */
export interface FfnPass {
  layer: number;
  ids: readonly number[];
  /** Of the first token. */
  position: number;
  /** The logits of the FFN router before, (T, columns). */
  before: tf.Tensor2D | undefined;
  /** Of each layer. */
  changes: readonly LayerChange[];
}

/** What a layer's FFN gives: tensors that the caller disposes of. */
export interface RoutedFfn {
  /** (T, E) */
  output: tf.Tensor2D;
  /** The router's logits, (T, columns), where it has some. */
  scores: tf.Tensor2D | undefined;
  /** Of each token, the columns that it was sent to. */
  chosen: ExpertGate[][];
}

/** The FFN of a mixture's block: its router's choice on the host, and the chosen experts. `u` (T, E) is the normed input. */
export async function routedFfn(model: DecodingModel, u: tf.Tensor2D, pass: FfnPass): Promise<RoutedFfn> {
  const { architecture, parameters, experts } = model;
  const { layer, position } = pass;
  const scores = scoresOf(model, layer, u, pass.before);
  const chosen = await choiceOf(model, pass, layer, scores);
  const toExperts = withoutOthers(model, chosen);
  await experts.prepare({
    layer,
    position,
    chosen: toExperts,
    lookAhead: (count) => lookAhead(model, u, pass, scores, count),
  });
  const computed = await expertOutputs(model, layer, u, toExperts);
  const output = tf.tidy(() => {
    const others = zeroComputationOf(model, layer, u, chosen);
    const sum = others ? tf.add<tf.Tensor2D>(computed, others) : computed;
    return tf.clone(blockAdapters(architecture, parameters, layer).apply('ffn', u, sum));
  });
  computed.dispose();
  return { output, scores, chosen };
}

/** The logits of a layer's router, `undefined` with hash routing. */
function scoresOf(
  { architecture, parameters }: DecodingModel,
  layer: number,
  u: tf.Tensor2D,
  before: tf.Tensor2D | undefined,
): tf.Tensor2D | undefined {
  const mixture = architecture.mixture!;
  if (!hasFfnRouter(mixture)) return undefined;
  return tf.tidy(() => ffnScores(mixture, parameters, layer, u, { scores: before }).logits);
}

async function choiceOf(
  { architecture, routers }: DecodingModel,
  { ids, changes }: FfnPass,
  layer: number,
  scores: tf.Tensor2D | undefined,
): Promise<ExpertGate[][]> {
  const logits = await scores?.data<'float32'>();
  return chooseExperts(architecture.mixture!, { layer, router: routers[layer]!, ids, logits, change: changes[layer]! });
}

/** The choices without zero-computation experts. */
function withoutOthers({ architecture }: DecodingModel, chosen: readonly ExpertGate[][]): ExpertGate[][] {
  const { experts, zeroComputation: others } = architecture.mixture!;
  return others ? chosen.map((token) => token.filter(({ expert }) => expert < experts)) : [...chosen];
}

/** What the next routers would choose if they read `u`; see `RoutedLayer`. */
async function lookAhead(
  model: DecodingModel,
  u: tf.Tensor2D,
  { layer, ids, changes }: FfnPass,
  scores: tf.Tensor2D | undefined,
  count: number,
): ReturnType<RoutedLayer['lookAhead']> {
  const { architecture, routers } = model;
  const ahead = await logitsAhead(model, u, { layer, before: scores, count });
  return ahead.map((logits, i) => {
    const next = layer + 1 + i;
    const choice = { layer: next, router: routers[next]!, ids, logits, change: changes[next]! };
    return withoutOthers(model, chooseExperts(architecture.mixture!, choice));
  });
}

/** The rows of one expert: which tokens they are, and their gates. */
interface ExpertRows {
  expert: number;
  tokens: number[];
  gates: number[];
}

function rowsByExpert(chosen: readonly (readonly ExpertGate[])[]): ExpertRows[] {
  const byExpert = new Map<number, ExpertRows>();
  chosen.forEach((gates, token) => {
    for (const { expert, gate } of gates) {
      const rows = byExpert.get(expert) ?? { expert, tokens: [], gates: [] };
      rows.tokens.push(token);
      rows.gates.push(gate);
      byExpert.set(expert, rows);
    }
  });
  return [...byExpert.values()].sort((a, b) => a.expert - b.expert);
}

/** The sum of the chosen experts' outputs, each times its gate, (T, E). */
async function expertOutputs(
  { experts: source }: DecodingModel,
  layer: number,
  u: tf.Tensor2D,
  chosen: readonly (readonly ExpertGate[])[],
): Promise<tf.Tensor2D> {
  const experts = rowsByExpert(chosen);
  const inputs = experts.map(({ tokens }) =>
    tokens.length === u.shape[0] ? tf.clone(u) : tf.tidy(() => takeRows(u, tf.tensor1d(tokens, 'int32'))),
  );
  const outputs = await Promise.all(
    experts.map(({ expert, gates }, i) => source.ffn(layer, expert, inputs[i]!, gates)),
  );
  const sum = tf.tidy(() => {
    if (!experts.length) return tf.zerosLike(u);
    const gated = outputs.map((output, i): tf.Tensor2D =>
      tf.mul(output, tf.tensor2d(experts[i]!.gates, [output.shape[0], 1])),
    );
    // Every expert has all tokens, or the rows go back to theirs.
    if (experts.every(({ tokens }) => tokens.length === u.shape[0])) return tf.addN(gated);
    const indices = tf.tensor1d(
      experts.flatMap(({ tokens }) => tokens),
      'int32',
    );
    return sumRows(gated.length === 1 ? gated[0]! : tf.concat(gated), indices, u.shape[0]);
  });
  tf.dispose([...inputs, ...outputs]);
  return sum;
}

/** What zero-computation experts add, where a token was sent to one. */
function zeroComputationOf(
  { architecture, parameters }: DecodingModel,
  layer: number,
  u: tf.Tensor2D,
  chosen: readonly (readonly ExpertGate[])[],
): tf.Tensor2D | undefined {
  const mixture = architecture.mixture!;
  if (!mixture.zeroComputation || !chosen.some((token) => token.some(({ expert }) => expert >= mixture.experts)))
    return undefined;
  const columns = ffnChoices(mixture);
  const gates = new Float32Array(chosen.length * columns);
  chosen.forEach((token, row) => token.forEach(({ expert, gate }) => (gates[row * columns + expert] = gate)));
  return zeroComputation(mixture, parameters, layer, u, tf.tensor2d(gates, [chosen.length, columns]));
}
