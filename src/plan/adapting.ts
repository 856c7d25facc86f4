import { ADAPTED_PARTS, type AdapterArchitecture, type Architecture } from '../architecture/architecture';
import { countAdapters, countParameters } from '../architecture/counts';
import { formatCount } from '../base/format';
import type { AdaptConfig } from '../config/adapt-schema';
import type { PlannedStage } from './plan';

/** LoRA as MoLoRA's authors have it (arXiv 2309.05444). */
const LORA_DEFAULTS = { rank: 4, alpha: 16 } as const;

/** A model with adapters: the one that they adapt, and what they are with every default filled in. */
export function adaptedArchitecture(
  base: Architecture,
  { method, experts, rank = LORA_DEFAULTS.rank, alpha = LORA_DEFAULTS.alpha, parts }: AdaptConfig,
): Architecture {
  const wanted = parts ?? (method === 'mov' && base.mixture ? ['attention'] : ADAPTED_PARTS);
  const adapters: AdapterArchitecture = {
    method,
    experts,
    ...(method === 'molora' && { rank, alpha }),
    parts: ADAPTED_PARTS.filter((part) => wanted.includes(part)),
  };
  return { ...base, adapters };
}

/** Adapters in words: `MoV of 10`, `(IA)^3`, `MoLoRA of 8, rank 4`, `LoRA, rank 4`. */
export function describeAdapters({ method, experts, rank }: AdapterArchitecture): string {
  if (method === 'mov') return experts === 1 ? '(IA)^3' : `MoV of ${experts}`;
  return `${experts === 1 ? 'LoRA' : `MoLoRA of ${experts}`}, rank ${rank}`;
}

/** What trains of a model with adapters, in words: `13.3k, 0.96 % of all`. */
export function describeTrained(architecture: Architecture): string {
  return `${formatCount(countAdapters(architecture))}, ${shareTrained(architecture)} of all`;
}

/** The share of a model's parameters that its adapters are: `0.96 %`. */
export function shareTrained(architecture: Architecture): string {
  const share = (100 * countAdapters(architecture)) / countParameters(architecture).total;
  return `${Number(share.toPrecision(2))} %`;
}

/** A line for every stage that trains adapters: `mov trains MoV of 10 alone: 13.3k, 0.96 % of all`. */
export function adapterLines(stages: readonly PlannedStage[]): string[] {
  return stages.flatMap(({ name, architecture, train }) => {
    if (!architecture.adapters || !train) return [];
    return [`${name} trains ${describeAdapters(architecture.adapters)} alone: ${describeTrained(architecture)}`];
  });
}
