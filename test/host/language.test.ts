import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import * as vscode from 'vscode';

describe('help in an experiment file', () => {
  let document: vscode.TextDocument;
  let original: string;

  before(async () => {
    await vscode.extensions.getExtension('bam-studio.bam-studio')!.activate();
    const [uri] = await vscode.workspace.findFiles('tiny.bam.yaml');
    assert.ok(uri, 'the workspace holds tiny.bam.yaml');
    document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document);
    original = document.getText();
  });

  afterEach(async () => {
    await replaceAll(original);
    await document.save();
  });

  async function replaceAll(text: string): Promise<void> {
    const edit = new vscode.WorkspaceEdit();
    const end = document.positionAt(document.getText().length);
    edit.replace(document.uri, new vscode.Range(new vscode.Position(0, 0), end), text);
    assert.ok(await vscode.workspace.applyEdit(edit));
  }

  /** Changes the document's text. */
  async function change(from: string, to: string): Promise<void> {
    assert.ok(document.getText().includes(from), `no ${from} in the document`);
    await replaceAll(document.getText().replace(from, to));
  }

  /** The position behind a piece of text. */
  function behind(text: string): vscode.Position {
    const offset = document.getText().indexOf(text);
    assert.ok(offset >= 0, `no ${text} in the document`);
    return document.positionAt(offset + text.length);
  }

  const textAt = (range: vscode.Range | undefined): string => document.getText(range ?? new vscode.Range(0, 0, 0, 0));

  /** Waits until the document's mistakes are as expected, and returns them. */
  async function diagnostics(test: (found: vscode.Diagnostic[]) => boolean): Promise<vscode.Diagnostic[]> {
    for (const end = Date.now() + 10_000; Date.now() < end; await setTimeout(20)) {
      const found = vscode.languages.getDiagnostics(document.uri);
      if (test(found)) return found;
    }
    const now = vscode.languages.getDiagnostics(document.uri).map(({ message }) => message);
    throw new Error(`the mistakes stayed ${JSON.stringify(now)}`);
  }

  async function hover(text: string): Promise<string> {
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
      'vscode.executeHoverProvider',
      document.uri,
      behind(text),
    );
    return hovers
      .flatMap(({ contents }) => contents)
      .map((content) => (typeof content === 'string' ? content : content.value))
      .join('\n');
  }

  async function completions(text: string): Promise<string[]> {
    const { items } = await vscode.commands.executeCommand<vscode.CompletionList>(
      'vscode.executeCompletionItemProvider',
      document.uri,
      behind(text),
    );
    return items.map(({ label }) => (typeof label === 'string' ? label : label.label));
  }

  it('marks a mistake while it is typed, and no longer once it is mended', async () => {
    await diagnostics((found) => !found.length);
    await change('from: seed', 'from: sede');
    const [mistake, ...rest] = await diagnostics((found) => found.length > 0);
    assert.match(mistake!.message, /seed.*"sede"/);
    assert.equal(textAt(mistake!.range), 'sede');
    assert.deepEqual(rest, []);
    await change('from: sede', 'from: seed');
    await diagnostics((found) => !found.length);
  });

  it('marks a glob without files when the file is saved', async () => {
    await change('prose/*.txt', 'nowhere/*.txt');
    await document.save();
    const [mistake] = await diagnostics((found) => found.length > 0);
    assert.match(mistake!.message, /nowhere/);
    assert.equal(textAt(mistake!.range), '"nowhere/*.txt"');
    await change('nowhere/*.txt', 'prose/*.txt');
    await diagnostics((found) => !found.length);
  });

  it('completes keys, stages and domains in a line that is not whole', async () => {
    await change('like: seed, mix: { sums: 1 }', 'like: ');
    assert.ok((await completions('like: ')).includes('seed'));
    await replaceAll(original);
    await change('experts: [seed, sums] }', 'experts: [seed, ');
    const experts = await completions('experts: [seed, ');
    assert.ok(experts.includes('sums') && !experts.includes('mixture'), experts.join());
    await replaceAll(original);
    await change('mix: { prose: 1 }', 'mix: { prose: 1, }');
    assert.ok((await completions('mix: { prose: 1, ')).includes('sums'));
    await replaceAll(original);
    await change('field: text', 'field: text, ');
    const keys = await completions('field: text, ');
    assert.ok(keys.includes('heldOut') && !keys.includes('files'), keys.join());
  });

  it('says what a key means, and what a stage and a domain come to', async () => {
    assert.match(await hover('evaluateEv'), /Steps between evaluations/);
    await document.save();
    let stage = '';
    for (const end = Date.now() + 10_000; Date.now() < end && !/FLOPs/.test(stage); await setTimeout(50)) {
      stage = await hover('  mixt');
    }
    assert.match(stage, /\| parameters \| [\d.]+k?, of them active/);
    assert.match(stage, /\| starts from \| seed \\\+ sums \|/);
    assert.match(await hover('mix: { pro'), /domain prose[^]*\| files \| \d+ \|/);
  });

  it('has above a stage what trains of it, and in its hover the counts', async () => {
    const stage = '  mov: { from: mixture, adapt: { method: mov, experts: 4 }, train: { like: seed, tokens: 2560 } }\n';
    await replaceAll(`${original.trimEnd()}\n${stage}`);
    await document.save();
    let lenses: string[] = [];
    for (const end = Date.now() + 10_000; Date.now() < end && !lenses.some((title) => /train/.test(title));) {
      const found = await vscode.commands.executeCommand<vscode.CodeLens[]>(
        'vscode.executeCodeLensProvider',
        document.uri,
      );
      lenses = found.map(({ command }) => command?.title ?? '');
      await setTimeout(50);
    }
    assert.ok(
      lenses.some((title) => /^MoV of 4: [\d.]+ % of [\d.]+k parameters train, the base stays$/.test(title)),
      lenses.join(' | '),
    );
    const facts = await hover('  mo');
    assert.match(facts, /\| trained parameters \| [\d.]+k?, [\d.]+ % of all \|/);
    assert.match(facts, /\| parameters \| [\d.]+k?, of them active/);
    assert.match(facts, /\| experts \| seed, sums \|/);
  });

  it('leads to definitions and uses', async () => {
    const at = behind('experts: [seed, su');
    const definitions = await vscode.commands.executeCommand<vscode.Location[]>(
      'vscode.executeDefinitionProvider',
      document.uri,
      at,
    );
    assert.deepEqual(
      definitions.map(({ range }) => range.start),
      [behind('checkpointEvery: 20 } }\n  ')],
    );
    const references = await vscode.commands.executeCommand<vscode.Location[]>(
      'vscode.executeReferenceProvider',
      document.uri,
      at,
    );
    assert.deepEqual(
      references.map(({ range }) => textAt(range)),
      ['sums', 'sums'],
    );
  });

  it('renames a stage everywhere, its domain of the same name not, and refuses a name that is taken', async () => {
    const rename = (name: string): Thenable<vscode.WorkspaceEdit> =>
      vscode.commands.executeCommand('vscode.executeDocumentRenameProvider', document.uri, behind('[seed, su'), name);
    assert.ok(await vscode.workspace.applyEdit(await rename('adder')));
    const text = document.getText();
    assert.ok(text.includes('adder: { from: seed') && text.includes('experts: [seed, adder]'), text);
    assert.ok(text.includes('sums: { files') && text.includes('mix: { sums: 1 }'), text);
    await diagnostics((found) => !found.length);
    await replaceAll(original);
    await assert.rejects(async () => rename('mixture'), /mixture/);
  });

  it('lists domains and stages in the outline, and folds what takes several lines', async () => {
    const symbols = await vscode.commands.executeCommand<vscode.DocumentSymbol[]>(
      'vscode.executeDocumentSymbolProvider',
      document.uri,
    );
    const names = symbols.map(({ name, children }) => `${name}: ${children.map((child) => child.name).join(' ')}`);
    assert.deepEqual(names, ['model: ', 'domains: prose sums', 'stages: seed sums mixture']);
    const folds = await vscode.commands.executeCommand<vscode.FoldingRange[]>(
      'vscode.executeFoldingRangeProvider',
      document.uri,
    );
    const firstLines = folds.map(({ start }) => document.lineAt(start).text);
    assert.deepEqual(firstLines, ['domains:', 'stages:']);
  });
});
