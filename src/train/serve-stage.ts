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
import { decodingModel, type DecodingModel, disposeModel } from '../serve/model';
import { OffloadedExperts, type OffloadOptions } from '../serve/offloaded-experts';
import { routingTrace, type ServedText } from '../serve/recorded-experts';
import { memoryBytes } from '../serve/stored-expert';
import { loadFinal } from './initial';
import { type StageContext, type StageOutcome, unlessStopped } from './stage-context';
import { evaluateModel, runStepless } from './stepless-stage';

/** Weights of a row that have one scale: all of most models' rows, which are computed fastest so. */
const GROUP = 1024;

/** Measures how a mixture decodes with its experts on the disk: a stage without a step and without a checkpoint. */
export function runServing(context: StageContext, serve: ServeConfig): Promise<StageOutcome> {
  return runStepless(context, async () => {
    const found = await evaluateModel(context);
    const serving = found && (await unlessStopped(context, (onProgress) => serveStage(context, serve, onProgress)));
    return serving && { ...found, serving };
  });
}

async function serveStage(context: StageContext, serve: ServeConfig, onToken: () => void): Promise<Serving> {
  const { stage, checkpoints, emit } = context;
  const [parent] = stage.parents as [(typeof stage.parents)[number]];
  const { architecture, parameters, training } = loadFinal(parent.name, checkpoints(parent.key));
  const texts = textsOf(context, serve);
  const tell = (what: string, done: number): void =>
    emit({ type: 'stage.preparing', stage: stage.name, what, done, total: serve.policies.length + 1 });
  tell('serving from memory', 0);
  const { resident, trace } = await serveFromMemory(decodingModel(architecture, parameters), texts, onToken);
  const to = join(dirname(checkpoints(stage.key)), 'experts');
  rmSync(to, { recursive: true, force: true });
  const source = { stage: parent.name, key: parent.key, step: training.step };
  const precisions = serve.low === 'none' ? [serve.high] : [serve.high, serve.low];
  writeExpertFolder({ architecture, parameters, source, to, precisions, group: GROUP });
  const folder = await openExpertFolder(to);
  try {
    const settings = settingsOf(folder, serve, trace);
    const policies: Serving['policies'] = [];
    for (const [i, name] of serve.policies.entries()) {
      tell(`serving by ${name}`, i + 1);
      const policy = policyNamed(name, settings.chosen.weights);
      const measured = await serveFromDisk(folder, { ...settings.options, policy }, texts.measured, onToken);
      policies.push({ policy: name, ...measured });
    }
    const { budget, expertBytes } = settings;
    return { ...(serve.link && { link: serve.link }), budget, expertBytes, resident, policies };
  } finally {
    await folder.close();
    rmSync(to, { recursive: true, force: true });
  }
}

/** With all experts in memory, and how the texts for calibration are routed. Disposes of the model. */
async function serveFromMemory(model: DecodingModel, texts: Texts, onToken: () => void) {
  try {
    const trace = await routingTrace(model, texts.calibration, 0);
    return { trace, resident: decodingOf(await measureDecoding(model, texts.measured, onToken)) };
  } finally {
    disposeModel(model);
  }
}

async function serveFromDisk(
  folder: ExpertFolder,
  options: OffloadOptions,
  texts: readonly ServedText[],
  onToken: () => void,
) {
  const experts = new OffloadedExperts(folder, options);
  const model = decodingModel(folder.architecture, folder.resident, experts);
  try {
    const speed = await measureDecoding(model, texts, onToken);
    return { ...decodingOf(speed), ...sharesOf(experts.takeCounts()) };
  } finally {
    disposeModel(model);
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

interface Texts {
  measured: ServedText[];
  calibration: ServedText[];
}

/** Held-out texts of every domain: those that are measured, and as many that choose the weights, if there are as many. */
function textsOf({ domains }: StageContext, { texts, prompt, tokens }: ServeConfig): Texts {
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
