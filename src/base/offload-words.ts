/** How an expert's weights are stored, from the most exact. */
export const PRECISIONS = ['float32', 'float16', 'int8', 'int4'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** The bits of one weight, scales not counted. */
export const BITS: Record<Precision, number> = { float32: 32, float16: 16, int8: 8, int4: 4 };

/** The ways to choose which expert leaves memory: HOBBIT's (arXiv 2411.01433), and three that it is compared with. */
export const CACHE_POLICIES = ['hobbit', 'lru', 'lfu', 'on-demand'] as const;
export type CachePolicyName = (typeof CACHE_POLICIES)[number];
