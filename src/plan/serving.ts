/** Where an FFN expert stands: layer and its column of the router, both from 0. */
export interface ExpertPlace {
  layer: number;
  expert: number;
}

/** How the next token is drawn from its probabilities. */
export interface Sampling {
  /** 0 takes the most probable token (greedy); else logits are divided by it. */
  temperature: number;
  /** Only the k most probable tokens can be drawn. */
  topK?: number | undefined;
  /** Only the most probable tokens whose probabilities together reach this share can be drawn. */
  topP?: number | undefined;
  seed: number;
}

/** What a person changes of a mixture's routing, to see what it does. */
export interface RoutingChange {
  /** Experts that no token is sent to. */
  off?: ExpertPlace[];
  /** In these layers every token is sent to this expert alone, with a gate of 1. At most one a layer. */
  force?: ExpertPlace[];
}

/** Which model a request is for. All paths are absolute. */
export interface ServedCheckpoint {
  /** Folder of a checkpoint, `.../checkpoints/step-N`. */
  checkpoint: string;
  /**
   * What it was trained with: `bytes`, or a path relative to `folder`, whose content then has to have the `fingerprint`, if that is given. Absent:
   * as the checkpoint says, relative to its own folder.
   */
  tokenizer?: { name: string; folder: string; fingerprint?: string };
  /** Names of the FFN router's columns, in their order; attention experts have those of the FFN experts. Numbers where they are left out. */
  expertNames?: string[];
}

/** What a serving process is asked for. */
export interface GenerateRequest extends ServedCheckpoint {
  /** Names the request in what comes back. */
  id: number;
  prompt: string;
  /** New tokens at most; 0 only reads the prompt and says how it was routed, and how probable it is. */
  tokens: number;
  sampling: Sampling;
  /** Text that ends the continuation; it is not part of it. */
  stop?: string[];
  routing?: RoutingChange;
}

/** What a text of any length is asked for: how probable it is, in windows of the context. */
export interface PerplexityRequest extends ServedCheckpoint {
  id: number;
  text: string;
  routing?: RoutingChange;
}

/** One token of the prompt or of its continuation. */
export interface ServedToken {
  /** From 0, prompt first. */
  position: number;
  id: number;
  /** What the token adds to the text; empty while a character is not complete. */
  text: string;
  isPrompt: boolean;
  /** Natural logarithm of its probability given what stands before it, without temperature; none for the first token. */
  logProbability?: number;
  /** FFN experts that computed it, by layer, the largest gate first; empty in dense layers. */
  ffn: { expert: number; gate: number }[][];
  /** Weights of the attention experts, by layer; empty where there is one. */
  attention: number[][];
}

/** What a checkpoint is, for whoever shows its tokens. */
export interface ServedModel {
  /** Stage, and how many steps it was trained. */
  stage: string;
  step: number;
  layers: number;
  /** Names of the FFN router's columns, in their order; removed experts and zero-computation ones included. Empty in a dense model. */
  ffnExperts: { name: string; kind: 'ffn' | 'constant' | 'copy' | 'zero' }[];
  /** Removed experts, which no token can be sent to. */
  removed: ExpertPlace[];
  attentionExperts: string[];
  parameters: number;
  /** Longest sequence, prompt and continuation together. */
  context: number;
}

/** What a serving process sends back; tokens come one by one, as they are there. */
export type ServingMessage =
  | { type: 'model'; id: number; model: ServedModel }
  | { type: 'token'; id: number; token: ServedToken }
  /** Of a text whose perplexity is asked for: how many of its tokens were read. */
  | { type: 'progress'; id: number; done: number; total: number }
  /** `perplexity` is that of the prompt or of the text; none where it has one token. */
  | { type: 'done'; id: number; reason: 'length' | 'stop' | 'stopped'; seconds: number; perplexity?: number }
  | { type: 'failed'; id: number; message: string };

/** What a serving process is told: a request (they are answered one after the other), or the id of one to give up. */
export type ServingCommand =
  | { type: 'generate'; request: GenerateRequest }
  | { type: 'perplexity'; request: PerplexityRequest }
  | { type: 'stop'; id: number };
