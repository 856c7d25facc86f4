import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { writeFileAtomic } from '../../base/files';
import { NAME } from '../../config/meaning';
import { parseQuantity } from '../../config/quantity';
import { experimentText, SIZES, type SizeName, TEMPLATES, type TemplateName } from '../../config/template';
import { notify } from '../notify';

const STEPS = 5;

/** Asks what a new experiment should be, writes its file and opens it. Leaving one of the steps leaves all. */
export async function newExperiment(): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  if (folder === undefined) {
    void notify.information(vscode.l10n.t('Open a folder first: an experiment belongs to one.'));
    return;
  }
  const template = await pick<TemplateName>(1, vscode.l10n.t('What should it compare?'), TEMPLATES);
  if (!template) return;
  const size = await pick<SizeName>(2, vscode.l10n.t('How large is the dense model?'), describeSizes());
  if (!size) return;
  const names = await askDomains(template);
  if (!names) return;
  const tokens = await ask(4, vscode.l10n.t('Tokens that each stage trains on'), '500k', (text) =>
    parseQuantity(text) === undefined ? vscode.l10n.t('A count such as 500k or 1M') : undefined,
  );
  if (tokens === undefined) return;
  const name = await ask(
    5,
    vscode.l10n.t('Name of the experiment, which also names its file'),
    'experiment',
    (text) => {
      if (!NAME.test(text)) return vscode.l10n.t('Letters, digits, dots, dashes and underscores');
      return existsSync(fileOf(folder, text)) ? vscode.l10n.t('There is a file of this name already') : undefined;
    },
  );
  if (name === undefined) return;
  const domains = names.map((domain) => ({ name: domain, files: `corpus/${domain}/**/*.txt` }));
  const file = fileOf(folder, name);
  writeFileAtomic(file, experimentText({ template, name, size, domains, tokens }));
  await vscode.window.showTextDocument(vscode.Uri.file(file));
}

function fileOf(folder: string, name: string): string {
  return join(folder, `${name}.bam.yaml`);
}

function describeSizes(): Record<SizeName, string> {
  const describe = ({ layers, width, heads, context }: (typeof SIZES)[SizeName]): string =>
    vscode.l10n.t('{0} layers, width {1}, {2} heads, context {3}', layers, width, heads, context);
  return { tiny: describe(SIZES.tiny), small: describe(SIZES.small), medium: describe(SIZES.medium) };
}

async function askDomains(template: TemplateName): Promise<string[] | undefined> {
  const least = template === 'dense' ? 1 : 2;
  const prompt = vscode.l10n.t(
    'Domains, with commas between; the first trains the seed model, each other one a specialist',
  );
  const text = await ask(3, prompt, least === 1 ? 'general' : 'general, law, code', (value) => {
    const names = splitNames(value);
    if (names.length < least) return vscode.l10n.t('At least {0}', least);
    if (new Set(names).size < names.length) return vscode.l10n.t('Each name once');
    const taken = names.find((name) => !NAME.test(name) || ['seed', 'bam', 'btx', 'dense'].includes(name));
    return taken === undefined ? undefined : vscode.l10n.t('"{0}" cannot be used as the name of a domain here', taken);
  });
  return text === undefined ? undefined : splitNames(text);
}

function splitNames(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
}

async function pick<T extends string>(
  step: number,
  placeHolder: string,
  choices: Record<T, string>,
): Promise<T | undefined> {
  const items = (Object.entries(choices) as [T, string][]).map(([label, description]) => ({ label, description }));
  const title = vscode.l10n.t('New Experiment ({0} of {1})', step, STEPS);
  return (await vscode.window.showQuickPick(items, { title, placeHolder, ignoreFocusOut: true }))?.label;
}

function ask(
  step: number,
  prompt: string,
  value: string,
  validateInput: (text: string) => string | undefined,
): Thenable<string | undefined> {
  const title = vscode.l10n.t('New Experiment ({0} of {1})', step, STEPS);
  return vscode.window.showInputBox({ title, prompt, value, validateInput, ignoreFocusOut: true });
}
