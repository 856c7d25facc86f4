import assert from 'node:assert/strict';
import * as vscode from 'vscode';

describe('activation', () => {
  it('happens by itself in a folder with an experiment file, without an error', async () => {
    const extension = vscode.extensions.getExtension('bam-studio.bam-studio');
    assert.ok(extension, 'the extension is not installed');
    const end = Date.now() + 20_000;
    while (!extension.isActive && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(extension.isActive, 'the extension is not active after 20 s');
  });

  it('registers every command that package.json promises', async () => {
    const manifest = vscode.extensions.getExtension('bam-studio.bam-studio')!.packageJSON as {
      contributes: { commands: { command: string }[] };
    };
    const registered = new Set(await vscode.commands.getCommands(true));
    const promised = manifest.contributes.commands.map(({ command }) => command);
    assert.deepEqual(
      promised.filter((command) => !registered.has(command)),
      [],
    );
  });
});
