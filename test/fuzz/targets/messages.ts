import * as fc from 'fast-check';
import { deserialize, serialize } from 'node:v8';
import {
  comparisonMessage,
  comparisonRequest,
  dashboardMessage,
  dashboardRequest,
  type Run,
  type Stage,
  STEP_COLUMNS,
  tableMessage,
  tableRequest,
} from '../../../src/messages/contract';
import { explorerMessage, explorerRequest, type Token } from '../../../src/messages/explorer';
import { ServingSession } from '../../../src/extension/panels/serving-session';
import { AVERAGE, curvesOf, domainsOf, resultLines, stagesOf } from '../../../webview/compare/model';
import { placeStages } from '../../../webview/dashboard/graph-layout';
import { currentStages, partDone } from '../../../webview/dashboard/progress';
import { resultNumbers } from '../../../webview/dashboard/result-numbers';
import { groupsOf, joinedStage } from '../../../webview/dashboard/stage-groups';
import { type Answer, progressOf, take } from '../../../webview/explorer/answers';
import { differences, loadsOf, perplexityOf, sharesOf } from '../../../webview/explorer/routing';
import { piecesOf } from '../../../webview/explorer/token-text';
import { columnCharacters } from '../../../webview/run-table/model';
import { PointStore } from '../../../webview/shared/stage-data';
import { editedDocuments, jsonText } from '../json-edits';
import type { Target } from '../target';

const result = { average: 5, pooledLoss: 1.5, perplexity: { law: 5 }, accuracy: { quiz: 0.5 } };
const stage = (name: string, parents: string[] = []): Stage => ({
  ...{ name, state: 'finished', parents, method: 'train', step: 10, steps: 100, secondsLeft: 3, ...result },
  ...{
    later: { ...result, tokens: 100 },
    experts: ['seed', 'law'],
    zeroComputation: 1,
    totalParameters: 10,
    activeParameters: 5,
    detail: null,
  },
});
const run: Run = {
  ...{
    id: 'r',
    title: 'a run',
    experiment: 'x',
    state: 'running',
    seed: 1,
    started: 1e12,
    seconds: 4,
    message: null,
    domains: ['law'],
  },
  stages: [stage('seed'), stage('law@seed=1', ['seed']), stage('bam', ['seed', 'law@seed=1'])],
  alerts: [{ level: 'warning', stage: 'seed', message: 'look' }],
};
const evaluation = { step: 1, tokens: 10, flops: 20, average: 5, perplexity: { law: 5 } };
const router = { layer: 0, router: 'ffn', load: [1, 0], meanGate: [1, 0], entropy: 0, maxViolation: 1, deadExperts: 1 };
const numbers = (values: number[]): unknown => ({ '@@numbers@@': values });
const points = {
  ...{ type: 'points', run: 'r', stage: 'bam', isFirst: true },
  steps: Object.fromEntries(STEP_COLUMNS.map((column) => [column, numbers([1, 2])])),
  evaluations: [evaluation],
  routing: [{ step: 1, domain: null, routers: [router] }],
};
const view = {
  query: 'stage:bam',
  columns: ['run'],
  frozen: 1,
  sort: { column: 'started', descending: true },
  grouped: true,
  baseline: null,
};
const row = { runs: ['r'], title: 'r', starred: false, isBaseline: true, cells: ['a'], differences: [''] };
const checkpoint = { run: 'r', stage: 'bam', step: 3 };
const asked = {
  ...{ checkpoint, prompt: 'once', tokens: 5, sampling: { temperature: 1, topK: 3, topP: 0.5, seed: 1 }, stop: ['.'] },
  routing: { off: [{ layer: 0, expert: 1 }], force: [{ layer: 1, expert: 0 }] },
};
const token: Token = {
  position: 0,
  id: 5,
  text: 'a\n',
  isPrompt: true,
  logProbability: -1,
  ffn: [[{ expert: 0, gate: 1 }], []],
  attention: [[0.5, 0.5]],
};
const model = {
  ...{
    stage: 'bam',
    step: 3,
    layers: 2,
    ffnExperts: [{ name: 'seed', kind: 'ffn' }],
    removed: [{ layer: 0, expert: 1 }],
  },
  ...{ attentionExperts: ['seed'], parameters: 100, context: 8 },
};

