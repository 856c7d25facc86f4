import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const PRODUCT = ['src', 'bin', 'webview', 'scripts'];

function sources(folders: readonly string[]): [path: string, text: string][] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|js|mjs)$/.test(name))
      .map((name): [string, string] => [join(folder, name), readFileSync(join(folder, name), 'utf8')]),
  );
}

/** Lines of the product that match, with their places. */
function lines(pattern: RegExp, folders = PRODUCT): string[] {
  return sources(folders).flatMap(([path, text]) =>
    text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );
}

describe('the source of the product', () => {
  it('is found', () => assert.ok(sources(PRODUCT).length > 300));

  it('calls no shell', () => {
    assert.deepEqual(lines(/\bshell\s*:/), []);
    assert.deepEqual(lines(/['"](?:ba|z|da)?sh['"]|cmd\.exe|powershell/i), []);
    const imports = lines(/from '(?:node:)?child_process'|require\('(?:node:)?child_process'\)/);
    assert.ok(imports.length > 3);
    for (const line of imports) assert.match(line, /import \{[ \w,]+\} from/);
    assert.deepEqual(
      imports.filter((line) => /\bexec(?:Sync|File|FileSync)?\b/.test(line)),
      [],
    );
  });

  it('makes no code and no markup out of text', () => {
    assert.deepEqual(
      lines(/\beval\(|new Function\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write/, ['src', 'webview']),
      [],
    );
  });

  it('trusts no Markdown and shows messages by one way only, which makes no links', () => {
    assert.deepEqual(lines(/isTrusted\s*=|supportHtml|appendMarkdown/, ['src/extension']), []);
    const shown = lines(/window\.show(?:Information|Warning|Error)Message/, ['src/extension']);
    assert.equal(shown.filter((line) => !line.startsWith(join('src', 'extension', 'notify.ts'))).join('\n'), '');
  });

  it('reaches no network but by pip', () => {
    assert.deepEqual(
      lines(/\bfetch\(|XMLHttpRequest|WebSocket|from 'node:(?:http|https|net|dgram|tls)'/, ['src', 'webview', 'bin']),
      [],
    );
  });
});

interface Locked {
  resolved?: string;
  integrity?: string;
  link?: boolean;
}

describe('the lockfile', () => {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };
  const locked = Object.entries(packages).filter(([path]) => path !== '');

  it('has a checksum for every package', () => {
    assert.ok(locked.length > 300);
    // What a package brings inside its own archive is under that archive's checksum.
    const bare = locked.filter(([, { integrity, ...rest }]) => !integrity && !('inBundle' in rest));
    assert.deepEqual(
      bare.map(([path]) => path),
      [],
    );
    for (const [path, { integrity }] of locked) if (integrity) assert.match(integrity, /^sha512-/, path);
  });

  it('names one registry at most, by https, and no folder or repository', () => {
    const hosts = locked.flatMap(([path, { resolved, link }]) => {
      assert.ok(!link, path);
      if (resolved === undefined) return [];
      const { protocol, host } = new URL(resolved);
      assert.equal(protocol, 'https:', path);
      return [host];
    });
    assert.ok(new Set(hosts).size <= 1, [...new Set(hosts)].join());
    const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies }))
      assert.match(range, /^\^?[\d.]+$/, name);
  });

  it('goes with install scripts turned off', () => {
    assert.match(readFileSync('.npmrc', 'utf8'), /^ignore-scripts=true$/m);
  });
});
