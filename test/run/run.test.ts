import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertSucceeded, TestWorkspace, TINY } from './support';

describe('bam run', function () {
  this.timeout(120_000);
  let place: TestWorkspace;

  afterEach(() => place.remove());

  it('ends with the table, the report and a cache that the next run uses', async () => {
    place = new TestWorkspace();
    const first = await place.bam('run', place.file);
    assertSucceeded(first);
    for (const stage of ['seed', 'sums', 'mixture']) assert.match(first.stdout, new RegExp(`^${stage} `, 'm'));
    assert.match(first.stdout, /average is over prose, sums/);
    const html = readFileSync(place.workspace.reportFile(place.run), 'utf8');
    assert.match(html, /default-src (&#39;|')none/, 'the report may load nothing');
    assert.doesNotMatch(html, /(src|href)=["']?https?:/, 'and asks for nothing');

    const firstRun = place.run;
    const again = await place.bam('run', place.file, '--json');
    assertSucceeded(again);
    assert.match(again.stderr, new RegExp(`mixture: taken from run ${firstRun}`));
    const { results } = JSON.parse(again.stdout) as { results: { rows: { stage: string; average: number }[] } };
    assert.deepEqual(
      results.rows.map(({ stage }) => stage),
      ['seed', 'sums', 'mixture'],
    );
    for (const { average } of results.rows) assert.ok(average > 1 && average < 257);
  });

  it('trains the specialist on its domain: it gets better there than the seed', async () => {
    place = new TestWorkspace();
    assertSucceeded(await place.bam('run', place.file, '--stages', 'sums', '--set', 'stages.sums.train.tokens=10k'));
    const finished = place.events().filter((event) => event.type === 'stage.finished');
    const [seed, sums] = finished.map((event) => event.evaluation.domains.sums!.perplexity);
    assert.ok(sums! < seed! / 2, `perplexity on sums: seed ${seed}, specialist ${sums}`);
    assert.equal(finished.length, 2, 'the mixture was not asked for');
  });

  it('gives the same on wasm as on native TensorFlow', async () => {
    const averages: number[] = [];
    for (const backend of ['native', 'wasm']) {
      place = new TestWorkspace();
      const set = ['stages.seed.train.tokens=640', 'stages.sums.train.tokens=640', 'stages.mixture.train.tokens=640'];
      assertSucceeded(await place.bam('run', place.file, '--set', `engine.backend=${backend}`, ...set));
      const last = place.events().findLast((event) => event.type === 'stage.finished');
      averages.push(last!.evaluation.averagePerplexity);
      if (backend === 'native') place.remove();
    }
    const [native, wasm] = averages as [number, number];
    assert.ok(Math.abs(native - wasm) / native < 1e-4, `average perplexity: native ${native}, wasm ${wasm}`);
  });

  it('plans as JSON by stage, and the doctor finds this machine fit to train', async () => {
    place = new TestWorkspace();
    const planned = await place.bam('plan', place.file, '--json');
    assertSucceeded(planned);
    const { stages } = JSON.parse(planned.stdout) as {
      stages: Record<string, { parameters: { total: number; active: number }; flopsPerToken: number }>;
    };
    const { parameters, flopsPerToken } = stages.seed!;
    // Embedding 257 x 32; a block has a norm of 32, four 32 x 32 projections and three of 48 x 32; a final norm.
    assert.equal(parameters.total, 257 * 32 + 2 * (32 + 4 * 32 * 32 + 3 * 48 * 32) + 32);
    assert.equal(flopsPerToken, 2 * (8 * 32 * 32 + 2 * 32 * 32 + 6 * 48 * 32) + 2 * 257 * 32);
    const examined = await place.bam('doctor', '--json');
    const checks = JSON.parse(examined.stdout) as { name: string; state: string; message: string }[];
    assert.deepEqual(
      checks.filter(({ state }) => state === 'bad'),
      [],
    );
    assert.match(checks.find(({ name }) => name === 'engine')!.message, /TensorFlow 2\.21/);
  });

  it('stops a stage that diverges, naming the step and what to do', async () => {
    place = new TestWorkspace();
    const set = ['stages.seed.train.peakLearningRate=1e4', 'stages.seed.train.clip=1e9'];
    const { code, stderr } = await place.bam('run', place.file, '--stages', 'seed', '--set', ...set);
    assert.equal(code, 1);
    assert.match(stderr, /Stage seed (diverged|stopped) at step \d+/);
    assert.match(stderr, /Lower peakLearningRate/);
  });

  it('says what is wrong with the data, at its place in the file', async () => {
    place = new TestWorkspace();
    writeFileSync(place.file, TINY.replace('prose/*.txt', 'nothing/*.txt'));
    const { code, stderr } = await place.bam('run', place.file);
    assert.equal(code, 1);
    assert.match(stderr, /tiny\.bam\.yaml:5:\d+ domains\.prose\.files: .*matches no file/);

    mkdirSync(join(place.root, 'empty'));
    writeFileSync(join(place.root, 'empty', 'a.txt'), '');
    writeFileSync(place.file, TINY.replace('prose/*.txt', 'empty/*.txt'));
    assert.match((await place.bam('run', place.file)).stderr, /expected text, but its file holds none/);

    writeFileSync(join(place.root, 'empty', 'b.txt'), 'too short');
    writeFileSync(join(place.root, 'empty', 'c.txt'), 'also short');
    const small = await place.bam('run', place.file);
    assert.equal(small.code, 1);
    assert.match(small.stderr, /one sequence needs 33/);
  });

  it('stops with a clear word on a full disk, and goes on when there is space', async function () {
    const root = mkdtempSync(join(tmpdir(), 'bam-full-'));
    const mount = (options: string) => spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', root]).status === 0;
    if (!mount('size=1200k')) {
      rmSync(root, { recursive: true });
      place = new TestWorkspace();
      console.log('      skipped: a small file system can be mounted as root on Linux only');
      return this.skip();
    }
    try {
      place = new TestWorkspace(root);
      const full = await place.bam('run', place.file);
      assert.equal(full.code, 1, full.stderr);
      assert.match(full.stderr, /No space left on the disk/);
      assert.match(full.stderr, /--resume/);
      assert.equal(spawnSync('mount', ['-o', 'remount,size=64m', root]).status, 0);
      assertSucceeded(await place.bam('run', place.file, '--resume'));
      assert.equal(place.outcome().averages.size, 3);
    } finally {
      spawnSync('umount', [root]);
    }
  });
});
