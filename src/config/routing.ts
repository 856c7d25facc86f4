import type { Diagnostic } from './diagnostics';
import { type Group, group, isCount } from './groups';
import { expertCount } from './method';
import type { DataPath, Source } from './source';

/** Checks that the settings of a mixture's routers fit each other. */
export function checkRouting(source: Source, path: DataPath, upcycle: Group): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  const experts = expertCount(upcycle);
  for (const key of ['ffnTopK', 'attentionTopK']) {
    const k = upcycle[key];
    if (isCount(k) && experts !== undefined && k > experts) {
      mistakes.push(source.at([...path, key], `at most ${experts}, the number of experts`));
    }
  }
  if (upcycle.gate === 'topk-softmax') mistakes.push(...checkRenormalised(source, path, upcycle));
  return choosesTopK(upcycle) ? mistakes : [...mistakes, ...checkOtherRouting(source, path, upcycle)];
}

function choosesTopK({ ffnRouting }: Group): boolean {
  return ffnRouting === undefined || ffnRouting === 'top-k';
}

/** What makes sense only where FFN experts are chosen by `top-k`. */
function checkOtherRouting(source: Source, path: DataPath, upcycle: Group): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  const beside = `with \`ffnRouting: ${String(upcycle.ffnRouting)}\``;
  if (upcycle.ffnTopK !== undefined) {
    mistakes.push(source.atKey([...path, 'ffnTopK'], `no \`ffnTopK\` ${beside}`));
  }
  if (group(upcycle.router).balanceBias !== undefined) {
    mistakes.push(source.atKey([...path, 'router', 'balanceBias'], `no bias that balances choices ${beside}`));
  }
  if (upcycle.weightScaling === true) {
    const expected = '`ffnRouting: top-k` beside it (only there the gates add up to about ffnTopK / experts at first)';
    mistakes.push(source.at([...path, 'weightScaling'], expected));
  }
  return mistakes;
}

/** `topk-softmax` needs a router that chooses several experts, and none that chooses one. */
function checkRenormalised(source: Source, path: DataPath, upcycle: Group): Diagnostic[] {
  const chosen = [ffnChosen(upcycle), upcycle.attentionTopK];
  if (chosen.includes(1)) {
    const expected =
      '`softmax-topk` when one expert is chosen (a gate over one expert is always 1, so its router never learns)';
    return [source.at([...path, 'gate'], expected)];
  }
  if (chosen.some((k) => k !== undefined)) return [];
  return [
    source.at([...path, 'gate'], '`softmax-topk` when all experts are used (their probabilities sum to 1 anyway)'),
  ];
}

/** How many experts the FFN routers choose; `undefined` for all, or where the setting has the wrong shape. */
function ffnChosen(upcycle: Group): unknown {
  if (choosesTopK(upcycle)) return upcycle.ffnTopK ?? 1;
  return upcycle.ffnRouting === 'sample-top-1' ? 1 : undefined;
}
