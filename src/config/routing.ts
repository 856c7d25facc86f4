import type { Diagnostic } from './diagnostics';
import type { DataPath, Source } from './source';

/** The keys of `upcycle` that say how routers send tokens, as written. */
type Routing = Record<string, unknown>;

/** Checks that the settings of a mixture's routers fit each other. `experts` is 0 where the list of experts has the wrong shape. */
export function checkRouting(source: Source, path: DataPath, upcycle: Routing, experts: number): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  for (const key of ['ffnTopK', 'attentionTopK']) {
    const k = upcycle[key];
    if (experts && Number.isInteger(k) && (k as number) > experts) {
      mistakes.push(source.at([...path, key], `at most ${experts}, the number of experts`));
    }
  }
  if (upcycle.gate === 'topk-softmax') mistakes.push(...checkRenormalised(source, path, upcycle));
  if (!choosesTopK(upcycle) && upcycle.ffnTopK !== undefined) {
    const expected = `no \`ffnTopK\` with \`ffnRouting: ${String(upcycle.ffnRouting)}\``;
    mistakes.push(source.atKey([...path, 'ffnTopK'], expected));
  }
  if (!choosesTopK(upcycle) && balanceBiasOf(upcycle) !== undefined) {
    const expected = `no bias that balances choices with \`ffnRouting: ${String(upcycle.ffnRouting)}\``;
    mistakes.push(source.atKey([...path, 'router', 'balanceBias'], expected));
  }
  const { method } = upcycle;
  if (typeof method === 'string' && method !== 'bam' && upcycle.attentionTopK !== undefined) {
    const expected = `no \`attentionTopK\` with ${method}, which has one attention for all experts`;
    mistakes.push(source.atKey([...path, 'attentionTopK'], expected));
  }
  return mistakes;
}

function choosesTopK({ ffnRouting }: Routing): boolean {
  return ffnRouting === undefined || ffnRouting === 'top-k';
}

function balanceBiasOf({ router }: Routing): unknown {
  return typeof router === 'object' && router !== null && 'balanceBias' in router ? router.balanceBias : undefined;
}

/** How many experts the FFN routers choose; `undefined` for all, or where the setting has the wrong shape. */
function ffnChosen(upcycle: Routing): unknown {
  if (choosesTopK(upcycle)) return upcycle.ffnTopK ?? 1;
  return upcycle.ffnRouting === 'sample-top-1' ? 1 : undefined;
}

/** `topk-softmax` needs a router that chooses several experts, and none that chooses one. */
function checkRenormalised(source: Source, path: DataPath, upcycle: Routing): Diagnostic[] {
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
