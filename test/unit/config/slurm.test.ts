import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { parseExperiment } from '../../../src/config/parse';

/** Mistakes of a file with this in `launch.slurm`, without their places but for the path. */
function mistakesOf(slurm: string): string[] {
  const { mistakes } = parseExperiment(`name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/* } }
stages: { seed: { train: { tokens: 1k } } }
launch: { slurm: { ${slurm} } }`);
  return mistakes.map((mistake) => formatDiagnostic('x', mistake).replace(/^x:\d+:\d+ /, ''));
}

describe('mistakes in launch.slurm', () => {
  it('are none in what Slurm can be asked for', () => {
    assert.deepEqual(mistakesOf(''), []);
    assert.deepEqual(
      mistakesOf(
        'partition: "gpu,long", gpus: "a100:2", cpus: 8, memory: 32G, time: "1-12:00:00", setup: module load cuda, extra: [--account=lab]',
      ),
      [],
    );
    for (const time of ['90', '"90:30"', '"2:00:00"', '2-3']) assert.deepEqual(mistakesOf(`time: ${time}`), [], time);
  });

  it('are said with what was expected', () => {
    assert.match(mistakesOf('time: tomorrow')[0]!, /launch\.slurm\.time: expected a time limit as Slurm writes it/);
    assert.match(mistakesOf('gpus: many')[0]!, /launch\.slurm\.gpus: expected a number of GPUs/);
    assert.match(mistakesOf('memory: a lot')[0]!, /launch\.slurm\.memory: expected memory of a job/);
    assert.match(mistakesOf('extra: [account]')[0]!, /launch\.slurm\.extra\.?\[?0\]?.*expected an option of sbatch/);
  });

  it('are options that jobs have for their own use', () => {
    for (const option of ['--array=1-3', '--comment=x', '--no-requeue', '--wrap=ls', '--output=/dev/null']) {
      assert.equal(mistakesOf(`extra: ["${option}"]`).length, 1, option);
    }
  });
});
