import type { TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding';
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
import type { ModelParameters } from '../model/parameters';
import { addAdamW, addNorm, type GraphParameter } from './adamw-graph';
import type { RecordedEvaluation, RecordedPass, RecordedTraining } from './record-pass';
import type { TrainSettings } from './step';

/** Where in the graph one router's decision is. */
export interface GraphRouter {
  layer: number;
  router: 'ffn' | 'attention';
  experts: number;
  probabilities: string;
  assigned?: string;
  chosen?: string;
}

/** A batch's placeholders, and where the graph has its results. */
export interface GraphPass {
  inputs: string;
  targets: string;
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
  parameters: Map<string, Omit<GraphParameter, 'gradient'>>;
  training: GraphPass & { losses: string; norm: string };
  /** By the number of sequences of a batch. */
  evaluations: Map<number, GraphPass & { loss: string }>;
}

/** Whether TensorFlow runs the recorded operations as they are, or XLA compiles them. */
export type GraphForm = 'graph' | 'xla';

/** What a graph is made of. `passes` is how many passes an optimizer step sums up. */
export interface StepGraphSource {
  binding: TFJSBinding;
  parameters: ModelParameters;
  settings: TrainSettings;
  passes: number;
  form: GraphForm;
  training: RecordedTraining;
  evaluations: Map<number, RecordedEvaluation>;
}

export function buildStepGraph(source: StepGraphSource): StepGraph {
  const graph = new Graph();
  const parameters = new Map(
    [...source.parameters].map(([name, { shape }], i) => {
      const add = (suffix: string): GraphVariable => addVariable(graph, `p${i}${suffix}`, shape);
      return [name, { variable: add(''), first: add('_first'), second: add('_second') }];
    }),
  );
  const all = [...parameters.values()];
  const moments = all.flatMap(({ first, second }) => [first, second]);
  addStart(
    graph,
    all.map(({ variable }) => variable),
    'started',
  );
  addStart(graph, moments, 'moments_started');
  addZeros(graph, moments, 'moments_zeroed');
  const builder = new PassBuilder(graph, source.binding, parameters);
  return {
    graph,
    parameters,
    training: addTraining(builder, source),
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
    for (const [name, id] of recorded.parameters) {
      given.set(id, { at: this.parameters.get(name)!.variable.value, dtype: TYPE.float32 });
    }
    const decisions = recorded.routers.flatMap(({ probabilities, assigned, chosen }) =>
      [probabilities, assigned ?? [], chosen ?? []].flat(),
    );
    const places = addTape(graph, this.binding, recorded.tape, given, [...wanted, ...decisions], xlaScope);
    const results = places.slice(0, wanted.length);
    const rest = places.slice(wanted.length);
    const routers = recorded.routers.map(({ layer, router, experts, assigned, chosen }) => ({
      layer,
      router,
      experts,
      probabilities: rest.shift()!,
      ...(assigned !== undefined && { assigned: rest.shift()! }),
      ...(chosen !== undefined && { chosen: rest.shift()! }),
    }));
    return { pass: { inputs, targets, routers }, results };
  }
}

function addTraining(builder: PassBuilder, source: StepGraphSource): StepGraph['training'] {
  const { training, settings, passes, form } = source;
  const { graph } = builder;
  const names = [...training.gradients.keys()];
  const { pass, results } = builder.add(
    training,
    'train',
    [training.losses, ...training.gradients.values()],
    form === 'xla' ? 'step' : undefined,
  );
  const sums = passes === 1 ? results : addSums(graph, builder, names, results);
  const [losses, ...gradients] = sums as [string, ...string[]];
  const norm = addNorm(graph, gradients);
  const axis = graph.constant({ dtype: TYPE.int32, shape: [1], bytes: new Uint8Array(4) });
  const loss = graph.add('Sum', [losses, axis], { T: { type: TYPE.float32 }, Tidx: { type: TYPE.int32 } });
  const trained = names.map((name, i) => ({ ...builder.parameters.get(name)!, gradient: gradients[i]! }));
  addAdamW(graph, trained, { settings, passes, norm, loss });
  return { ...pass, losses, norm };
}

/** Adds variables for sums over passes, of the losses and of each gradient, and the entry points `first` and `next`. */
function addSums(graph: Graph, builder: PassBuilder, names: string[], results: string[]): string[] {
  const shapes = [[4], ...names.map((name) => builder.parameters.get(name)!.variable.shape)];
  const sums = shapes.map((shape, i) => addVariable(graph, `sum${i}`, shape));
  addDone(
    graph,
    'first',
    sums.map((sum, i) => addAssign(graph, sum, results[i]!)),
  );
  addDone(
    graph,
    'next',
    sums.map((sum, i) => addAssignAdd(graph, sum, results[i]!)),
  );
  return sums.map(({ value }) => value);
}
