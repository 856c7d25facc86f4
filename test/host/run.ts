import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';

/** What one test inside the extension host came to. */
export interface HostTest {
  /** Titles of its suites and its own. */
  title: string[];
  state: 'passed' | 'failed' | 'pending';
  /** Of a failed test. */
  error?: { message: string; stack: string | undefined };
}

/**
 * VS Code calls this inside its extension host: runs the tests that lie beside this (bundled) file and writes a list of
 * `HostTest` to the file that BAM_HOST_RESULTS names. Rejects if a test failed.
 */
export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'bdd', timeout: 60_000, reporter: Silent });
  for (const file of readdirSync(__dirname).filter((name) => name.endsWith('.test.js'))) {
    mocha.addFile(join(__dirname, file));
  }
  const results: HostTest[] = [];
  const failures = await new Promise<number>((resolve) => collect(mocha.run(resolve), results));
  writeFileSync(process.env.BAM_HOST_RESULTS!, JSON.stringify(results));
  if (failures) throw new Error(`${failures} tests failed in the extension host`);
}

/** Console output would only reach a log of the workbench. */
class Silent extends Mocha.reporters.Base {
  override epilogue(): void {
    // Nothing: the results go to a file.
  }
}

function collect(runner: Mocha.Runner, results: HostTest[]): void {
  const add = (test: Mocha.Runnable, state: HostTest['state'], error?: Error): void => {
    const failure = error && { message: error.message, stack: error.stack };
    results.push({ title: test.titlePath(), state, error: failure });
  };
  runner.on('pass', (test) => add(test, 'passed'));
  // A hook that fails comes here too, so that it is not lost.
  runner.on('fail', (test, error: Error) => add(test, 'failed', error));
  runner.on('pending', (test) => add(test, 'pending'));
}
