import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import * as vscode from 'vscode';

/** What the extension costs the extension host, in milliseconds. */
export interface HostTimes {
  /** From the request to activate it to its end, its code loaded on the way. */
  activation: number;
  /** Longest stretch in which nothing else could run: before the extension, and while it does each of these. */
  blocked: Record<string, number>;
}

/** Runs inside the extension host: activates the extension, then lets it read and show a large workspace. */
export async function run(): Promise<void> {
  const blocked: Record<string, number> = { nothing: await longestBlock(() => setTimeout(3000)) };
  const begin = performance.now();
  await vscode.extensions.getExtension('bam-studio.bam-studio')!.activate();
  const activation = performance.now() - begin;
  const root = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
  const open = (command: string, ...rest: unknown[]) => vscode.commands.executeCommand(command, ...rest);
  blocked['first look at all runs'] = await longestBlock(() => setTimeout(15_000));
  blocked['sidebar'] = await longestBlock(async () => {
    await open('bam.runs.focus');
    await setTimeout(4000);
  });
  blocked['dashboard of 50,000 steps'] = await longestBlock(async () => {
    await open('bam.openDashboard', { root, run: 'large-1' });
    await setTimeout(15_000);
  });
  blocked['run table'] = await longestBlock(async () => {
    await open('bam.openRunTable');
    await setTimeout(6000);
  });
  const times: HostTimes = { activation: round(activation), blocked };
  writeFileSync(process.env.BAM_HOST_RESULTS!, JSON.stringify(times));
}

async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return round(delay.max / 1e6);
}

function round(milliseconds: number): number {
  return +milliseconds.toFixed(1);
}
