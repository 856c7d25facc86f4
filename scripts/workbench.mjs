// Installs the workbench that the end-to-end tests run in: code-server, which is VS Code's own workbench and extension host
// behind a small server, from npm alone. Where it is there already, nothing happens. Usage: node scripts/workbench.mjs
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The newest for Node 20; it holds VS Code 1.100.3, so `engines.vscode` is 1.100. */
const VERSION = '4.100.3';

const FOLDER = fileURLToPath(new URL('../node_modules/.cache/code-server', import.meta.url));

/** True where this version was installed to the end: the record is written last. */
function installed() {
  const record = join(FOLDER, 'installed.json');
  return existsSync(record) && JSON.parse(readFileSync(record, 'utf8')).version === VERSION;
}

/** Runs npm without a shell; ends this program with npm's own words where it fails. */
function npm(cwd, args, env = {}) {
  const program = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const ran = spawnSync(program, [...args, '--prefix', cwd, '--no-audit', '--no-fund'], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (ran.status === 0) return;
  console.error(ran.stdout ?? '', ran.stderr ?? ran.error);
  console.error(`code-server ${VERSION} could not be installed: \`npm ${args.join(' ')}\` failed in ${cwd}.`);
  process.exit(1);
}

/** Compiles packages whose install scripts were not run. */
function compile(cwd, ...names) {
  const headers = join(dirname(dirname(process.execPath)), 'include', 'node');
  // node-gyp would download Node's headers, although most Nodes bring their own.
  const env = { npm_config_build_from_source: 'argon2' };
  if (!process.env.npm_config_nodedir && existsSync(headers)) env.npm_config_nodedir = dirname(dirname(headers));
  npm(cwd, ['rebuild', ...names, '--ignore-scripts=false'], env);
}

/** The path of a program, or undefined. */
function find(program) {
  const folders = (process.env.PATH ?? '').split(':').filter(Boolean);
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

function install(folder, ripgrep) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  // Its own scripts download programs and compile what only a desktop needs, so they stay off; their other work is done here.
  npm(folder, ['install', `code-server@${VERSION}`, '--ignore-scripts']);
  compile(folder, 'argon2');
  const code = join(folder, 'node_modules', 'code-server', 'lib', 'vscode');
  npm(code, ['install', '--ignore-scripts', '--omit=dev']);
  // Log files (an extension's output channel is one), and the watch that ends an extension host without its server.
  compile(code, '@vscode/spdlog', 'native-watchdog');
  mkdirSync(join(code, 'node_modules', '@vscode', 'ripgrep', 'bin'), { recursive: true });
  symlinkSync(ripgrep, join(code, 'node_modules', '@vscode', 'ripgrep', 'bin', 'rg'));
  symlinkSync('node_modules', join(code, 'node_modules.asar'));
  symlinkSync('code-linux.sh', join(code, 'bin', 'remote-cli', 'code-server'));
  symlinkSync('browser-linux.sh', join(code, 'bin', 'helpers', 'browser.sh'));
  writeFileSync(join(folder, 'installed.json'), `${JSON.stringify({ version: VERSION })}\n`);
}

if (!installed()) {
  const ripgrep = find('rg');
  if (process.platform !== 'linux' || !ripgrep) {
    console.error(
      'The end-to-end tests need Linux and ripgrep (Debian: apt-get install ripgrep). Install it and run this again.',
    );
    process.exit(1);
  }
  console.log(`Installing code-server ${VERSION} for the end-to-end tests (once; about a minute, 300 MB) ...`);
  // Made beside its place and renamed: a cut installation never counts, nor does a second one at the same time.
  const partial = `${FOLDER}.${process.pid}`;
  install(partial, ripgrep);
  if (installed()) rmSync(partial, { recursive: true });
  else {
    rmSync(FOLDER, { recursive: true, force: true });
    renameSync(partial, FOLDER);
  }
  console.log(`code-server ${VERSION} is in ${FOLDER}`);
}
