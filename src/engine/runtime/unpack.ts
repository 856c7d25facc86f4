import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../base/errors';
import { damagedWheel, recordedWheels } from './download';
import type { RuntimePlace } from './folder';
import { noSpace, saysNoSpace } from './needs';
import type { Report } from './progress';
import { lastLines, runTool } from './tool';

/** The headers that the binding includes, directly or not: 1 MB of 287. */
const HEADERS = 'include/(?:tensorflow/c/|xla/tsl/c/|(?:tensorflow/core|tsl)/platform/ctstring)';

/** What is taken out of a wheel, of 1.3 GB: TensorFlow's two libraries, the headers, and the libraries of the CUDA wheels. */
const WANTED = `tensorflow/(?:libtensorflow_(?:cc|framework)[.]so[.]2$|${HEADERS})|nvidia/[^/]+/lib/[^/]+[.]so`;

/** Exit code of the script below for a wheel that is not what it says it is. */
const DAMAGED = 3;

/** Copies the wanted members out of a wheel, checks each against the wheel's own record, and prints its progress. */
const UNPACK = `
import base64, csv, hashlib, io, os, re, sys, zipfile
wheel, target, wanted = sys.argv[1:]
CHUNK = 1 << 20

def unpack(archive):
    record = next((n for n in archive.namelist() if n.endswith('.dist-info/RECORD')), None)
    if record is None: raise zipfile.BadZipFile('it has no RECORD')
    sums = {row[0]: row[1] for row in csv.reader(io.StringIO(archive.read(record).decode('utf8'))) if row}
    members = [m for m in archive.infolist() if re.match(wanted, m.filename) and not m.is_dir()]
    done, total = 0, sum(m.file_size for m in members)
    for member in members:
        if '..' in member.filename.split('/'): raise zipfile.BadZipFile(member.filename + ' leads out of it')
        path = os.path.join(target, *member.filename.split('/'))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        digest = hashlib.sha256()
        with archive.open(member) as source, open(path, 'wb') as copy:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                copy.write(chunk)
                done += len(chunk)
                if done // (32 * CHUNK) != (done - len(chunk)) // (32 * CHUNK): print(done, total, flush=True)
            copy.flush()
            os.fsync(copy.fileno())
        found = 'sha256=' + base64.urlsafe_b64encode(digest.digest()).rstrip(b'=').decode()
        if found != sums.get(member.filename):
            raise zipfile.BadZipFile('%s should have %s, but has %s' % (member.filename, sums.get(member.filename), found))

try:
    with zipfile.ZipFile(wheel) as archive: unpack(archive)
except (zipfile.BadZipFile, EOFError) as error:
    sys.exit(print(error) or ${DAMAGED})
`;

/**
 * Unpacks what is needed of the downloaded wheels into `place.unpacked`, then deletes the wheels.
 * Throws an `EngineError`: `checksum` (the wheels are deleted then), `no-space`, `unpack-failed` or `cancelled`.
 */
export async function unpack(place: RuntimePlace, python: string, report: Report, signal?: AbortSignal): Promise<void> {
  rmSync(place.unpacking, { recursive: true, force: true });
  mkdirSync(place.unpacking, { recursive: true });
  for (const { file } of recordedWheels(place)) {
    const tell = (done?: number, total?: number): void =>
      report({ step: 'unpack', message: `Unpacking ${file}`, ...(done && total && { done, total }) });
    tell();
    const onLine = (line: string): void => tell(...line.split(' ').map(Number));
    const args = ['-c', UNPACK, join(place.downloaded, file), place.unpacking, WANTED];
    const { code, output } = await runTool(python, args, { onLine, signal });
    if (code !== 0) throw unpackError(place, file, code, lastLines(output));
  }
  renameSync(place.unpacking, place.unpacked);
  rmSync(place.downloaded, { recursive: true, force: true });
}

function unpackError(place: RuntimePlace, file: string, code: number, complaint: string): EngineError {
  rmSync(place.unpacking, { recursive: true, force: true });
  if (code === DAMAGED) return damagedWheel(place, `${file}: ${complaint}.`);
  if (saysNoSpace(complaint)) return noSpace(`The disk that holds ${place.folder} became full:\n${complaint}`);
  return new EngineError(`${file} could not be unpacked:\n${complaint}`, {
    reason: 'unpack-failed',
    advice: 'Run this again; it goes on from the finished download.',
  });
}
