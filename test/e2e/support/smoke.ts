import assert from 'node:assert/strict';
import type { Workbench } from './workbench';

/** What must hold wherever the extension was loaded from: it is there, it is active, and no error came with that. */
export async function assertAlive(workbench: Workbench): Promise<void> {
  await workbench.activity('BAM Studio').waitFor();
  await workbench.openFile('tiny.bam.yaml');
  await workbench.command('Developer: Show Running Extensions');
  const row = workbench.page
    .locator('.runtime-extensions-editor .extension')
    .filter({ hasText: /BAM Studio|bam-studio/ });
  // The editor lists an extension with the time that its activation took once it is active.
  await row.getByText(/(Activation|Startup Activation): \d+ms/).waitFor();
  assert.equal(await workbench.notification(/Activating extension .* failed/).count(), 0);
  await workbench.command('View: Close Editor');
  await workbench.openView('BAM Studio');
}
