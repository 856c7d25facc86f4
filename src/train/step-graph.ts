import type { TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding';
import { addClocks, type Clocks } from '../engine/graph/clock';
import type { Architecture } from '../architecture/architecture';
import { balanceBiasName } from '../architecture/parameters';
import { addTape, type Place } from '../engine/graph/from-tape';
import { Graph, TYPE } from '../engine/graph/graph';
import {
  addAssign,
  addAssignAdd,
  addDone,
  addStart,
  addVariable,
  addZeros,
  type GraphVariable,
} from '../engine/graph/variables';
import type { RouterKind } from '../base/router-words';
import type { ModelParameters } from '../model/parameters';
import { addAdamW, addNorm, type GraphParameter } from './adamw-graph';
import { addBalanceBiases, balanceRate } from './balance-bias';
import type { Teacher } from './distill';
import { LOSSES } from './pass';
import { type RecordedEvaluation, type RecordedPass, type RecordedTraining, teacherName } from './record-pass';
import type { TrainSettings } from './step';

/** Where in the graph one router's decision is. */
export interface GraphRouter {
  layer: number;
  router: RouterKind;
  experts: number;
  removed?: readonly number[];
  ffnExperts?: number;
  probabilities: string;
  assigned?: string;
  chosen?: string;
}

/** A batch's placeholders, and where the graph has its results. */
export interface GraphPass {
  inputs: string;
  targets: string;
  /** Where batches have weights. */
  weights?: string;
  /** What the routers draw, by name. */
  draws: Map<string, string>;
  routers: GraphRouter[];
}

/**
 * The graph of a model under training. Its entry points are results to ask for: `started`, `moments_started` and
 * `moments_zeroed` set the state; `updated` takes a step, and gives the losses and the norm beside it; where a step has several
 * passes, `first` and `next` run one of them each and keep the sums for `updated`.
 */
export interface StepGraph {
  graph: Graph;
  /** By name, in the order of the forward pass. */
  parameters: Map<string, GraphVariable>;
  /** Those of the teacher, which no step changes, by its own names. Empty without one. */
  teacher: Map<string, GraphVariable>;
  /** Of the parameters that are trained. */
  moments: Map<string, Pick<GraphParameter, 'first' | 'second'>>;
  training: GraphPass & { losses: string; norm: string; clocks?: Clocks };
  /** By the number of sequences of a batch. */
  evaluations: Map<number, GraphPass & { loss: string }>;
}

/** Whether TensorFlow runs the recorded operations as they are, or XLA compiles them. */
export type GraphForm = 'graph' | 'xla';

/** What a graph is made of. `passes` is how many passes an optimizer step sums up. */
export interface StepGraphSource {
  binding: TFJSBinding;
  architecture: Architecture;
  parameters: ModelParameters;
  teacher?: Teacher | undefined;
  settings: TrainSettings;
  passes: number;
  form: GraphForm;
  training: RecordedTraining;
  evaluations: Map<number, RecordedEvaluation>;
  /** Puts clocks into a step, which has one pass then. */
  clocks?: boolean | undefined;
}

export function buildStepGraph(source: StepGraphSource): StepGraph {
  const graph = new Graph();
  const parameters: StepGraph['parameters'] = new Map();
  const moments: StepGraph['moments'] = new Map();
  for (const [i, [name, { shape }]] of [...source.parameters].entries()) {
    const add = (suffix: string): GraphVariable => addVariable(graph, `p${i}${suffix}`, shape);
    parameters.set(name, add(''));
    if (source.training.gradients.has(name)) moments.set(name, { first: add('_first'), second: add('_second') });
  }
  const teacher: StepGraph['teacher'] = new Map();
  for (const [i, [name, { shape }]] of [...(source.teacher?.parameters ?? [])].entries()) {
    teacher.set(name, addVariable(graph, `p${parameters.size + i}`, shape));
  }
  const momentVariables = [...moments.values()].flatMap(({ first, second }) => [first, second]);
  addStart(graph, [...parameters.values(), ...teacher.values()], 'started');
  addStart(graph, momentVariables, 'moments_started');
  addZeros(graph, momentVariables, 'moments_zeroed');
  const taught = [...teacher].map(([name, variable]) => [teacherName(name), variable] as const);
  const builder = new PassBuilder(graph, source.binding, new Map([...parameters, ...taught]));
  return {
    graph,
    parameters,
    teacher,
    moments,
    training: addTraining(builder, moments, source),
    evaluations: new Map(
      [...source.evaluations].map(([sequences, recorded]) => {
        const { pass, results } = builder.add(recorded, `evaluate${sequences}`, [recorded.languageModel]);
        return [sequences, { ...pass, loss: results[0]! }];
      }),
    ),
  };
}

/** Adds recorded passes over the graph's own parameters. */
class PassBuilder {
  constructor(
    readonly graph: Graph,
    private readonly binding: TFJSBinding,
    readonly parameters: StepGraph['parameters'],
  ) {}

  add(
    recorded: RecordedPass,
    prefix: string,
    wanted: number[],
    xlaScope?: string,
  ): { pass: GraphPass; results: string[] } {
    const { graph } = this;
    const shape = [recorded.tokens];
    const inputs = graph.placeholder(`${prefix}_inputs`, TYPE.int32, shape);
    const targets = graph.placeholder(`${prefix}_targets`, TYPE.int32, shape);
    const given = new Map<number, Place>([
      [recorded.inputs, { at: inputs, dtype: TYPE.int32 }],
      [recorded.targets, { at: targets, dtype: TYPE.int32 }],
    ]);
    const weights =
      recorded.weights === undefined ? undefined : graph.placeholder(`${prefix}_weights`, TYPE.float32, shape);
    if (weights !== undefined) given.set(recorded.weights!, { at: weights, dtype: TYPE.float32 });
    const draws = new Map<string, string>();
    for (const [name, { id, shape: drawnShape }] of recorded.draws) {
      const at = graph.placeholder(`${prefix}_draw${draws.size}`, TYPE.float32, drawnShape);
      draws.set(name, at);
      given.set(id, { at, dtype: TYPE.float32 });
    }
    for (const [name, id] of recorded.parameters) {
      given.set(id, { at: this.parameters.get(name)!.value, dtype: TYPE.float32 });
    }
    const decisions = recorded.routers.flatMap(({ probabilities, assigned, chosen }) =>
      [probabilities, assigned ?? [], chosen ?? []].flat(),
    );
    const places = addTape(graph, this.binding, recorded.tape, given, [...wanted, ...decisions], xlaScope);
    const results = places.slice(0, wanted.length);
    const rest = places.slice(wanted.length);
    const routers = recorded.routers.map(({ layer, router, experts, removed, ffnExperts, assigned, chosen }) => ({
      layer,
      router,
      experts,
      ...(removed && { removed }),
      ...(ffnExperts && { ffnExperts }),
      probabilities: rest.shift()!,
      ...(assigned !== undefined && { assigned: rest.shift()! }),
      ...(chosen !== undefined && { chosen: rest.shift()! }),
    }));
    return { pass: { inputs, targets, ...(weights !== undefined && { weights }), draws, routers }, results };
  }
}

function addTraining(
  builder: PassBuilder,
  moments: StepGraph['moments'],
  source: StepGraphSource,
): StepGraph['training'] {
  const { architecture, training, settings, passes, form } = source;
  const { graph } = builder;
  const first = graph.nodes.length;
  const names = [...training.gradients.keys()];
  const { pass, results } = builder.add(
    training,
    'train',
    [training.losses, ...training.gradients.values()],
    form === 'xla' ? 'step' : undefined,
  );
  const balanceBias = balanceRate(architecture, settings);
  const biased = balanceBias ? pass.routers.filter(({ router, assigned }) => router === 'ffn' && assigned) : [];
  const loads = biased.map(({ experts, assigned }): Summand => [[experts], assigned!]);
  const [losses, ...rest] = addSums(graph, passes, [
    [[LOSSES], results[0]!],
    ...names.map((name, i): Summand => [builder.parameters.get(name)!.shape, results[i + 1]!]),
    ...loads,
  ]) as [string, ...string[]];
  const gradients = rest.splice(0, names.length);
  const biases = biased.map(({ layer }, i) => {
    return { variable: builder.parameters.get(balanceBiasName(layer))!, load: rest[i]! };
  });
  const norm = addNorm(graph, gradients);
  const axis = graph.constant({ dtype: TYPE.int32, shape: [1], bytes: new Uint8Array(4) });
  const loss = graph.add('Sum', [losses, axis], { T: { type: TYPE.float32 }, Tidx: { type: TYPE.int32 } });
  const trained = names.map((name, i) => {
    return { variable: builder.parameters.get(name)!, ...moments.get(name)!, gradient: gradients[i]! };
  });
  const addMore = (go: string): string[] => (balanceBias ? addBalanceBiases(graph, biases, balanceBias, go) : []);
  addAdamW(graph, trained, { settings, passes, norm, loss, addMore });
  return { ...pass, losses, norm, ...(source.clocks && { clocks: addClocks(graph, first) }) };
}

/** The shape of a result of a pass, and where it is. */
type Summand = [shape: number[], at: string];

/**
 * Where the sums over the passes of a step are. For several passes it adds variables that hold them, and the entry points
 * `first` and `next`.
 */
function addSums(graph: Graph, passes: number, summands: readonly Summand[]): string[] {
  if (passes === 1) return summands.map(([, at]) => at);
  const sums = summands.map(([shape, at], i) => ({ variable: addVariable(graph, `sum${i}`, shape), at }));
  addDone(
    graph,
    'first',
    sums.map(({ variable, at }) => addAssign(graph, variable, at)),
  );
  addDone(
    graph,
    'next',
    sums.map(({ variable, at }) => addAssignAdd(graph, variable, at)),
  );
  return sums.map(({ variable }) => variable.value);
}
