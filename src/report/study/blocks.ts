import type { StudyCurve } from './study';

/** A part of a document, before it is Markdown or HTML. */
export type Block =
  | { kind: 'text'; text: string }
  | { kind: 'list'; items: string[] }
  | { kind: 'table'; caption: string; header: string[]; rows: string[][] }
  /** Its curves over tokens and FLOPs; only where pictures can be. */
  | { kind: 'figure'; curves: StudyCurve[] }
  | { kind: 'file'; name: string; text: string };

export interface Section {
  title: string;
  blocks: Block[];
}
