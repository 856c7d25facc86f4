import { type Architecture, attentionExperts, ffnExpertsPerToken, keyValueExperts } from '../architecture/architecture';
import { isAdapter } from '../architecture/adapters';
import { elementCount, ffnProjections, parameterSpecs, partOf } from '../architecture/parameters';
import { neededBy } from './graph';
import type { Plan, PlannedStage } from './plan';

/** Bytes of a number: everything is float32. */
const FLOAT = 4;

/** What a stage needs while it trains, in bytes, and how long that takes at a given speed. */
export interface StageNeeds {
  parameters: number;
  gradients: number;
  /** AdamW's two moments. */
  moments: number;
  /** See `activationBytes`. */
  activations: number;
  /** All of these, and the parameters of a teacher. */
  memory: number;
  /** One checkpoint: parameters and moments. An ensemble has none. */
  checkpoint: number;
  tokensPerSecond: number | null;
  seconds: number;
}

/** What a plan needs on some devices. */
export interface PlanNeeds {
  devices: number;
  /** FLOPs that a device computes in a second. */
  flopsPerSecond: number;
  stages: Record<string, StageNeeds>;
  /** One stage after the other. */
  secondsOnOne: number;
  /** As many stages side by side as there are devices. */
  seconds: number;
  /** Bytes of all checkpoints that are kept. */
  disk: number;
}

/** What a plan needs on `devices` that compute `flopsPerSecond` each. Counts training alone, no evaluation, packing or start. */
export function planNeeds({ stages }: Plan, devices: number, flopsPerSecond: number): PlanNeeds {
  const needs = new Map(stages.map((stage) => [stage.name, stageNeeds(stage, stages, flopsPerSecond)]));
  const seconds = ({ name }: PlannedStage): number => needs.get(name)!.seconds;
  const kept = ({ name, train }: PlannedStage): number => needs.get(name)!.checkpoint * (train?.keepCheckpoints ?? 1);
  return {
    devices,
    flopsPerSecond,
    stages: Object.fromEntries(needs),
    secondsOnOne: scheduleLength(stages, seconds, 1),
    seconds: scheduleLength(stages, seconds, devices),
    disk: stages.reduce((sum, stage) => sum + kept(stage), 0),
  };
}

function stageNeeds(stage: PlannedStage, stages: readonly PlannedStage[], flopsPerSecond: number): StageNeeds {
  const { architecture, train, teacher, ensemble } = stage;
  const parameters = FLOAT * stage.parameters.total;
  const trained = train ? FLOAT * trainedParameters(stage) : 0;
  const teacherBytes = teacher ? FLOAT * stages.find(({ name }) => name === teacher.name)!.parameters.total : 0;
  const activations = train ? activationBytes(architecture, train.batch / train.accumulate) : 0;
  return {
    ...{ parameters, gradients: trained, moments: 2 * trained, activations },
    memory: parameters + 3 * trained + activations + teacherBytes,
    checkpoint: ensemble ? 0 : parameters + 2 * trained,
    tokensPerSecond: train ? (flopsPerSecond * train.tokens) / train.flops : null,
    seconds: train ? train.flops / flopsPerSecond : 0,
  };
}

/** How many parameters of a stage train: all, but what is frozen; with adapters those alone. */
function trainedParameters({ architecture, train }: PlannedStage): number {
  const frozen: readonly string[] = train?.freeze ?? [];
  return parameterSpecs(architecture)
    .filter((spec) => (architecture.adapters ? isAdapter(spec) : !frozen.includes(partOf(spec) ?? '')))
    .reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/**
 * What a forward pass over so many sequences of the whole context keeps for the backward pass, in bytes: for each token and layer its
 * residual stream, the normed input and the layer's output (3 x width); of every attention expert queries and output (2 x width), one row
 * of attention weights for each head (heads x context) and its keys and values; of every FFN expert that it is sent to the gate, up and
 * their product (3 x hidden, with GELU 2 x); and once the scores of the vocabulary and their gradient. An estimate: what an engine keeps
 * beside it, or computes anew, is not in it.
 */
export function activationBytes(architecture: Architecture, sequences: number): number {
  const { width, heads, kvHeads, ffnHidden, context, layers, vocabulary, mixture } = architecture;
  const keysAndValues = keyValueExperts(architecture) * 2 * (width / heads) * kvHeads;
  const attention = attentionExperts(architecture) * (2 * width + heads * context) + keysAndValues;
  const ffn = ffnProjections(architecture).length * ffnHidden;
  const ffns = Array.from({ length: layers }, (_, layer) => ffn * (mixture ? ffnExpertsPerToken(mixture, layer) : 1));
  const all = layers * (3 * width + attention) + ffns.reduce((sum, one) => sum + one, 0) + 2 * vocabulary;
  return FLOAT * sequences * context * all;
}

/**
 * How long stages take on several devices, one stage on each at a time, in the unit of `seconds`: as a run executes them, a free device
 * takes the first stage in the plan's order whose needed stages are done (list scheduling; Graham 1969).
 */
export function scheduleLength(
  stages: readonly PlannedStage[],
  seconds: (stage: PlannedStage) => number,
  devices: number,
): number {
  let waiting = [...stages];
  let running: { name: string; end: number }[] = [];
  let time = 0;
  for (;;) {
    const open = new Set([...waiting, ...running].map(({ name }) => name));
    const next =
      running.length < devices && waiting.find((stage) => !neededBy(stage).some(({ name }) => open.has(name)));
    if (next) {
      waiting = waiting.filter((stage) => stage !== next);
      running.push({ name: next.name, end: time + seconds(next) });
    } else if (running.length) {
      time = Math.min(...running.map(({ end }) => end));
      running = running.filter(({ end }) => end > time);
    } else return time;
  }
}
