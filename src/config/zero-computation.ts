import type { Diagnostic } from './diagnostics';
import { type Group, group, isGroup } from './groups';
import type { DataPath, Source } from './source';

const KEYS = ['zeroComputation', 'gatingResidual'] as const;

/** Checks that zero-computation experts and gating residuals stand in an upcycling that can have them. */
export function checkZeroComputation(source: Source, path: DataPath, upcycle: Group): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  const { ffnRouting, zeroComputation, gatingResidual, weightScaling } = upcycle;
  const router = group(upcycle.router);
  if (ffnRouting !== undefined && ffnRouting !== 'top-k') {
    for (const key of KEYS.filter((one) => isWanted(upcycle, one))) {
      mistakes.push(source.atKey([...path, key], `no \`${key}\` with \`ffnRouting: ${String(ffnRouting)}\``));
    }
  }
  if (gatingResidual === true && router.normalizeLogits !== undefined) {
    const expected = 'no `normalizeLogits` beside `gatingResidual`, which adds to raw logits';
    mistakes.push(source.atKey([...path, 'router', 'normalizeLogits'], expected));
  }
  if (!isGroup(zeroComputation)) return mistakes;
  const kinds = { zero: 1, copy: 1, constant: 2, ...zeroComputation };
  if ([kinds.zero, kinds.copy, kinds.constant].every((count) => count === 0)) {
    mistakes.push(source.at([...path, 'zeroComputation'], 'at least one expert of any kind'));
  }
  if (weightScaling === true) {
    const expected = 'no `weightScaling` beside `zeroComputation` (experts that copy cannot be scaled)';
    mistakes.push(source.atKey([...path, 'weightScaling'], expected));
  }
  if (router.balanceBias !== undefined) {
    const expected = 'no `balanceBias` beside `zeroComputation` (it makes the load of all experts equal)';
    mistakes.push(source.atKey([...path, 'router', 'balanceBias'], expected));
  }
  if (router.init === 'centroid') {
    const expected = '`normal` or `zero` beside `zeroComputation` (its experts have no domain)';
    mistakes.push(source.at([...path, 'router', 'init'], expected));
  }
  return mistakes;
}

function isWanted(upcycle: Group, key: (typeof KEYS)[number]): boolean {
  return upcycle[key] !== undefined && upcycle[key] !== false;
}
