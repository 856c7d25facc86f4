import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture } from '../../../src/architecture/architecture';
import { BamError } from '../../../src/base/errors';
import { decodeExpert } from '../../../src/offload/encode';
import { openExpertFolder } from '../../../src/offload/open-folder';
import { PRECISIONS } from '../../../src/base/offload-words';
import { writeExpertFolder } from '../../../src/offload/write-folder';
import { withSmallDisk } from '../base/small-disk';
import { MIXTURE, parametersOf } from './mixture';

const source = { stage: 'bam', key: 'k', step: 3 };

function options(to: string, architecture: Architecture = MIXTURE) {
  return { architecture, parameters: parametersOf(architecture), source, to, precisions: PRECISIONS, group: 4 };
}

/** What must be thrown, with its reason and what its message says. */
async function refused(reason: string, says: RegExp, work: () => unknown): Promise<void> {
  await assert.rejects(
    async () => work(),
    (error) => {
      assert.ok(error instanceof BamError, String(error));
      assert.equal(error.reason, reason);
      assert.match(error.message, says);
      return true;
    },
  );
}

describe('a folder of experts', () => {
  let folder: string;
  let to: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-experts-'));
    to = join(folder, 'experts');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('gives back every weight: those of experts one by one, all others at once', async () => {
    const parameters = parametersOf(MIXTURE);
    const written = writeExpertFolder(options(to));
    assert.equal(written.experts, 6);
    assert.deepEqual(written.expertBytes, { float32: 1152, float16: 576, int8: 576, int4: 432 });
    const opened = await openExpertFolder(to);
    assert.deepEqual(opened.architecture, MIXTURE);
    assert.deepEqual(opened.precisions, [...PRECISIONS]);
    for (let layer = 0; layer < 2; layer++) {
      for (let expert = 0; expert < 3; expert++) {
        for (const projection of ['gate', 'up', 'down'] as const) {
          const name = `layers.${layer}.ffn.experts.${expert}.${projection}.weight`;
          const exact = decodeExpert(opened.layout('float32'), await opened.read(layer, expert, 'float32'));
          assert.deepEqual(exact.weights[projection], parameters.get(name));
          const close = decodeExpert(opened.layout('int8'), await opened.read(layer, expert, 'int8'));
          close.weights[projection]!.forEach((value, i) => {
            assert.ok(Math.abs(value - parameters.get(name)![i]!) < 0.01);
          });
          parameters.delete(name);
        }
      }
    }
    assert.deepEqual(opened.resident, parameters);
    assert.equal(written.residentBytes, 4 * [...parameters.values()].reduce((sum, { length }) => sum + length, 0));
    await opened.close();
  });

  it('leaves out removed experts, and keeps constant experts and biases', async () => {
    const mixture = { ...MIXTURE.mixture!, pruned: { experts: [[1], [0, 2]], routing: 'masked' as const } };
    const pruned = { ...MIXTURE, mixture: { ...mixture, ffnTopK: 1 } };
    assert.equal(writeExpertFolder(options(to, pruned)).experts, 3);
    const opened = await openExpertFolder(to);
    await opened.read(1, 1, 'int4');
    await refused('damaged', /FFN expert 0 of layer 1 in int4 should have 432 bytes, its index says nothing/, () =>
      opened.read(1, 0, 'int4'),
    );
    await opened.close();
    const other: Architecture = {
      ...MIXTURE,
      ffn: 'gelu',
      biases: true,
      mixture: { ...MIXTURE.mixture!, zeroComputation: { zero: 1, copy: 0, constant: 1, tau: 0.5 } },
    };
    const second = join(folder, 'second');
    writeExpertFolder(options(second, other));
    const open = await openExpertFolder(second);
    const { biases } = decodeExpert(open.layout('int4'), await open.read(0, 2, 'int4'));
    assert.deepEqual(biases.up, parametersOf(other).get('layers.0.ffn.experts.2.up.bias'));
    assert.ok(open.resident.has('layers.0.ffn.constants.0.vector'));
    assert.ok(![...open.resident.keys()].some((name) => name.includes('ffn.experts')));
    await open.close();
  });

  it('names the expert that is cut or whose bytes changed', async () => {
    writeExpertFolder(options(to));
    const file = join(to, 'experts-int8.bin');
    const bytes = readFileSync(file);
    const wrong = Buffer.from(bytes);
    wrong[4 * 576 + 100]! ^= 1;
    writeFileSync(file, wrong);
    const opened = await openExpertFolder(to);
    await opened.read(1, 0, 'int8');
    await refused('damaged', /FFN expert 1 of layer 1 in int8 should have the checksum [0-9a-f]{64}, found/, () =>
      opened.read(1, 1, 'int8'),
    );
    // Cut while it is open.
    truncateSync(file, 5 * 576 + 10);
    await refused('damaged', /FFN expert 2 of layer 1 in int8 should have 576 bytes, read 10/, () =>
      opened.read(1, 2, 'int8'),
    );
    await opened.close();
    await refused(
      'damaged',
      /experts-int8.bin should have 3456 bytes, found 2890, so that FFN expert 2 of layer 1 is not whole/,
      () => openExpertFolder(to),
    );
    rmSync(file);
    await refused('damaged', /experts-int8.bin should have 3456 bytes, but is missing/, () => openExpertFolder(to));
  });

  it('names what else is missing', async () => {
    await refused('missing', /should be a folder of `bam quantize`/, () => openExpertFolder(folder));
    writeExpertFolder({ ...options(to), precisions: ['int8'] });
    const opened = await openExpertFolder(to);
    await refused('missing', /should have experts in float32, has int8/, () => opened.layout('float32'));
    await opened.close();
    writeFileSync(join(to, 'experts.json'), '{"version":1}');
    await refused('damaged', /experts.json is wrong at source/, () => openExpertFolder(to));
  });

  it('is not made of a dense model, nor where something is', async () => {
    const { mixture, ...dense } = MIXTURE;
    await refused('dense', /bam should be a mixture of FFN experts, but is a dense model/, () =>
      writeExpertFolder(options(to, dense)),
    );
    mkdirSync(to);
    writeFileSync(join(to, 'mine.txt'), '');
    await refused('exists', /should be a new or an empty folder/, () => writeExpertFolder(options(to)));
    assert.deepEqual(readdirSync(to), ['mine.txt']);
  });

  it('is not there after an error on the way', async () => {
    const parameters = parametersOf(MIXTURE);
    parameters.get('layers.1.ffn.experts.2.down.weight')![0] = NaN;
    await refused('not-finite', /FFN expert 2 of layer 1/, () => writeExpertFolder({ ...options(to), parameters }));
    assert.deepEqual(readdirSync(folder), []);
  });

  it('is not there on a full disk (needs root)', async function () {
    await withSmallDisk(this, 16, async (disk) => {
      await refused('no-space', /No space left on the disk/, () => writeExpertFolder(options(join(disk, 'experts'))));
      assert.deepEqual(readdirSync(disk), []);
    });
  });
});
