import * as vscode from 'vscode';
import { explainError } from '../../base/errors';
import { log } from '../log';
import type { CommandArgument } from '../runs/targets';
import { notify } from '../notify';

/**
 * Registers a command whose failure becomes a message with its advice, and a line in the log. The tree gives the selected nodes as a
 * second argument; `work` then gets all of them.
 */
export function registerCommand(
  command: string,
  work: (argument: CommandArgument, all: readonly CommandArgument[]) => unknown,
): vscode.Disposable {
  return vscode.commands.registerCommand(command, async (...given: unknown[]) => {
    const [first, second] = given as [CommandArgument, CommandArgument | CommandArgument[]];
    const all = Array.isArray(second) ? second : [first, second].filter((argument) => argument !== undefined);
    try {
      return await work(first, all);
    } catch (error) {
      log.error(error instanceof Error ? error : String(error));
      const message = explainError(error).split('\n    at ')[0]!;
      void notify.error(message.replace(/^Error: /, ''));
      return undefined;
    }
  });
}
