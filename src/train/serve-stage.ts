import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ServeConfig } from '../config/serve-schema';
import { type HeldOutBatch, heldOutBatches } from '../data/held-out';
import type { Serving } from '../events/event';
import { choosePolicy, type ChosenPolicy } from '../offload/calibrate';
import { type ExpertFolder, openExpertFolder } from '../offload/open-folder';
import { policyNamed } from '../offload/policies';
import type { OffloadCounts } from '../offload/scheduler';
import type { RoutingTrace } from '../offload/trace';
import { expertPlaces, writeExpertFolder } from '../offload/write-folder';
import { type DecodingSpeed, measureDecoding } from '../serve/measure';
import { decodingModel, disposeModel } from '../serve/model';
import { OffloadedExperts } from '../serve/offloaded-experts';
import { routingTrace, type ServedText } from '../serve/recorded-experts';
import { memoryBytes } from '../serve/stored-expert';
import { evaluate, EVALUATION_BATCH } from './evaluate';
import { loadFinal } from './initial';
import { loadModel } from './load-model';
import { type StageContext, type StageOutcome, unlessStopped } from './stage-context';

/** Weights of a row that have one scale: all of most models' rows, which are computed fastest so. */
const GROUP = 1024;

/** Measures how a mixture decodes with its experts on the disk: a stage without a step and without a checkpoint. */
export async function runServing(context: StageContext, serve: ServeConfig): Promise<StageOutcome> {
  const { stage, domains, backend, checkpoints, emit } = context;
  const begun = performance.now();
  const engine = `${backend.description}, operation by operation`;
  emit({ type: 'stage.started', stage: stage.name, key: stage.key, steps: 0, engine, fromStep: 0 });
  const found = await unlessStopped(context, async (onProgress) => {
    const model = loadModel(stage, checkpoints);
    const plan = { plan: stage.evaluation, context: stage.architecture.context, batch: EVALUATION_BATCH, onProgress };
    try {
      return await evaluate(model, domains, { step: 0, tokens: 0, flops: 0 }, plan);
    } finally {
      model.dispose();
    }
  });
  const serving = found && (await unlessStopped(context, (onProgress) => serveStage(context, serve, onProgress)));
  if (!serving) return { state: 'stopped', step: 0 };
  const seconds = (performance.now() - begun) / 1000;
  return { state: 'finished', step: 0, seconds, engine, evaluation: { ...found, serving } };
}

async function serveStage(context: StageContext, serve: ServeConfig, onToken: () => void): Promise<Serving> {
  const { stage, checkpoints, emit } = context;
  const [parent] = stage.parents as [(typeof stage.parents)[number]];
  const { architecture, parameters, training } = loadFinal(parent.name, checkpoints(parent.key));
  const texts = textsOf(context, serve);
  const tell = (what: string, done: number): void =>
    emit({ type: 'stage.preparing', stage: stage.name, what, done, total: serve.policies.length + 1 });
  tell('serving from memory', 0);
  const model = decodingModel(architecture, parameters);
  let resident: DecodingSpeed;
  let trace: RoutingTrace;
  try {
    trace = await routingTrace(model, texts.calibration, 0);
    resident = await measureDecoding(model, texts.measured, onToken);
  } finally {
    disposeModel(model);
  }
  const to = join(dirname(checkpoints(stage.key)), 'experts');
  rmSync(to, { recursive: true, force: true });
  const source = { stage: parent.name, key: parent.key, step: training.step };
  const precisions = serve.low === 'none' ? [serve.high] : [serve.high, serve.low];
  writeExpertFolder({ architecture, parameters, source, to, precisions, group: GROUP });
  const folder = await openExpertFolder(to);
  try {
    const settings = settingsOf(folder, serve, trace);
    const policies: Serving['policies'] = [];
    for (const [i, policy] of serve.policies.entries()) {
      tell(`serving by ${policy}`, i + 1);
      const { weights } = settings.chosen;
      const experts = new OffloadedExperts(folder, { ...settings.options, policy: policyNamed(policy, weights) });
      const offloaded = decodingModel(architecture, folder.resident, experts);
      try {
        const speed = await measureDecoding(offloaded, texts.measured, onToken);
        policies.push({ policy, ...decodingOf(speed), ...sharesOf(experts.takeCounts()) });
      } finally {
        disposeModel(offloaded);
      }
    }
    const { budget, expertBytes } = settings;
    const { link } = serve;
    return { ...(link && { link }), budget, expertBytes, resident: decodingOf(resident), policies };
  } finally {
    await folder.close();
    rmSync(to, { recursive: true, force: true });
  }
}

/** What all policies have, and the weights of `hobbit`. Throws a `BamError` (`budget`). */
function settingsOf(folder: ExpertFolder, serve: ServeConfig, trace: RoutingTrace) {
  const { high, t1, t2, prefetch, link } = serve;
  const low = serve.low === 'none' ? undefined : serve.low;
  const thresholds = low && { t1, t2 };
  const bytes = { high: memoryBytes(folder.layout(high)), low: memoryBytes(folder.layout(low ?? high)) };
  const expertBytes = bytes.high * expertPlaces(folder.architecture).length;
  const budget = Math.floor(serve.budget * expertBytes);
  const chosen: ChosenPolicy = choosePolicy(trace, { budget: { bytes: budget, expertBytes: bytes }, thresholds });
  const options = { budget, high, low, thresholds, prefetch, link, lowShare: chosen.lowShare };
  return { options, chosen, budget, expertBytes };
}

/** Held-out texts of every domain: those that are measured, and as many that choose the weights, if there are as many. */
function textsOf({ domains }: StageContext, { texts, prompt, tokens }: ServeConfig) {
  const all = [...domains.values()].map((domain) => {
    const options = { context: prompt + tokens, maximumTokens: 2 * texts * (prompt + tokens), batch: 1 };
    return [...heldOutBatches(domain, options)].map((batch) => textOf(batch, prompt));
  });
  const measured = all.flatMap((own) => own.slice(0, Math.max(1, Math.ceil(own.length / 2))));
  const others = all.flatMap((own) => own.slice(Math.ceil(own.length / 2)));
  return { measured, calibration: others.length ? others : measured };
}

function textOf({ inputs, targets }: HeldOutBatch, prompt: number): ServedText {
  return { ids: [...inputs, targets.at(-1)!], prompt };
}

function decodingOf(speed: DecodingSpeed): Serving['resident'] {
  return {
    prefillTokensPerSecond: speed.prefillTokens / speed.prefillSeconds,
    decodeTokensPerSecond: speed.decodeTokens / speed.decodeSeconds,
    perplexity: Math.exp(speed.loss / speed.foreseen),
  };
}

function sharesOf({ hits, foreseen, misses, skipped, penalty, bytes }: OffloadCounts) {
  const uses = hits + foreseen + misses.high + misses.low + skipped;
  return { hits: hits / uses, foreseen: foreseen / uses, skipped: skipped / uses, penalty, bytes };
}
