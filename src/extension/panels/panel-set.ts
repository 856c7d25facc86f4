import * as vscode from 'vscode';
import { pageHtml, pageRoots } from './page';

/** Panels of one kind, each of which shows one target. */
export interface PanelKind<Target, Server extends vscode.Disposable> {
  viewType: string;
  script: string;
  /** What a page kept of its target, so that it opens again after a reload of the window; `undefined` if it cannot be used. */
  readTarget: (state: unknown) => Target | undefined;
  /** The same text for the same target, which has one panel. */
  keyOf: (target: Target) => string;
  titleOf: (target: Target) => string;
  /** Starts to serve a page. */
  serve: (panel: vscode.WebviewPanel, target: Target) => Server;
}

/** The open panels of one kind. A hidden page is unloaded; when it is shown again it asks anew, and gets all anew. */
export class PanelSet<Target, Server extends vscode.Disposable> implements vscode.Disposable {
  private readonly panels = new Map<string, { panel: vscode.WebviewPanel; server: Server }>();
  private readonly serializer: vscode.Disposable;

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly kind: PanelKind<Target, Server>,
  ) {
    this.serializer = vscode.window.registerWebviewPanelSerializer(kind.viewType, {
      deserializeWebviewPanel: async (panel, state) => this.restore(panel, state),
    });
  }

  /** Opens or reveals the panel of a target, and returns what serves it. */
  show(target: Target): Server {
    const open = this.panels.get(this.kind.keyOf(target));
    if (!open)
      return this.add(vscode.window.createWebviewPanel(this.kind.viewType, '', vscode.ViewColumn.Active), target);
    open.panel.reveal();
    return open.server;
  }

  dispose(): void {
    this.serializer.dispose();
    for (const { panel } of this.panels.values()) panel.dispose();
  }

  private restore(panel: vscode.WebviewPanel, state: unknown): void {
    const target = this.kind.readTarget(state);
    if (target === undefined) panel.dispose();
    else this.add(panel, target);
  }

  private add(panel: vscode.WebviewPanel, target: Target): Server {
    const { extensionUri } = this;
    const { keyOf, titleOf, serve, script } = this.kind;
    const key = keyOf(target);
    this.panels.get(key)?.panel.dispose();
    const server = serve(panel, target);
    this.panels.set(key, { panel, server });
    panel.onDidDispose(() => {
      server.dispose();
      if (this.panels.get(key)?.panel === panel) this.panels.delete(key);
    });
    const title = titleOf(target);
    panel.title = title;
    panel.webview.options = { enableScripts: true, localResourceRoots: pageRoots(extensionUri) };
    panel.webview.html = pageHtml(panel.webview, { extensionUri, script, title });
    return server;
  }
}
