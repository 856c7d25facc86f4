import assert from 'node:assert/strict';
import { Suite, Test } from 'mocha';
import type { HostTest } from '../host/run';
import { TestWorkspace } from '../run/support';
import { runHostTests } from './support/host-tests';
import { describeWorkbench } from './support/suite';

/** All of test/host, at most. */
const LIMIT = 300_000;

describeWorkbench('inside the extension host', function () {
  let results: HostTest[] = [];

  before(async function () {
    this.timeout(LIMIT + 60_000);
    const workspace = new TestWorkspace();
    try {
      results = await runHostTests(workspace.root, LIMIT);
    } finally {
      workspace.remove();
    }
    for (const result of results) addTest(this.test!.parent!, result);
  });

  it('runs the tests of test/host', () => {
    assert.notEqual(results.length, 0);
  });
});

/** Reports one test of the host as a test of this suite, under the same titles. */
function addTest(parent: Suite, { title, state, error }: HostTest): void {
  let suite = parent;
  for (const name of title.slice(0, -1)) {
    suite = suite.suites.find((child) => child.title === name) ?? Suite.create(suite, name);
  }
  const body = (): void => {
    if (state === 'failed') throw Object.assign(new Error(error!.message), { stack: error!.stack });
  };
  suite.addTest(new Test(title.at(-1)!, state === 'pending' ? undefined : body));
}
