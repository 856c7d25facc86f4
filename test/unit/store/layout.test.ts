import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findWorkspaceRoot, listRuns, newRunId, Workspace } from '../../../src/store/layout';
import { START, withWorkspace } from './synthetic';

describe('the workspace', () => {
  it('is the nearest folder with .bam, else the one with .git, else where one stands', () =>
    withWorkspace(({ root }) => {
      const project = join(root, 'project');
      const deep = join(project, 'experiments', 'deep');
      mkdirSync(deep, { recursive: true });
      mkdirSync(join(project, '.git'));
      assert.equal(findWorkspaceRoot(deep), root, '.bam above wins over .git nearer by');
      mkdirSync(join(project, '.bam'));
      assert.equal(findWorkspaceRoot(deep), project);
    }));

  it('makes run ids that are folder names and never the same twice', () =>
    withWorkspace((workspace) => {
      const ids = Array.from({ length: 50 }, () => newRunId(workspace, 'Law & Math/../code ', new Date(START)));
      assert.equal(new Set(ids).size, 50);
      for (const id of ids) assert.match(id, /^Law-Math-..-code-20261124-171530-[0-9a-f]{4}$/);
      assert.deepEqual(listRuns(workspace), [...ids].sort());
      assert.equal(readFileSync(join(workspace.folder, '.gitignore'), 'utf8'), '*\n');
    }));

  it('gives a name without a usable letter an id too', () =>
    withWorkspace((workspace) => {
      assert.match(newRunId(workspace, '数学', new Date(START)), /^run-20261124-171530-[0-9a-f]{4}$/);
    }));

  it('refuses run ids and stage keys that lead out of .bam', () => {
    const workspace = new Workspace('/nowhere');
    for (const name of ['..', '../../etc', 'a/b', 'a\\b', '']) {
      assert.throws(() => workspace.runFolder(name), { reason: 'bad-name' }, name);
      assert.throws(() => workspace.stageFolder(name), { reason: 'bad-name' }, name);
    }
    assert.deepEqual(listRuns(workspace), []);
    assert.ok(!existsSync('/nowhere'));
  });
});
