/** The names of routers, and what their load is, in reports and panels. */
export const ROUTER_WORDS = {
  ffn: {
    title: 'FFN router',
    load: 'share of the tokens sent to the expert, or where all are used, of those whose largest gate is the expert’s',
  },
  attention: {
    title: 'Attention router',
    load: 'share of the tokens whose largest gate is the expert’s, or where some are chosen, of those sent to it',
  },
} as const;
