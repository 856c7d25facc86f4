import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { uniformGenerator } from '../../src/base/random';
import type { EventBody, Evaluation, Routing } from '../../src/events/event';
import type { Plan, PlannedStage } from '../../src/plan/plan';
import { writeLaterEvaluation } from '../../src/plan/result';
import { planVariants } from '../../src/plan/variants';
import type { Workspace } from '../../src/store/layout';
import { experimentWith, inputsFor } from '../unit/plan/experiment';
import * as made from '../unit/store/synthetic';

const HEAD = `name: swept
seeds: [1, 2, 3]
sweep: { stages.bam.train.loadBalance: [0, 0.1] }
`;
const STAGES = `  dense: { train: { mix: { general: 1 }, tokens: 64k } }
  law: { from: dense, train: { mix: { law: 1 }, tokens: 32k } }
  bam: { upcycle: { method: bam, experts: [dense, law, law] }, train: { tokens: 16k } }
`;

const STEPS = 120;
const EVALUATE_EVERY = 20;
const DOMAINS = ['general', 'law'] as const;
const EXPERTS = 3;

/**
 * Writes a run of three seeds and a sweep of two values as if it had been trained: its file, plan and log, with routing, tasks, and later
 * evaluations of the mixtures. Nothing is trained; the numbers differ from seed to seed.
 */
export function writeVariantsRun(workspace: Workspace, id = 'swept-20261124-171530-a1b2'): { run: string; plan: Plan } {
  const experiment = experimentWith(STAGES, { 'name: x\nseed: 1\n': HEAD });
  const inputs = inputsFor(experiment);
  const stages = planVariants(experiment, inputs);
  const { tokenizer, domains } = inputs;
  const plan: Plan = { name: 'swept', seed: 1, backend: 'auto', folder: workspace.root, tokenizer, domains, stages };
  const file = join(workspace.root, 'swept.bam.yaml');
  const bodies = stages.flatMap((stage) => stageEvents(stage));
  const names = stages.map(({ name }) => name);
  const started = made.runStarted(id, names, { experiment: 'swept', file });
  made.writeEvents(workspace, id, [started, ...bodies, made.RUN_FINISHED]);
  writeFileSync(workspace.planFile(id), JSON.stringify(plan));
  for (const path of [file, workspace.experimentFile(id)]) {
    writeFileSync(path, `${HEAD}domains: { general: { files: general/* }, law: { files: law/* } }\nstages:\n${STAGES}`);
  }
  for (const stage of stages.filter(({ upcycle }) => upcycle)) {
    const evaluation = { ...evaluationAt(stage, STEPS), tasks: answers(stage) };
    writeLaterEvaluation(workspace.stagesFolder, { key: stage.key, time: made.START, engine: 'wasm', evaluation });
  }
  return { run: id, plan };
}

function stageEvents(stage: PlannedStage): EventBody[] {
  const { name, key } = stage;
  const random = uniformGenerator(stage.seed);
  const events: EventBody[] = [{ ...made.stageStarted(name, 0, STEPS), key } as EventBody];
  for (let step = 1; step <= STEPS; step++) {
    const loss = 1.5 + 3 * Math.exp(-step / 40) + 0.2 * (random() - 0.5) + 0.1 * stage.seed;
    events.push(made.step(name, step, loss, stage.upcycle ? routersAt(stage, step, 0.5) : []));
    if (step % EVALUATE_EVERY === 0) events.push({ type: 'evaluation', stage: name, ...evaluationAt(stage, step) });
  }
  const last = { ...evaluationAt(stage, STEPS), tasks: answers(stage) };
  return [...events, { ...made.stageFinished(name, last), key } as EventBody];
}

function evaluationAt(stage: PlannedStage, step: number): Evaluation {
  const base = stage.upcycle ? 6 : 9;
  const value = base + 20 * Math.exp(-step / 40) + 0.4 * stage.seed + 5 * (stage.train?.loadBalance ?? 0);
  const routing = Object.fromEntries(
    DOMAINS.map((domain, i) => [domain, routersAt(stage, step, i).map((router) => held(router, step))]),
  );
  return made.evaluation(step, { general: value, law: value * 0.8 }, stage.upcycle ? routing : {});
}

/** What an evaluation says beside a training batch. */
function held(router: Routing, step: number): Routing {
  const [a, b, c] = router.load as [number, number, number];
  const coActivation = [a * b, a * c, b * c];
  return { ...router, coActivation, ...(step > EVALUATE_EVERY && { saturation: 0.6 + step / 400 - a / 10 }) };
}

/** Two routers in each layer; loads lean to one expert, to which one depends on the place. */
function routersAt({ seed }: PlannedStage, step: number, lean: number): Routing[] {
  return [0, 1].flatMap((layer) =>
    (['ffn', 'attention'] as const).map((router): Routing => {
      const raw = Array.from({ length: EXPERTS }, (_, i) => {
        return 1 + lean * i + 0.3 * Math.sin(step / 15 + i + layer) + 0.2 * seed * (i === layer ? 1 : 0);
      });
      const sum = raw.reduce((total, one) => total + one, 0);
      const load = raw.map((one) => one / sum);
      const entropy = -load.reduce((total, share) => total + share * Math.log(share), 0);
      const maxViolation = Math.max(...load) * EXPERTS - 1;
      return { layer, router, load, meanGate: load, entropy, maxViolation, deadExperts: 0 };
    }),
  );
}

function answers({ seed, upcycle }: PlannedStage): NonNullable<Evaluation['tasks']> {
  const accuracy = (upcycle ? 0.5 : 0.3) + 0.05 * seed;
  return { sums: { kind: 'exact-match', fingerprint: 'sums', examples: 100, accuracy } };
}
