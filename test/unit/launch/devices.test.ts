import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { chooseDevices, type Gpu, parseGpus } from '../../../src/launch/devices';

/** As nvidia-smi prints it with `--query-gpu=index,name,memory.total --format=csv,noheader`. */
const PRINTED = `0, NVIDIA A100-SXM4-80GB, 81920 MiB
1, NVIDIA A100-SXM4-80GB, 81920 MiB
`;

describe('the devices of a run', () => {
  const before = process.env.TF_NUM_INTRAOP_THREADS;
  beforeEach(() => delete process.env.TF_NUM_INTRAOP_THREADS);
  afterEach(() => {
    if (before !== undefined) process.env.TF_NUM_INTRAOP_THREADS = before;
  });

  const gpus = (): Gpu[] => parseGpus(PRINTED);
  const none = (): Gpu[] => [];
  const visible = (devices: ReturnType<typeof chooseDevices>) =>
    devices.map(({ queue, environment }) => [queue, environment.CUDA_VISIBLE_DEVICES]);

  it('are read from what nvidia-smi prints', () => {
    assert.deepEqual(gpus(), [
      { index: 0, name: 'NVIDIA A100-SXM4-80GB', memory: '81920 MiB' },
      { index: 1, name: 'NVIDIA A100-SXM4-80GB', memory: '81920 MiB' },
    ]);
    assert.deepEqual(parseGpus('No devices were found\n'), []);
  });

  it('are this machine as it is, unless the file says otherwise', () => {
    assert.deepEqual(
      chooseDevices(undefined, () => assert.fail('nobody asked for GPUs')),
      [{ queue: 'cpu', environment: {} }],
    );
    assert.deepEqual(chooseDevices({ devices: 'auto' }, none), [{ queue: 'cpu', environment: {} }]);
  });

  it('are GPUs, each of which one trainer sees', () => {
    const both = [
      ['gpu-0', '0'],
      ['gpu-1', '1'],
    ];
    assert.deepEqual(visible(chooseDevices({ devices: 'auto', slots: 4 }, gpus)), both);
    assert.deepEqual(visible(chooseDevices({ devices: [1] }, gpus)), [both[1]]);
  });

  it('are slots of the CPU with a share of its threads each', () => {
    const threads = String(Math.max(1, Math.floor(availableParallelism() / 2)));
    for (const device of chooseDevices({ slots: 2 }, gpus)) {
      assert.equal(device.queue, 'cpu');
      const { TF_NUM_INTRAOP_THREADS, OMP_NUM_THREADS, CUDA_VISIBLE_DEVICES } = device.environment;
      assert.deepEqual([TF_NUM_INTRAOP_THREADS, OMP_NUM_THREADS, CUDA_VISIBLE_DEVICES], [threads, threads, '-1']);
    }
    assert.equal(chooseDevices({ slots: 3 }, none).length, 3);
    process.env.TF_NUM_INTRAOP_THREADS = '5';
    assert.equal(chooseDevices({ slots: 2 }, none)[0]!.environment.TF_NUM_INTRAOP_THREADS, '5');
  });

  it('that are not there are named, with those that are', () => {
    assert.throws(() => chooseDevices({ devices: [0, 2] }, gpus), {
      reason: 'no-device',
      message: /Expected a GPU 2, .* 0 \(NVIDIA A100-SXM4-80GB, 81920 MiB\), 1 /,
    });
    assert.throws(() => chooseDevices({ devices: [0] }, none), /GPUs of this machine: none/);
  });
});
