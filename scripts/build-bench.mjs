// Bundles our side of bench/train as the programs are bundled: the compiler of sources would count into its memory and its start.
import { build } from 'esbuild';
import { external, node } from './build-options.mjs';

const outfile = 'node_modules/.cache/bench-train.js';
await build({ ...node, external, entryPoints: ['bench/train/ours.ts'], outfile });
