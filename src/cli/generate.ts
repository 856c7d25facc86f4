import { BamError } from '../base/errors';
import { type Servable, servedFolder, servedStage } from '../launch/served';
import { Server } from '../launch/serving';
import type {
  ExpertPlace,
  RoutingChange,
  Sampling,
  ServedCheckpoint,
  ServingCommand,
  ServingMessage,
} from '../plan/serving';
import { countOption } from './evaluate';
import { findRunHere } from './find';
import { builtScript, EXIT_CODES, prepareRuntime } from './launch';
import { LiveLine } from './live-line';
import { interruptSignal, type StreamOutput } from './output';
import { type PromptOptions, readPrompts, readText } from './prompts';

export interface GenerateCommandOptions extends PromptOptions {
  tokens: string;
  temperature: string;
  topK?: string;
  topP?: string;
  seed: string;
  stop?: string[];
  off?: string[];
  force?: string[];
  perplexity?: string;
  json?: boolean;
}

/** `bam generate RUN STAGE` or `bam generate FOLDER`: continues prompts with a checkpoint, or measures a text's perplexity. Returns the exit code. */
export async function generateCommand(
  name: string,
  stage: string | undefined,
  options: GenerateCommandOptions,
  output: StreamOutput,
): Promise<number> {
  const { served, backend } = stage === undefined ? servedFolder(name) : await servable(name, stage);
  const commands = commandsOf(served, options);
  const signal = interruptSignal(output, 'Stopping.');
  await prepareRuntime({ backend }, output, signal);
  const server = new Server({ script: builtScript('serve.js'), backend });
  try {
    for (const command of commands) {
      const { reason } = await answer(server, command, signal, options, output);
      if (reason === 'stopped') return EXIT_CODES.stopped;
    }
    return EXIT_CODES.finished;
  } finally {
    server.close();
  }
}

type Command = Exclude<ServingCommand, { type: 'stop' }>;
type End = Extract<ServingMessage, { type: 'done' }>;

async function servable(name: string, stage: string): Promise<Servable> {
  const { workspace, run } = await findRunHere(name);
  return servedStage(workspace, run, stage);
}

/** What the process is asked for: a text's perplexity, or one continuation for each prompt. */
function commandsOf(served: ServedCheckpoint, options: GenerateCommandOptions): Command[] {
  const { tokens, stop, perplexity } = options;
  const routing = routingOf(options);
  const common = { ...served, ...(routing && { routing }) };
  if (perplexity !== undefined) {
    return [{ type: 'perplexity', request: { id: 0, text: readText(perplexity), ...common } }];
  }
  const sampling = samplingOf(options);
  const given = { tokens: tokens === '0' ? 0 : countOption(tokens), sampling, ...(stop && { stop }), ...common };
  return readPrompts(options).map((prompt, id) => ({ type: 'generate', request: { id, prompt, ...given } }));
}

function samplingOf({ temperature, topK, topP, seed }: GenerateCommandOptions): Sampling {
  return {
    temperature: numberOption('temperature', temperature),
    ...(topK !== undefined && { topK: numberOption('top-k', topK) }),
    ...(topP !== undefined && { topP: numberOption('top-p', topP) }),
    seed: numberOption('seed', seed),
  };
}

function numberOption(name: string, text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new BamError(`--${name} should be a number, found "${text}".`, { reason: 'bad-number' });
}

function routingOf({ off, force }: GenerateCommandOptions): RoutingChange | undefined {
  if (!off && !force) return undefined;
  return { ...(off && { off: off.map(placeOption) }), ...(force && { force: force.map(placeOption) }) };
}

function placeOption(text: string): ExpertPlace {
  const [, layer, expert] = /^(\d+):(\d+)$/.exec(text) ?? [];
  if (layer !== undefined) return { layer: Number(layer), expert: Number(expert) };
  throw new BamError(`An expert should be written as LAYER:EXPERT, found "${text}".`, {
    reason: 'bad-place',
    advice: 'Both count from 0. For example: --off 0:2',
  });
}

/** Prints what a request gives as it comes: its text, or with --json every message on a line. */
async function answer(
  server: Server,
  command: Command,
  signal: AbortSignal,
  { json }: GenerateCommandOptions,
  output: StreamOutput,
): Promise<End> {
  const line = new LiveLine(output);
  let end: End | undefined;
  let tokens = 0;
  for await (const message of server.ask(command, signal)) {
    if (message.type === 'progress') line.live(`${message.done} of ${message.total} tokens`);
    if (message.type === 'done') end = message;
    if (message.type === 'token' && !message.token.isPrompt) tokens++;
    if (json) output.write(`${JSON.stringify(message)}\n`);
    else if (message.type === 'token') output.write(harmless(message.token.text));
  }
  line.clear();
  if (!json) finish(command, end!, tokens, output);
  return end!;
}

/** Text without what would steer a terminal. */
function harmless(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '\uFFFD');
}

function finish({ type }: Command, { reason, perplexity, seconds }: End, tokens: number, output: StreamOutput): void {
  const found = perplexity === undefined ? [] : [perplexity.toPrecision(5)];
  if (type === 'perplexity') return found.forEach((value) => output.print(`perplexity ${value}`));
  output.write('\n');
  const end = { length: '', stop: ', at its end', stopped: ', stopped' }[reason];
  const ofPrompt = found.map((value) => `; the prompt has a perplexity of ${value}`).join('');
  output.note(`${tokens} tokens in ${seconds.toFixed(1)} s${end}${ofPrompt}`);
}
