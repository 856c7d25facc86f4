import { TestWorkspace } from '../run/support';
import { assertAlive } from './support/smoke';
import { describeWorkbench, keepPicture } from './support/suite';
import { Workbench } from './support/workbench';

describeWorkbench('the extension, loaded from the clone', () => {
  let files: TestWorkspace;
  let workbench: Workbench;

  before(async () => {
    files = new TestWorkspace();
    workbench = await Workbench.open({ folder: files.root });
  });
  afterEach(async function () {
    await keepPicture(this.currentTest, workbench);
  });
  after(async () => {
    await workbench?.close();
    files?.remove();
  });

  it('is active in a folder with an experiment file', async () => {
    await assertAlive(workbench);
  });
});
