import { formatMeasure } from '../../src/base/format';
import type { Model, Token } from '../../src/messages/explorer';
import { element } from '../shared/dom';
import { heatStyle, type Palette } from './expert-colors';
import { formatShare } from './shares';
import { quoted } from './token-text';

/** Names of more experts than this would make a table too wide: it has their numbers. */
const MAXIMUM_NAMES = 4;

/** A token, and what stands in its place in the answer that it is compared with, where that differs. */
export interface Detailed {
  token: Token;
  model: Model;
  other: { name: string; token: Token } | undefined;
}

/** All that is known of one token. */
export class Details {
  readonly root = element('section', { class: 'details', 'aria-label': 'Token' });
  private drawn: readonly unknown[] = [];

  /** Shows a token, or what to do to see one. What is shown already stays, with its focus. */
  show(detailed: Detailed | undefined, palette: Palette): void {
    const next = [detailed?.token, detailed?.other?.token, palette];
    if (this.drawn.length && next.every((value, i) => value === this.drawn[i])) return;
    this.drawn = next;
    const content = detailed ? describe(detailed, palette) : [hint()];
    this.root.replaceChildren(element('h2', {}, 'Token'), ...content);
  }
}

function hint(): HTMLElement {
  const text = 'Point at a token, or move to one with Tab and the arrow keys, to see how it was routed.';
  return element('p', { class: 'small' }, text);
}

function describe({ token, model, other }: Detailed, palette: Palette): HTMLElement[] {
  const { id, position, isPrompt, text } = token;
  const place = `id ${id}, position ${position}, ${isPrompt ? 'prompt' : 'continuation'}`;
  const { ffnExperts, attentionExperts } = model;
  const ffn = token.ffn.map((chosen) => weightsOf(chosen, ffnExperts.length));
  return [
    element('p', { class: 'token-text' }, quoted(text)),
    element('p', { class: 'small' }, place),
    facts(token, other),
    heatTable({ title: 'FFN experts: gates', names: ffnExperts.map(({ name }) => name), rows: ffn }, palette),
    heatTable({ title: 'Attention experts: weights', names: attentionExperts, rows: token.attention }, palette),
  ].filter((part) => part !== undefined);
}

/** A gate for each column of the router; `undefined` for experts that did not compute the token. */
function weightsOf(chosen: Token['ffn'][number], experts: number): (number | undefined)[] {
  if (!chosen.length) return [];
  return Array.from({ length: experts }, (_, i) => chosen.find(({ expert }) => expert === i)?.gate);
}

function facts({ logProbability }: Token, other: Detailed['other']): HTMLElement {
  const pairs: [string, string][] =
    logProbability === undefined
      ? [['probability', 'none: nothing stands before it']]
      : [
          ['probability', formatShare(Math.exp(logProbability))],
          ['log-probability', logProbability.toFixed(3).replace('-', '−')],
          ['perplexity', formatMeasure(Math.exp(-logProbability))],
        ];
  if (other) pairs.push([`in ${other.name}`, quoted(other.token.text)]);
  const lines = pairs.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]);
  return element('dl', {}, ...lines);
}

interface Heat {
  title: string;
  names: readonly string[];
  /** A row a layer; empty where the layer has one expert only. */
  rows: readonly (readonly (number | undefined)[])[];
}

/** Weights by layer and expert; nothing where no layer has several experts. */
function heatTable({ title, names, rows }: Heat, palette: Palette): HTMLElement | undefined {
  const layers = rows.flatMap((weights, layer) => (weights.length ? [{ layer, weights }] : []));
  if (!layers.length) return undefined;
  const columns = layers[0]!.weights.map((_, i) => names[i] ?? String(i));
  const isNarrow = columns.length > MAXIMUM_NAMES;
  const head = columns.map((name, i) => element('th', { scope: 'col', title: name }, isNarrow ? String(i) : name));
  const body = layers.map(({ layer, weights }) =>
    element('tr', {}, element('th', { scope: 'row' }, `layer ${layer}`), ...weights.map((one) => cell(one, palette))),
  );
  const caption = element('caption', {}, title);
  const top = element('thead', {}, element('tr', {}, element('td'), ...head));
  const table = element('table', { class: 'heat' }, caption, top, element('tbody', {}, ...body));
  return element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title }, table);
}

function cell(weight: number | undefined, palette: Palette): HTMLElement {
  const made = element('td', {}, weight === undefined ? '' : weight.toFixed(2));
  if (weight !== undefined) Object.assign(made.style, heatStyle(palette, weight));
  return made;
}
