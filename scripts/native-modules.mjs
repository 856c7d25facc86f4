// Builds sqlite3's binding when it is missing. `npm ci` runs no install scripts here (see .npmrc), so this step is explicit.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** True where sqlite3 loads in this Node. */
function sqliteLoads() {
  return (
    spawnSync(process.execPath, ['-e', "require('sqlite3')"], { cwd: new URL('..', import.meta.url) }).status === 0
  );
}

if (!sqliteLoads()) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  console.log('Building the sqlite3 module (once; about two minutes where no prebuilt one can be had) ...');
  const built = spawnSync(npm, ['rebuild', 'sqlite3', '--ignore-scripts=false'], { encoding: 'utf8' });
  if (!sqliteLoads()) {
    console.error(built.stdout ?? '', built.stderr ?? '');
    console.error(
      `sqlite3 ${require('sqlite3/package.json').version} could not be built. It needs python3, make and a C++ compiler ` +
        '(Debian: apt-get install python3 make g++). Install them and run this again.',
    );
    process.exit(1);
  }
}