const MESSAGES: unknown[] = [
  { type: 'run', root: '/work', run },
  points,
  { type: 'show', stage: 'bam' },
  { type: 'gone', message: 'gone' },
  { type: 'ready' },
  { type: 'open', run: 'r', stage: 'bam' },
  { type: 'save', fileName: 'x.csv', kind: 'csv', content: 'a,b' },
  { type: 'command', command: 'stop' },
  {
    ...{
      type: 'comparison',
      root: '/work',
      runs: [run, run],
      differences: [{ from: 'run', key: 'seed', values: ['1', null] }],
    },
    curves: [{ run: 'r', stage: 'bam', evaluations: [{ ...evaluation, seconds: 3 }] }],
  },
  {
    ...{ type: 'table', root: '/work', view, rows: [row], total: 1, queryProblem: null },
    columns: [{ id: 'run', label: 'run', isNumber: false, isShown: true }],
  },
  { type: 'export', kind: 'md' },
  { type: 'view', view },
  { type: 'dashboard', run: 'r' },
  { type: 'compare', runs: ['r', 's'] },
  { type: 'star', run: 'r', starred: true },
  {
    type: 'explorer',
    root: '/work',
    shown: { ...checkpoint, title: 'r' },
    others: [],
    domains: ['law'],
    isTrusted: true,
  },
  { type: 'model', id: 1, model },
  { type: 'tokens', id: 1, tokens: [token] },
  { type: 'done', id: 1, reason: 'length', seconds: 1, perplexity: 4 },
  { type: 'failed', id: 1, message: 'no' },
  { type: 'forgotten', id: 1 },
  { type: 'texts', texts: [{ domain: 'law', text: 'a text' }], problems: ['none'] },
  { type: 'generate', id: 1, asked, isKept: true },
  { type: 'stop', id: 1 },
  { type: 'recall', ids: [1] },
];

/** What the pages make of a message, as far as no document is needed. */
function show(message: unknown): void {
  const dashboard = dashboardMessage.safeParse(message);
  if (dashboard.success && dashboard.data.type === 'run') {
    const shown = dashboard.data.run;
    placeStages(shown.stages);
    for (const joinsSeeds of [true, false]) {
      const groups = groupsOf(shown.stages, joinsSeeds);
      groups.forEach(joinedStage);
      resultNumbers(groups, shown.domains, ({ later }) => later);
    }
    currentStages(shown);
    partDone(shown);
  }
  if (dashboard.success && dashboard.data.type === 'points') {
    const store = new PointStore();
    store.add(dashboard.data);
    const data = store.of(dashboard.data.run, dashboard.data.stage);
    data.routing(null);
    void data.evaluations;
  }
  const comparison = comparisonMessage.safeParse(message);
  if (comparison.success && comparison.data.type === 'comparison') {
    const { data } = comparison;
    resultLines(data, true);
    for (const group of stagesOf(data))
      for (const domain of [AVERAGE, ...domainsOf(data)]) curvesOf(data, group, domain, 'time');
  }
  const table = tableMessage.safeParse(message);
  if (table.success && table.data.type === 'table') columnCharacters(table.data);
  const explorer = explorerMessage.safeParse(message);
  if (!explorer.success || !('id' in explorer.data)) return;
  const answer: Answer = { id: explorer.data.id, side: 'shown', asked: asked, tokens: [] };
  take(answer, explorer.data);
  progressOf(answer);
  for (const one of answer.tokens) [sharesOf(one, 0), sharesOf(one, 'all'), piecesOf(one.text)].forEach(String);
  loadsOf(answer.tokens, 'all', 2);
  perplexityOf(answer.tokens);
  differences(answer.tokens, [token]);
}

/** What the extension makes of a request, as far as no editor is needed. */
function answer(message: unknown): void {
  for (const schema of [dashboardRequest, comparisonRequest, tableRequest]) schema.safeParse(message);
  const request = explorerRequest.safeParse(message);
  if (!request.success) return;
  const session = new ServingSession(
    () => ({ send: (command) => void JSON.stringify(command), end: () => undefined }),
    () => undefined,
  );
  const { data } = request;
  if (data.type === 'generate') {
    const { checkpoint: _, ...rest } = data.asked;
    session.generate({ id: data.id, ...rest, checkpoint: '/c' }, data.isKept);
  } else if (data.type === 'stop') session.stop(data.id);
  else if (data.type === 'recall') data.ids.forEach((id) => session.recall(id));
  session.dispose();
}

/** Columns of numbers travel as such; in the text of an input they are marked. */
function revive(_key: string, value: unknown): unknown {
  const isMarked = typeof value === 'object' && value !== null && '@@numbers@@' in value;
  const list = isMarked ? value['@@numbers@@'] : undefined;
  return Array.isArray(list) ? Float64Array.from(list.map(Number)) : value;
}

export function messagesTarget(): Target {
  const edited = editedDocuments(MESSAGES);
  return {
    name: 'messages of panels',
    corpus: MESSAGES.map((message) => Buffer.from(JSON.stringify(message))),
    structured: fc.oneof(
      edited.map((message) => Buffer.from(jsonText(message))),
      fc.jsonValue({ maxDepth: 4 }).map((value) => Buffer.from(JSON.stringify(value))),
    ),
    run(input) {
      let message: unknown;
      try {
        message = JSON.parse(input.toString(), revive);
      } catch {
        return;
      }
      // As it arrives behind the boundary between two processes.
      const arrived = deserialize(serialize(message)) as unknown;
      show(arrived);
      answer(arrived);
    },
  };
}
