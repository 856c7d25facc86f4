import { explainError } from '../base/errors';
import { textPieces } from '../data/pieces';
import { type BackendChoice, startBackend } from '../engine/backend';
import type {
  GenerateRequest,
  PerplexityRequest,
  ServedCheckpoint,
  ServedToken,
  ServingCommand,
  ServingMessage,
} from '../plan/serving';
import { generate } from './generate';
import { disposeModel } from './model';
import { perplexity } from './perplexity';
import { layerChanges } from './routing-change';
import { setForDecoding } from './decoding-settings';
import { type LoadedModel, loadServed } from './served';

/** How many checkpoints stay in memory: a person compares two. */
const KEPT_MODELS = 2;

setForDecoding();
const backend = startBackend((process.argv[2] ?? 'auto') as BackendChoice);
// Whoever asks is told why it does not start.
backend.catch(() => undefined);

/** The models in memory, the last used one last. */
const models = new Map<string, LoadedModel>();

/** Of the requests that are not answered yet. */
const stops = new Map<number, AbortController>();
let answered = Promise.resolve();

process.on('message', (command: ServingCommand) => {
  if (command.type === 'stop') return stops.get(command.id)?.abort();
  const { id } = command.request;
  const stop = new AbortController();
  stops.set(id, stop);
  answered = answered.then(() => answer(command, stop.signal)).finally(() => stops.delete(id));
});
process.on('disconnect', () => process.exit(0));

function send(message: ServingMessage): void {
  process.send?.(message);
}

async function answer(command: Exclude<ServingCommand, { type: 'stop' }>, signal: AbortSignal): Promise<void> {
  const { id } = command.request;
  const begun = performance.now();
  const done = (outcome: { reason: 'length' | 'stop' | 'stopped'; perplexity?: number }): void =>
    send({ type: 'done', id, ...outcome, seconds: (performance.now() - begun) / 1000 });
  try {
    if (signal.aborted) return done({ reason: 'stopped' });
    await backend;
    const loaded = modelOf(command.request);
    send({ type: 'model', id, model: loaded.description });
    done(
      await (command.type === 'generate'
        ? continuation(loaded, command.request, signal)
        : textPerplexity(loaded, command.request, signal)),
    );
  } catch (error) {
    if (signal.aborted) done({ reason: 'stopped' });
    else send({ type: 'failed', id, message: explainError(error) });
  }
}

function continuation({ model, tokenizer }: LoadedModel, request: GenerateRequest, signal: AbortSignal) {
  const onToken = (token: ServedToken): void => send({ type: 'token', id: request.id, token });
  return generate({ model, tokenizer, request, signal, onToken });
}

async function textPerplexity({ model, tokenizer }: LoadedModel, request: PerplexityRequest, signal: AbortSignal) {
  const changes = layerChanges(model.architecture, request.routing);
  const ids: number[] = [];
  for await (const piece of textPieces(Buffer.from(request.text))) {
    for (const id of tokenizer.encode(piece.toString('utf8'))) ids.push(id);
  }
  const found = await perplexity(model, ids, changes, {
    signal,
    onProgress: (done, total) => send({ type: 'progress', id: request.id, done, total }),
  });
  return { reason: 'length' as const, perplexity: found };
}

/** A model from memory, or loaded. */
function modelOf({ checkpoint, tokenizer, expertNames }: ServedCheckpoint): LoadedModel {
  const key = JSON.stringify([checkpoint, tokenizer, expertNames]);
  const found =
    models.get(key) ?? loadServed({ checkpoint, ...(tokenizer && { tokenizer }), ...(expertNames && { expertNames }) });
  models.delete(key);
  models.set(key, found);
  for (const [old, { model }] of [...models].slice(0, -KEPT_MODELS)) {
    disposeModel(model);
    models.delete(old);
  }
  return found;
}
