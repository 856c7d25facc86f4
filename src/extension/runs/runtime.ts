import * as vscode from 'vscode';
import { runProgram } from '../program';
import { requireTrust } from './trust';
import { notify } from '../notify';

interface RuntimeInfo {
  native?: { version: string; device: string; threads: number };
  installed?: { variant: string; folder: string };
  problem?: string;
}

/** What `bam runtime info` says. */
async function runtimeInfo(program: string): Promise<RuntimeInfo> {
  return JSON.parse(await runProgram({ program, args: ['runtime', 'info', '--json'] })) as RuntimeInfo;
}

/** Installs the native runtime with its progress shown; false where the user cancelled. */
export async function installRuntime(program: string, gpu: boolean): Promise<boolean> {
  const title = vscode.l10n.t('Installing native TensorFlow');
  return vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    async (progress, token) => {
      const controller = new AbortController();
      token.onCancellationRequested(() => controller.abort());
      const args = ['runtime', 'install', ...(gpu ? ['--gpu'] : [])];
      try {
        await runProgram({
          program,
          args,
          signal: controller.signal,
          onLine: (message) => progress.report({ message }),
        });
        return true;
      } catch (error) {
        if (controller.signal.aborted) return false;
        throw error;
      }
    },
  );
}

/** Asks which build of TensorFlow to install, and installs it. */
export async function chooseAndInstall(program: string): Promise<void> {
  requireTrust();
  const cpu = { label: 'CPU', description: vscode.l10n.t('about 270 MB to fetch'), gpu: false };
  const gpu = { label: 'GPU (CUDA 12)', description: vscode.l10n.t('about 3 GB to fetch'), gpu: true };
  const chosen = await vscode.window.showQuickPick([cpu, gpu], { placeHolder: vscode.l10n.t('Which build?') });
  if (!chosen || !(await installRuntime(program, chosen.gpu))) return;
  void notify.information(vscode.l10n.t('Native TensorFlow is installed.'));
}

/** Shows what experiments compute with. */
export async function showRuntime(program: string): Promise<void> {
  requireTrust();
  const { native, installed, problem } = await runtimeInfo(program);
  const lines = [
    native &&
      vscode.l10n.t('TensorFlow {0}, {1}, threads: {2}', native.version, native.device.toUpperCase(), native.threads),
    installed && vscode.l10n.t('installed in {0}', installed.folder),
    problem && vscode.l10n.t('Experiments would run on WebAssembly, 10 to 40 times slower: {0}', problem),
  ];
  void notify.information(lines.filter(Boolean).join('; '));
}

type Backend = 'auto' | 'native' | 'wasm';

/** Offers the native runtime before a first run. Returns what to compute with; `undefined` where the user does not want to run now. */
export async function offerRuntime(program: string, backend: Backend): Promise<Backend | undefined> {
  if (backend === 'wasm' || (await runtimeInfo(program)).installed) return backend;
  const install = vscode.l10n.t('Install and Run');
  const without = vscode.l10n.t('Run on WebAssembly');
  const message = vscode.l10n.t('Native TensorFlow is not installed yet. It makes training 10 to 40 times faster.');
  const detail = vscode.l10n.t(
    'About 270 MB are fetched from the Python package index through pip, once for this user.',
  );
  const choices = backend === 'native' ? [install] : [install, without];
  const chosen = await notify.information(message, { modal: true, detail }, ...choices);
  if (chosen === install) return (await installRuntime(program, false)) ? backend : undefined;
  return chosen === without ? 'wasm' : undefined;
}
