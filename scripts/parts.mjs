// What the package is made of, for those who check it: an SBOM, and the licences of what others wrote.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const SBOM_FILE = 'sbom.cdx.json';
export const NOTICES_FILE = 'THIRD-PARTY-NOTICES.txt';

/** npm's CycloneDX list of the clone's dependencies, without those that are not in the package. */
function sbom(root, parts) {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const { status, stdout, stderr } = spawnSync(npm, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`npm sbom failed:\n${stderr}`);
  const all = JSON.parse(stdout);
  const wanted = new Set(parts.map(({ name, version }) => `${name}@${version}`));
  const components = all.components.filter((one) => wanted.has(`${nameOf(one)}@${one.version}`));
  const missing = [...wanted].filter((part) => !components.some((one) => `${nameOf(one)}@${one.version}` === part));
  if (missing.length) throw new Error(`npm sbom does not know ${missing.join(', ')}, which is in the package.`);
  const kept = new Set([all.metadata.component['bom-ref'], ...components.map((one) => one['bom-ref'])]);
  const dependencies = all.dependencies
    .filter(({ ref }) => kept.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => kept.has(other)) }));
  return { ...all, components, dependencies };
}

/** npm writes the scope of a name as a group of its own, or in front. */
function nameOf({ group, name }) {
  return group && !name.startsWith('@') ? `${group}/${name}` : name;
}

/** The texts of a package's licence, and of what it asks to pass on; else what its description says. */
function licenceOf(folder, { license = 'not stated' }) {
  const names = readdirSync(folder).filter(
    (name) => /^(licen[cs]e|notice|copying)/i.test(name) && !/\.(js|ts|json)$/.test(name),
  );
  const texts = names.map((name) => readFileSync(join(folder, name), 'utf8').trim());
  return texts.length
    ? texts.join('\n\n')
    : `Licence: ${typeof license === 'string' ? license : license.type}. The package has no text of it.`;
}

/** Writes both files into the folder of a package that is made of the code of these packages. */
export function writeParts(root, stage, folders) {
  const described = [...new Set(folders)].sort().flatMap((folder) => {
    const file = join(root, folder, 'package.json');
    return existsSync(file) ? [{ folder: join(root, folder), ...JSON.parse(readFileSync(file, 'utf8')) }] : [];
  });
  writeFileSync(join(stage, SBOM_FILE), `${JSON.stringify(sbom(root, described), undefined, 2)}\n`);
  const notices = described.map((part) => `${part.name} ${part.version}\n\n${licenceOf(part.folder, part)}`);
  const line = `\n\n${'-'.repeat(80)}\n\n`;
  writeFileSync(
    join(stage, NOTICES_FILE),
    `This package contains code of the following packages.${line}${notices.join(line)}\n`,
  );
}
