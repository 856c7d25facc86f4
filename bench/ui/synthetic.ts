import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Workspace } from '../../src/store/layout';

const ROUTER = {
  load: [0.25, 0.25, 0.3, 0.2],
  meanGate: [0.251234567, 0.249123456, 0.301234567, 0.19840741],
  entropy: 1.3812345678,
  maxViolation: 0.2,
  deadExperts: 0,
};

/** As often as a trainer logs what the routers did in a step. */
const ROUTING_EVERY = 10;

/** Runs `work` on a temporary workspace. */
export async function withBenchWorkspace<T>(work: (workspace: Workspace) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'bam-bench-'));
  try {
    return await work(new Workspace(root));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Writes a finished run: `steps` in each of its stages, with four layers of routers where `routers`, and evaluations at the end. */
export function writeRun(
  workspace: Workspace,
  id: string,
  { stages, steps, routers, time }: { stages: string[]; steps: number; routers: boolean; time: number },
): void {
  mkdirSync(workspace.runFolder(id), { recursive: true });
  const file = join(workspace.root, 'bench.bam.yaml');
  const started = { type: 'run.started', run: id, experiment: 'bench', file, seed: 1, version: '0', stages };
  const bodies: object[] = [started];
  for (const stage of stages) {
    bodies.push({ type: 'stage.started', stage, key: `${id}-${stage}`, fromStep: 0, steps, engine: 'bench' });
    for (let step = 1; step <= steps; step++) bodies.push(stepEvent(stage, step, routers));
    const evaluation = evaluationOf(steps);
    bodies.push({ type: 'stage.finished', stage, key: `${id}-${stage}`, step: steps, seconds: 60, evaluation });
  }
  bodies.push({ type: 'run.ended', state: 'finished', seconds: 600 });
  const lines = bodies.map((body, i) => JSON.stringify({ sequence: i + 1, time: time + i * 1000, ...body }));
  writeFileSync(workspace.eventsFile(id), `${lines.join('\n')}\n`);
}

function stepEvent(stage: string, step: number, routers: boolean): object {
  const loss = 2 + Math.exp(-step / 1000) + Math.sin(step) / 20;
  const layers = routers && step % ROUTING_EVERY === 0 ? [0, 1, 2, 3] : [];
  const routing = layers.flatMap((layer) => ['ffn', 'attention'].map((router) => ({ layer, router, ...ROUTER })));
  const losses = { loss, languageModel: loss, loadBalance: 1.01234567, routerZ: 0.12345678 };
  const rest = { learningRate: 1e-3, gradientNorm: 0.7, tokensPerSecond: 9000, residentBytes: 5e8, tensors: 300 };
  return { type: 'step', stage, step, tokens: step * 2048, flops: step * 1e9, ...losses, ...rest, routing };
}

function evaluationOf(step: number): object {
  const domain = { loss: 2, perplexity: 7.389, bitsPerByte: 2.885, tokens: 8000 };
  const domains = { general: domain, law: domain, code: domain, math: domain };
  return { step, tokens: step * 2048, flops: step * 1e9, domains, averagePerplexity: 7.389, routing: {} };
}
