import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** What a panel's page loads: `dist/webview/<script>.js` and the style sheet that esbuild writes beside it. */
export interface PageOptions {
  extensionUri: vscode.Uri;
  script: string;
  title: string;
}

/** The folders that a panel may load from; nothing of the workspace. */
export function pageRoots(extensionUri: vscode.Uri): vscode.Uri[] {
  return [vscode.Uri.joinPath(extensionUri, 'dist', 'webview')];
}

/**
 * The page of a panel. Scripts run by their nonce only, and there is no eval. Styles: uPlot and the toolkit set style attributes and
 * adopt sheets, so inline styles are allowed; they can't run anything.
 */
export function pageHtml(webview: vscode.Webview, { extensionUri, script, title }: PageOptions): string {
  const nonce = randomBytes(16).toString('base64');
  const address = (file: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(extensionUri, 'dist', 'webview', file)).toString();
  const policy = [
    `default-src 'none'`,
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource} 'unsafe-inline'`,
    `font-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data: blob:`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${escapeHtml(vscode.env.language)}">
  <head>
    <meta charset="utf-8" />
    <meta http-equiv="Content-Security-Policy" content="${policy}" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${escapeHtml(title)}</title>
    <link rel="stylesheet" href="${address(`${script}.css`)}" />
  </head>
  <body>
    <main id="main"></main>
    <script nonce="${nonce}" src="${address(`${script}.js`)}"></script>
  </body>
</html>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
