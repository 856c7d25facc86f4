import { type Graph, TYPE } from '../engine/graph/graph';
import { addAssign, addDone, type GraphVariable } from '../engine/graph/variables';
import { ADAMW_EPSILON, type AdamWSettings } from './adamw';

const FLOAT = { type: TYPE.float32 };
const T = { T: FLOAT };

/** A parameter under training, in a graph. */
export interface GraphParameter {
  variable: GraphVariable;
  first: GraphVariable;
  second: GraphVariable;
  /** Where its gradient is. */
  gradient: string;
}

/** What the optimizer is fed with in each step. */
export const OPTIMIZER_FEEDS = ['step_size', 'step_epsilon', 'step_keep', 'step_enabled'] as const;

/** The feeds of one step; `step` counts from 1. Where `enabled` is false nothing changes. */
export function optimizerFeeds(settings: AdamWSettings, learningRate: number, step: number, enabled: boolean) {
  const { beta1, beta2, weightDecay } = settings;
  const correction2 = Math.sqrt(1 - beta2 ** step);
  const scalar = (value: number) => ({ shape: [], values: Float32Array.of(value) });
  return {
    // The second moment's correction stands in the step size and the epsilon, as in `AdamW`.
    step_size: scalar((learningRate * correction2) / (1 - beta1 ** step)),
    step_epsilon: scalar(ADAMW_EPSILON * correction2),
    step_keep: scalar(1 - learningRate * weightDecay),
    step_enabled: { shape: [], values: Uint8Array.of(Number(enabled)) },
  } satisfies Record<(typeof OPTIMIZER_FEEDS)[number], unknown>;
}

/** Adds the global norm of all gradients. Returns its place. */
export function addNorm(graph: Graph, gradients: readonly string[]): string {
  const halves = gradients.map((gradient) => graph.add('L2Loss', [gradient], T));
  const sum = graph.add('AddN', halves, { ...T, N: { int: halves.length } });
  return graph.add('Sqrt', [graph.add('Mul', [sum, graph.scalar(2)], T)], T);
}

export interface OptimizerOptions {
  settings: AdamWSettings & { clip: number };
  /** Gradients are sums over this many passes. */
  passes: number;
  norm: string;
  /** Sum of the losses over the passes. */
  loss: string;
  /** Adds what else a step changes; `go` is true where the step is taken. Gives the assigning operations. */
  addMore: (go: string) => string[];
}

/**
 * Adds AdamW with clipping, as `AdamW` and `clipFactor` do it, in TensorFlow's one-pass operation; the result `updated` makes it
 * run. Where loss or norm are not finite, or the step is not enabled, the branch is never taken, so nothing is touched.
 */
export function addAdamW(graph: Graph, parameters: readonly GraphParameter[], options: OptimizerOptions): void {
  const { settings, passes, norm } = options;
  const [size, epsilon, keep, enabled] = OPTIMIZER_FEEDS.map((name) =>
    graph.placeholder(name, name === 'step_enabled' ? TYPE.bool : TYPE.float32, []),
  ) as [string, string, string, string];
  const finite = graph.add('IsFinite', [graph.add('AddV2', [options.loss, norm], T)], T);
  const go = graph.add('LogicalAnd', [finite, enabled]);
  const clip = graph.scalar(settings.clip * passes);
  const ratio = graph.add('RealDiv', [clip, graph.add('AddV2', [norm, graph.scalar(1e-6)], T)], T);
  const factor = graph.add('Minimum', [ratio, graph.scalar(1)], T);
  const scale = graph.add('RealDiv', [factor, graph.scalar(passes)], T);
  // What depends on these two runs only where `go` is true.
  const scaleIfGo = graph.add('Switch', [scale, go], T);
  const keepIfGo = graph.add('Switch', [keep, go], T);
  const betas = [graph.scalar(settings.beta1), graph.scalar(settings.beta2), epsilon];
  const updates = parameters.map(({ variable, first, second, gradient }) => {
    const scaled = graph.add('Mul', [gradient, `${scaleIfGo}:1`], T);
    const decayed =
      variable.shape.length > 1
        ? addAssign(graph, variable, graph.add('Mul', [variable.value, `${keepIfGo}:1`], T))
        : variable.value;
    const handles = [variable.handle, first.handle, second.handle];
    const zero = graph.scalar(0);
    return graph.add('ResourceApplyAdam', [...handles, zero, zero, size, ...betas, scaled, `^${decayed}`], T);
  });
  const applied = addDone(graph, 'applied', [...updates, ...options.addMore(go)]);
  graph.add('Merge', [scaleIfGo, applied], { ...T, N: { int: 2 } }, 'updated');
}
