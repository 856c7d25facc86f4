import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../../src/base/errors';
import { runtimePlace } from '../../src/engine/runtime/folder';
import { installRuntime } from '../../src/engine/runtime/install';
import { installedRuntime, removeRuntime } from '../../src/engine/runtime/installed';
import { requireSpace, wheelArchitecture } from '../../src/engine/runtime/needs';
import type { InstallProgress } from '../../src/engine/runtime/progress';

// The tools on the PATH are fakes, but the wheel is unpacked by a real Python, and the binding, where one is installed, is real.
const realBinding = installedRuntime()?.binding ?? '';
const realPython = findRealPython();

function findRealPython(): string {
  try {
    return execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}

/** Writes a small wheel into --dest; FAKE_PIP chooses how it goes wrong. */
const FAKE_PIP = `
import base64, hashlib, os, sys, time, zipfile
mode = os.environ.get('FAKE_PIP', '')
dest = sys.argv[sys.argv.index('--dest') + 1]
asked = open(sys.argv[sys.argv.index('--requirement') + 1]).read()
open(__file__ + '.asked', 'w').write(' '.join(sys.argv) + '\\n' + asked)
if mode == 'none': sys.exit('ERROR: No matching distribution found for tensorflow-cpu==2.21.0')
if mode == 'full': sys.exit("ERROR: Could not install packages: [Errno 28] No space left on device")
path = os.path.join(dest, 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl')
if mode == 'hang':
    open(path, 'w').write('half a wheel')
    time.sleep(60)
files = {
    'tensorflow/libtensorflow_cc.so.2': b'c' * 5000,
    'tensorflow/libtensorflow_framework.so.2': b'f' * 3000,
    'tensorflow/include/tensorflow/c/c_api.h': b'header',
    'tensorflow/include/Eigen/Core': b'not needed',
    'tensorflow/python/keras.py': b'not needed',
}
with zipfile.ZipFile(path, 'w') as wheel:
    lines = []
    for name, content in files.items():
        wheel.writestr(name, content)
        content = b'other' if mode == 'tampered' and name.endswith('cc.so.2') else content
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()
        lines.append('%s,sha256=%s,%d' % (name, digest, len(content)))
    wheel.writestr('tensorflow_cpu-2.21.0.dist-info/RECORD', '\\n'.join(lines))
if mode == 'truncated': os.truncate(path, 4000)
`;

const fakeTools = (calls: string, pip: string) => ({
  python3: `#!/bin/sh
case "$*" in
  *"pip --version"*) exit 0 ;;
  *"pip download"*) echo download >> '${calls}'; exec '${realPython}' '${pip}' "$@" ;;
esac
exec '${realPython}' "$@"
`,
  'g++': `#!/bin/sh
for last; do :; done
[ "$last" = --version ] && exit 0
echo compile >> '${calls}'
[ "$FAKE_GXX" = fail ] && { echo 'tfjs_backend.cc:1: error: what is this' >&2; exit 1; }
[ "$FAKE_GXX" = junk ] && { echo junk > "$last"; exit 0; }
/bin/ln -s '${realBinding}' "$last"
`,
});

describe('installing the native runtime', function () {
  let home: string;
  let tools: string;
  let calls: string;
  const environment = { ...process.env };

  before(function () {
    if (process.platform !== 'linux' || !realPython) this.skip();
  });

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'bam-runtime-'));
    tools = join(home, 'tools');
    calls = join(home, 'calls');
    mkdirSync(tools);
    writeFileSync(calls, '');
    writeFileSync(join(home, 'pip.py'), FAKE_PIP);
    for (const [name, script] of Object.entries(fakeTools(calls, join(home, 'pip.py')))) {
      writeFileSync(join(tools, name), script, { mode: 0o755 });
    }
    process.env.PATH = tools;
    process.env.BAM_RUNTIME_FOLDER = join(home, 'runtime');
    delete process.env.CXX;
  });

  afterEach(() => {
    for (const name of ['FAKE_PIP', 'FAKE_GXX', 'CXX', 'BAM_RUNTIME_FOLDER']) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, environment);
    rmSync(home, { recursive: true, force: true });
  });

  const callsMade = (): string[] => readFileSync(calls, 'utf8').split('\n').filter(Boolean);
  const fails = async (reason: string, ...said: RegExp[]): Promise<void> => {
    const error = await installRuntime().then(
      () => assert.fail(`should have failed with ${reason}`),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof EngineError, String(error));
    assert.equal(error.reason, reason);
    for (const pattern of said) assert.match(`${error.message}\n${error.advice}`, pattern);
    assert.equal(installedRuntime(), undefined);
    assert.equal(existsSync(runtimePlace(false).lock), false, 'the lock should be free again');
  };

  describe('with everything there', () => {
    before(function () {
      if (!realBinding) this.skip();
    });

    it('does every step once, keeps what is needed, and then has nothing to do', async () => {
      const seen: InstallProgress[] = [];
      const installed = await installRuntime({ onProgress: (progress) => seen.push(progress) });
      assert.deepEqual([...new Set(seen.map(({ step }) => step))], ['download', 'unpack', 'compile', 'verify']);
      assert.equal(installed.version, '2.21.0');
      assert.equal(installed.gpu, false);
      assert.match(installed.sha256, /^[0-9a-f]{64}$/);
      assert.deepEqual(installedRuntime(), installed);
      const place = runtimePlace(false);
      assert.deepEqual(readdirSync(join(place.unpacked, 'tensorflow')).sort(), [
        'include',
        'libtensorflow_cc.so.2',
        'libtensorflow_framework.so.2',
      ]);
      assert.deepEqual(readdirSync(join(place.unpacked, 'tensorflow', 'include')), ['tensorflow']);
      assert.equal(existsSync(place.downloaded), false, 'the wheel should be gone');
      assert.deepEqual(await installRuntime(), installed);
      assert.deepEqual(callsMade(), ['download', 'compile']);
    });

    it('has pip take the one wheel whose checksum is known, whatever its index says', async () => {
      await installRuntime();
      const asked = readFileSync(join(home, 'pip.py.asked'), 'utf8');
      assert.match(asked, /--require-hashes/);
      assert.match(asked, /^tensorflow-cpu==2\.21\.0 --hash=sha256:[0-9a-f]{64}$/m);
    });

    it('runs nothing that lies where the user is, and installs for the user alone', async () => {
      const before = process.cwd();
      const trap = join(home, 'trap');
      mkdirSync(trap);
      for (const name of ['pip.py', 'zipfile.py', 'csv.py'])
        writeFileSync(join(trap, name), `open('${home}/sprung', 'w')`);
      process.chdir(trap);
      try {
        await installRuntime();
      } finally {
        process.chdir(before);
      }
      assert.ok(!existsSync(join(home, 'sprung')));
      assert.equal(statSync(join(home, 'runtime')).mode & 0o777, 0o700);
      assert.equal(statSync(runtimePlace(false).folder).mode & 0o777, 0o700);
    });

    it('goes on after a failed compilation without fetching anything again', async () => {
      process.env.FAKE_GXX = 'fail';
      await fails('compile-failed', /error: what is this/, /CXX/);
      process.env.FAKE_GXX = '';
      await installRuntime();
      assert.deepEqual(callsMade(), ['download', 'compile', 'compile']);
    });

    it('starts a download over that was cut off', async () => {
      const { downloading } = runtimePlace(false);
      mkdirSync(downloading, { recursive: true });
      writeFileSync(join(downloading, 'tensorflow_cpu-2.21.0-cut.whl'), 'half a wheel');
      assert.equal((await installRuntime()).version, '2.21.0');
    });

    it('lets a second installation wait for the first', async () => {
      const said: string[] = [];
      const both = [installRuntime(), installRuntime({ onProgress: ({ message }) => said.push(message) })];
      const [first, second] = await Promise.all(both);
      assert.deepEqual(second, first);
      assert.match(said[0]!, new RegExp(`Waiting for another installation .process ${process.pid}`));
      assert.deepEqual(callsMade(), ['download', 'compile']);
    });

    it('takes over the lock of a process that is gone', async () => {
      const gone = execFileSync(realPython, ['-c', 'import os; print(os.getpid())'], { encoding: 'utf8' });
      mkdirSync(process.env.BAM_RUNTIME_FOLDER!);
      writeFileSync(
        runtimePlace(false).lock,
        JSON.stringify({ pid: Number(gone), host: hostname(), birth: null, since: 0, token: 'x' }),
      );
      assert.equal((await installRuntime()).version, '2.21.0');
    });

    it('uses the compiler that $CXX names, with its arguments', async () => {
      writeFileSync(
        join(tools, 'wrap'),
        `#!/bin/sh\n[ "$1" = inner ] || exit 1\nshift\nexec '${join(tools, 'g++')}' "$@"\n`,
        {
          mode: 0o755,
        },
      );
      process.env.CXX = 'wrap inner';
      await installRuntime();
      assert.deepEqual(callsMade(), ['download', 'compile']);
    });

    it('is removed as a whole, and nothing else with it', async () => {
      const { folder, bytes } = await installRuntime();
      writeFileSync(join(process.env.BAM_RUNTIME_FOLDER!, 'mine.txt'), 'not of the runtime');
      assert.ok(removeRuntime() >= bytes);
      assert.equal(existsSync(folder), false);
      assert.equal(installedRuntime(), undefined);
      assert.deepEqual(readdirSync(process.env.BAM_RUNTIME_FOLDER!), ['mine.txt']);
      assert.equal(removeRuntime(), 0);
    });
  });

  it('keeps a finished download when it is cancelled, and notices if the wheel changes meanwhile', async () => {
    const { downloaded } = runtimePlace(false);
    const stop = new AbortController();
    const onProgress = ({ step }: InstallProgress): void => (step === 'unpack' ? stop.abort() : undefined);
    await assert.rejects(installRuntime({ signal: stop.signal, onProgress }), { reason: 'cancelled' });
    const [wheel] = readdirSync(downloaded);
    process.env.FAKE_GXX = 'fail';
    appendFileSync(join(downloaded, wheel!), 'x');
    await fails('checksum', new RegExp(wheel!), /download it anew/);
    assert.deepEqual(callsMade(), ['download']);
    await fails('compile-failed');
    assert.deepEqual(callsMade(), ['download', 'download', 'compile']);
  });

  it('stops a download at once when it is cancelled', async () => {
    process.env.FAKE_PIP = 'hang';
    const stop = new AbortController();
    const started = Date.now();
    setTimeout(() => stop.abort(), 300);
    await assert.rejects(installRuntime({ signal: stop.signal }), { reason: 'cancelled' });
    assert.ok(Date.now() - started < 10_000, 'it should not wait for pip to end by itself');
    assert.equal(existsSync(runtimePlace(false).downloaded), false, 'half a download should not count');
  });

  it('refuses to remove a runtime that is being installed', async () => {
    process.env.FAKE_GXX = 'fail';
    let reason: string | undefined;
    const onProgress = ({ step }: InstallProgress): void => {
      if (step !== 'compile') return;
      try {
        removeRuntime();
      } catch (error) {
        reason = (error as EngineError).reason;
      }
    };
    await assert.rejects(installRuntime({ onProgress }), { reason: 'compile-failed' });
    assert.equal(reason, 'busy');
  });

  it('says that pip is missing', async () => {
    rmSync(join(tools, 'python3'));
    await fails('no-pip', /apt-get install python3-pip/);
  });

  it('says that a compiler is missing before it downloads anything', async () => {
    rmSync(join(tools, 'g++'));
    await fails('no-compiler', /g\+\+, clang\+\+, c\+\+/, /apt-get install g\+\+/);
    process.env.CXX = 'my-compiler -m64';
    await fails('no-compiler', /`my-compiler -m64` \(from \$CXX\)/);
    assert.deepEqual(callsMade(), []);
  });

  it('passes on what pip says when it cannot download', async () => {
    process.env.FAKE_PIP = 'none';
    await fails('download-failed', /No matching distribution found for tensorflow-cpu==2.21.0/, /network/);
  });

  it('says that the disk became full', async () => {
    process.env.FAKE_PIP = 'full';
    await fails('no-space', /No space left on device/, /BAM_RUNTIME_FOLDER/);
  });

  it('says how much space is needed and free', async () => {
    await assert.rejects(requireSpace(home, 5e18), (error: EngineError) => {
      assert.equal(error.reason, 'no-space');
      return /needs 5000000000\.0 GB .* only [\d.]+ [MG]B are free/.test(error.message);
    });
  });

  it('refuses a library that is not what the wheel says', async () => {
    process.env.FAKE_PIP = 'tampered';
    await fails('checksum', /libtensorflow_cc\.so\.2 should have sha256=/);
    assert.equal(existsSync(runtimePlace(false).unpacked), false);
  });

  it('refuses a wheel that is cut off', async () => {
    process.env.FAKE_PIP = 'truncated';
    await fails('checksum', /not a zip file/);
  });

  it('does not call a runtime installed that does not load', async () => {
    process.env.FAKE_GXX = 'junk';
    await fails('verify-failed', /does not work on this machine/, /AVX/);
  });

  it('says plainly where there is no native runtime', () => {
    const here = { name: 'linux', arch: 'x64', glibc: '2.36' };
    assert.equal(wheelArchitecture(here), 'x86_64');
    for (const other of [{ name: 'darwin' }, { name: 'win32' }, { arch: 'ia32' }, { glibc: undefined }]) {
      assert.throws(() => wheelArchitecture({ ...here, ...other }), { reason: 'unsupported-platform' });
    }
  });
});
