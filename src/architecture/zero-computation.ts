import type { Architecture, MixtureArchitecture, ZeroComputation } from './architecture';
import type { ParameterSpec } from './parameters';

/** How many columns the FFN routers have: FFN experts first, then constant, copy and zero experts. */
export function ffnChoices({
  experts,
  zeroComputation,
}: Pick<MixtureArchitecture, 'experts' | 'zeroComputation'>): number {
  return experts + (zeroComputation ? zeroComputationCount(zeroComputation) : 0);
}

/** How many experts without an FFN there are. */
export function zeroComputationCount({ zero, copy, constant }: ZeroComputation): number {
  return zero + copy + constant;
}

/**
 * The share of a router's choices that balance sends to FFN experts, tau N_FFN / (tau N_FFN + N_ZC) (MoE++, arXiv 2410.07348): 1 where
 * there are no other experts.
 */
export function ffnShare(mixture: Pick<MixtureArchitecture, 'experts' | 'zeroComputation'>): number {
  return mixture.experts * shares(mixture).ffn;
}

/** The share of one FFN expert, and of one zero-computation expert. */
function shares({ experts, zeroComputation }: Pick<MixtureArchitecture, 'experts' | 'zeroComputation'>): {
  ffn: number;
  zeroComputation: number;
} {
  if (!zeroComputation) return { ffn: 1 / experts, zeroComputation: 0 };
  const { tau } = zeroComputation;
  const all = tau * experts + zeroComputationCount(zeroComputation);
  return { ffn: tau / all, zeroComputation: 1 / all };
}

/**
 * How many of a sequence's so many choices each column takes, gamma = `capacity` times its share of them; `undefined` where it takes all.
 * The shares are those of the FFN experts that the layer has left.
 */
export function capacities(mixture: MixtureArchitecture, choices: number, left: number): number[] | undefined {
  const { capacity } = mixture.zeroComputation ?? {};
  if (capacity === undefined) return undefined;
  const { ffn, zeroComputation } = shares({ ...mixture, experts: left });
  return Array.from({ length: ffnChoices(mixture) }, (_, column) => {
    return capacity * choices * (column < mixture.experts ? ffn : zeroComputation);
  });
}

/** Name of a tensor of a constant expert: what its two weights are scored with, (2, width), or its vector v, (width). */
export function constantName(layer: number, constant: number, tensor: 'mix' | 'vector'): string {
  return `layers.${layer}.ffn.constants.${constant}.${tensor === 'mix' ? 'mix.weight' : 'vector'}`;
}

/** Name of what turns the scores of the FFN router before into a part of this one's, (columns, columns). */
export function gatingResidualName(layer: number): string {
  return `layers.${layer}.ffn.router.residual.weight`;
}

/** What a layer's constant experts and its router's residual add to its parameters. The first router has no other before it. */
export function zeroComputationSpecs({ width, mixture }: Architecture, layer: number): ParameterSpec[] {
  if (!mixture) return [];
  const columns = ffnChoices(mixture);
  const residual: ParameterSpec = {
    name: gatingResidualName(layer),
    shape: [columns, columns],
    role: 'gating-residual',
  };
  const constants = Array.from({ length: mixture.zeroComputation?.constant ?? 0 }, (_, constant): ParameterSpec[] => [
    { name: constantName(layer, constant, 'mix'), shape: [2, width], role: 'constant' },
    { name: constantName(layer, constant, 'vector'), shape: [width], role: 'constant' },
  ]);
  return [...(mixture.gatingResidual && layer > 0 ? [residual] : []), ...constants.flat()];
}

/** FLOPs of a token's constant experts in one layer: their weights are scored whether the token was sent to them or not. */
export function constantFlops({ width, mixture }: Architecture): number {
  return (mixture?.zeroComputation?.constant ?? 0) * 2 * 2 * width;
}
