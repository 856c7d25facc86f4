/** What a process is told that tries what pruning a mixture would do. All paths are absolute; the plan is that of the order. */
export interface TrialRequest {
  /** A finished mixture. */
  stage: string;
  /** An earlier stage with as many experts, for the change of router norms. */
  since?: string | undefined;
  /** Scores to compute. */
  methods: readonly ScoreMethod[];
  /** What becomes of tokens that are sent to a removed expert. */
  routing: 'zero' | 'masked';
  /** Tokens of training text on which experts are measured. */
  sample: number;
  /** Held-out tokens of each domain; as many as in the stage's own evaluations, if left out. */
  tokens?: number | undefined;
}

/** The methods that give an expert a score of its own; similarity gives it to pairs. */
export const SCORE_METHODS = ['router-norm', 'similarity', 'usage', 'activation'] as const;
export type ScoreMethod = (typeof SCORE_METHODS)[number];

/** One expert of a mixture: its scores by the methods that were asked for, and what the mixture is without it alone. */
export interface ExpertTrial {
  layer: number;
  expert: number;
  /** Change of the router row's norm. */
  routerNorm?: number;
  usage?: number;
  activation?: number;
  /** The expert of the layer whose outputs are most like its own, by linear CKA, and the same for weights. */
  outputs?: Alike;
  weights?: Alike;
  /** Mean held-out perplexity of all domains without it; `null` where the router needs it, as it chooses as many experts as there are. */
  perplexity: number | null;
}

export interface Alike {
  expert: number;
  similarity: number;
}

/** What pruning each expert of a mixture would do. */
export interface ExpertReport {
  stage: string;
  routing: 'zero' | 'masked';
  /** Mean held-out perplexity of all domains with all experts. */
  perplexity: number;
  experts: ExpertTrial[];
}
