import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { EMBEDDING, normName, routerName } from '../../src/architecture/parameters';
import { uniformGenerator } from '../../src/base/random';
import { heldOutBatches } from '../../src/data/held-out';
import type { OpenDomain } from '../../src/data/prepare';
import { TokenFile } from '../../src/data/token-file';
import { createParameters } from '../../src/model/parameters';
import { centroidRouters, mainDomains } from '../../src/train/centroids';
import { EagerStep } from '../../src/train/eager-step';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import { averageParents, type Parent, upcycle } from '../../src/upcycle/upcycle';
import { asMixture, assertClose, largeValues, onEveryBackend, SMALL, withoutLeak } from '../support/engine';

const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };
const DEVIATION = 0.05;
const EXPERTS = 4;

describe('the domains that a stage trained on most', () => {
  it('are the one with the largest weight, or those that share it', () => {
    assert.deepEqual(mainDomains({ general: 0.1, law: 0.9 }), ['law']);
    assert.deepEqual(mainDomains({ general: 0.4, law: 0.2, code: 0.4 }), ['general', 'code']);
  });
});

onEveryBackend('routers that start from the domains of their experts', () => {
  let folder: string;
  const open: TokenFile[] = [];
  before(() => (folder = mkdtempSync(join(tmpdir(), 'bam-centroids-'))));
  after(() => {
    for (const file of open.splice(0)) file.close();
    rmSync(folder, { recursive: true });
  });

  /** A domain of 2000 random tokens out of some. */
  function domain(name: string, tokens: readonly number[]): OpenDomain {
    const uniform = uniformGenerator(tokens[0]!);
    const ids = Uint16Array.from({ length: 2000 }, () => tokens[Math.floor(uniform() * tokens.length)]!);
    const path = join(folder, name);
    writeFileSync(path, new Uint8Array(ids.buffer));
    const file = TokenFile.open(path, 2, ids.length);
    open.push(file);
    return { name, fingerprint: '', train: file, heldOut: file, tokensPerByte: 1 };
  }

  /** Specialists of one seed: unlike each other, but not strangers. */
  const seed = largeValues(SMALL, 1);
  const parents = Array.from({ length: EXPERTS }, (_, i): Parent => {
    const own = largeValues(SMALL, i + 2);
    const near = [...seed].map(([name, values]): [string, Float32Array] => [
      name,
      values.map((value, j) => value + 0.2 * (own.get(name)![j]! - value)),
    ]);
    return { name: `p${i}`, architecture: SMALL, parameters: new Map(near) };
  });
  const dense = averageParents(parents);

  for (const attention of ['averaged', 'shared-kv'] as const) {
    it(`send tokens of a domain to its expert, far more than by chance (${attention})`, () => {
      const mixture = asMixture(SMALL, { experts: EXPERTS, attention });
      const domains = Array.from({ length: EXPERTS }, (_, i) =>
        domain(
          `d${i}`,
          Array.from({ length: 4 }, (_unused, token) => 10 * i + token),
        ),
      );
      const own = domains.map((each) => [each]);
      const routers = withoutLeak(() =>
        centroidRouters({ mixture, dense, domains: own, deviation: DEVIATION, seed: 1 }),
      );
      const values = new Map([...upcycle(parents, mixture, 1), ...routers]);
      assert.equal(routers.size, attention === 'averaged' ? 2 : 4);
      const step = new EagerStep(mixture, createParameters(mixture, values), SETTINGS);
      const shares = domains.flatMap((each, expert) => routing(step, each, mixture).map(({ load }) => load[expert]!));
      // By chance a quarter of a domain's tokens would reach its expert.
      assert.ok(
        shares.every((share) => share > 0.3),
        String(shares),
      );
      const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
      assert.ok(mean > 0.6, String(mean));
      step.dispose();
    });
  }

  it('have rows of the norm of random ones, which in the first layer are the direction of the normed embeddings', () => {
    const mixture = asMixture(SMALL, { experts: 2, attention: 'averaged' });
    const rows = centroidRouters({
      mixture,
      dense,
      domains: [[domain('seven', [7])], [domain('one', [11]), domain('other', [23])]],
      deviation: DEVIATION,
      seed: 1,
    });
    const { width } = SMALL;
    const embedding = (token: number): number[] => {
      const row = dense.get(EMBEDDING)!.slice(token * width, (token + 1) * width);
      const mean = row.reduce((sum, value) => sum + value, 0) / width;
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
      return [...row].map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * dense.get(normName(0))![i]!);
    };
    const direction = (vector: number[]): number[] => {
      const length = Math.hypot(...vector);
      return vector.map((value) => (value * DEVIATION * Math.sqrt(width)) / length);
    };
    const both = embedding(11).map((value, i) => value + embedding(23)[i]!);
    const first = rows.get(routerName(0, 'ffn'))!;
    assertClose(first, [...direction(embedding(7)), ...direction(both)], 1e-5);
    const last = rows.get(routerName(1, 'ffn'))!;
    for (const expert of [0, 1]) {
      const norm = Math.hypot(...last.slice(expert * width, (expert + 1) * width));
      assertClose([norm], [DEVIATION * Math.sqrt(width)], 1e-6);
    }
  });
});

onEveryBackend('routers of blocks with two norms', () => {
  it('point where what attention reads, and where what the FFN reads, points', () => {
    const shape: Architecture = { ...SMALL, block: 'parallel-two-norms' };
    const values = largeValues(shape, 1);
    const folder = mkdtempSync(join(tmpdir(), 'bam-centroids-'));
    const path = join(folder, 'seven');
    writeFileSync(path, new Uint8Array(Uint16Array.from({ length: 2000 }, () => 7).buffer));
    const file = TokenFile.open(path, 2, 2000);
    const domain = { name: 'seven', fingerprint: '', train: file, heldOut: file, tokensPerByte: 1 };
    const mixture = asMixture(shape, { experts: 2, attention: 'shared-kv' });
    const rows = centroidRouters({ mixture, dense: values, domains: [[domain], [domain]], deviation: 1, seed: 1 });
    file.close();
    rmSync(folder, { recursive: true });
    const embedding = values.get(EMBEDDING)!.slice(7 * shape.width, 8 * shape.width);
    const mean = embedding.reduce((sum, value) => sum + value, 0) / shape.width;
    for (const kind of ['attention', 'ffn'] as const) {
      const scale = values.get(normName(0, kind))!;
      const read = embedding.map((value, i) => (value - mean) * scale[i]!);
      const length = Math.hypot(...read);
      const expected = read.map((value) => (value * Math.sqrt(shape.width)) / length);
      assertClose(rows.get(routerName(0, kind))!, [...expected, ...expected], 1e-5, kind);
    }
  });
});

/** What the routers of a mixture do with a domain. */
function routing(step: EagerStep, from: OpenDomain, { context }: Architecture) {
  const statistics = new RoutingStatistics();
  for (const batch of heldOutBatches(from, { context, maximumTokens: 960, batch: 8 })) {
    tf.tidy(() => step.evaluate(batch, statistics));
  }
  return statistics.summarize();
}
