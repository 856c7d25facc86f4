import * as z from 'zod';

// zod compiles its checks with `new Function` where it may, which the page's content security policy forbids.
z.config({ jitless: true });

interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): VsCodeApi;

/** The extension, as a panel sees it. */
export interface Host<Request> {
  send(request: Request): void;
  /** What the panel kept for when it is shown again; `undefined` at first. */
  state(): unknown;
  keep(state: unknown): void;
}

/** Connects a panel: checks every message that comes in, and asks for the first. A message of another shape is told in the console. */
export function connect<Message, Request extends { type: string }>(
  schema: z.ZodType<Message>,
  receive: (message: Message) => void,
): Host<Request | { type: 'ready' }> {
  const api = acquireVsCodeApi();
  window.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    const parsed = schema.safeParse(data);
    if (parsed.success) receive(parsed.data);
    else console.error('A message from the extension has another shape than expected:', parsed.error.message);
  });
  return {
    send: (request) => api.postMessage(request),
    state: () => api.getState(),
    keep: (state) => api.setState(state),
  };
}
