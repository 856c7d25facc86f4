import * as fc from 'fast-check';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepJson } from '../../../src/base/files';
import { EventLog, readLog } from '../../../src/events/log';
import type { EventBody, Routing } from '../../../src/events/event';
import { stagesNamed } from '../../../src/launch/run';
import { stageCheckpoint } from '../../../src/launch/stage-checkpoint';
import { namedExperts } from '../../../src/plan/expert-names';
import { readLaterEvaluation, readResult } from '../../../src/plan/result';
import { compareRuns } from '../../../src/report/compare';
import { collectComparison } from '../../../src/report/comparison-view';
import { collectReport } from '../../../src/report/collect';
import { renderReport } from '../../../src/report/page';
import { parseQuery } from '../../../src/report/run-table/query';
import { ConfigKeys } from '../../../src/report/run-table/config-key';
import { collectRunView } from '../../../src/report/run-view';
import { writeStudy } from '../../../src/report/study/formats';
import { collectStudy } from '../../../src/report/study/study';
import { readAnnotations } from '../../../src/store/annotations';
import { Database } from '../../../src/store/database';
import { ingestAll } from '../../../src/store/ingest';
import { Workspace } from '../../../src/store/layout';
import { readPlan } from '../../../src/store/plan';
import { queryRunTable } from '../../../src/store/run-table';
import { prepareSchema } from '../../../src/store/schema';
import { queryTrainedStages } from '../../../src/store/trained-stages';
import { planOf } from '../../unit/report/study/support';
import { run as tableRun, stage as tableStage } from '../../unit/report/run-table-support';
import * as made from '../../unit/store/synthetic';
import { editedDocuments, editedJson, jsonText } from '../json-edits';
import type { Target } from '../target';
import { Folder } from './folder';

const RUN = 'x-20261124-171530-a1b2';

const router = (load: number[], more: Partial<Routing> = {}): Routing => ({
  ...{ layer: 0, router: 'ffn', load, meanGate: load, entropy: 0.6, maxViolation: 0.2, deadExperts: 0 },
  ...more,
});

function bodies(): EventBody[] {
  const names = ['seed', 'law', 'bam', 'dense', 'btx'];
  const result = made.evaluation(
    100,
    { general: 6, law: 3 },
    { law: [router([1, 0], { coActivation: [0.5], saturation: 1 })] },
  );
  return [
    made.runStarted(RUN, names),
    { type: 'run.queued', device: 'cpu', ahead: 1 },
    made.stageStarted('seed'),
    { type: 'stage.preparing', stage: 'seed', what: 'packing', done: 1, total: 2 },
    made.step('seed', 10, 5, [router([0.5, 0.5])]),
    made.evaluated('seed', 50, { general: 8, law: 4 }),
    { type: 'checkpoint', stage: 'seed', step: 50, folder: 'stages/key-seed/checkpoints/step-000000050', best: true },
    made.stageFinished('seed', result),
    { type: 'stage.cached', stage: 'law', key: 'key-law', fromRun: RUN, evaluation: result },
    { type: 'stage.failed', stage: 'bam', reason: 'not-finite', message: 'loss is NaN' },
    { type: 'stage.stopped', stage: 'dense', step: 3 },
    { type: 'note', level: 'warning', message: 'something' },
    { type: 'run.resumed', version: '0.1.0' },
    { type: 'run.ended', state: 'stopped', seconds: 3 },
  ];
}

const EVENTS = made.eventLines(bodies());
const EVENT_VALUES = EVENTS.trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as unknown);
const PLAN = { ...planOf('seeds: [1, 2]'), name: 'x', seed: 1, backend: 'auto', folder: '/' };

function eventsTarget(): Target {
  const folder = new Folder();
  const asLines = editedDocuments([EVENT_VALUES]).map((events) =>
    Buffer.from(Array.isArray(events) ? `${events.map(jsonText).join('\n')}\n` : jsonText(events)),
  );
  return {
    name: 'event log',
    corpus: [Buffer.from(EVENTS), ...EVENTS.split('\n').map((line) => Buffer.from(`${line}\n`))],
    structured: asLines,
    run(input) {
      const path = folder.write('events.ndjson', input);
      const whole = readLog(path);
      let inParts = 0;
      for (let offset = 0, before = -1; offset !== before;) {
        before = offset;
        const part = readLog(path, offset, 3);
        inParts += part.events.length;
        offset = part.offset;
      }
      if (inParts !== whole.events.length)
        throw new Error(`${inParts} events in parts, ${whole.events.length} at once`);
      const { log } = EventLog.open(path);
      log.append({ type: 'note', level: 'info', message: 'on' });
      log.close();
      const after = readLog(path).events;
      if (after.length !== whole.events.length + 1) throw new Error('a note behind a broken log was lost');
    },
  };
}

function runFolder(folder: Folder): Workspace {
  const workspace = new Workspace(folder.path);
  mkdirSync(workspace.runFolder(RUN), { recursive: true });
  return workspace;
}

function planTarget(): Target {
  const workspace = runFolder(new Folder());
  return {
    name: 'plan.json',
    corpus: [Buffer.from(JSON.stringify(PLAN))],
    structured: editedJson([PLAN]),
    run(input) {
      writeFileSync(workspace.planFile(RUN), input);
      new ConfigKeys(workspace).of(RUN);
      const plan = readPlan(workspace, RUN);
      if (!plan) return;
      for (const { name } of plan.stages) namedExperts(plan, name);
      stagesNamed(plan, [plan.stages[0]?.name ?? 'seed']);
      stageCheckpoint(workspace, RUN, plan.stages.at(-1)?.name ?? 'seed');
    },
  };
}

function annotationsTarget(): Target {
  const workspace = runFolder(new Folder());
  const annotations = { title: 'a title', starred: true, tags: ['one', 'two'], note: 'a note', archived: false };
  return {
    name: 'annotations.json',
    corpus: [Buffer.from(JSON.stringify(annotations)), Buffer.from('{}')],
    structured: editedJson([annotations]),
    run(input) {
      writeFileSync(workspace.annotationsFile(RUN), input);
      const { tags, title } = readAnnotations(workspace, RUN);
      [...tags, title ?? ''].forEach((text) => text.length);
    },
  };
}

function resultTarget(): Target {
  const folder = new Folder();
  const evaluation = made.evaluation(100, { law: 3 }, { law: [router([1, 0])] });
  const result = { key: 'k', run: RUN, step: 100, seconds: 4, engine: 'wasm', evaluation };
  const later = { key: 'k', time: made.START, engine: 'wasm', evaluation };
  return {
    name: 'result.json, evaluation.json',
    corpus: [result, later].map((value) => Buffer.from(JSON.stringify(value))),
    structured: editedJson([result, later]),
    run(input) {
      folder.write('k/result.json', input);
      folder.write('k/evaluation.json', input);
      const found = [readResult(folder.path, 'k'), readLaterEvaluation(folder.path, 'k')];
      for (const one of found) one?.evaluation.averagePerplexity.toFixed(1);
    },
  };
}

const ROWS = [
  tableRun('a', {
    stages: [tableStage('bam@seed=1,batch=8', 5, { law: 4 }), tableStage('seed', 9, { law: 8 })],
    tags: ['best'],
  }),
  tableRun('b', { stages: [tableStage('bam', null)], title: 'the "second" one', state: 'failed', note: 'note' }),
];
const QUERIES = [
  'stage:bam avg<5 -tag:best',
  'bam.law<=4 started>2026-11-01 duration<2h "the second"',
  'state:fail* seed=1 best>=1e3 -archived',
  'id:a*b*c commit:0a1b title:* stages>1 started=2026-11-01T17:15 bam@batch=8.avg<10',
];

function queryTarget(): Target {
  const words = QUERIES.flatMap((query) => query.split(/(?<=[ :=<>*.-])/));
  const pieces = fc.oneof(
    fc.constantFrom(...words),
    fc.constantFrom('"', '*', '**********', '-', ':', '<=', '>', '.', '@', ' '),
    fc.string({ unit: 'binary', maxLength: 8 }),
  );
  return {
    name: 'query of the run table',
    corpus: QUERIES.map((query) => Buffer.from(query)),
    structured: fc.array(pieces, { maxLength: 40 }).map((parts) => Buffer.from(parts.join(''))),
    run(input) {
      const query = parseQuery(input.toString('utf8'), ROWS);
      ROWS.forEach((row) => query.matches(row));
    },
  };
}

/** All files of a run at once, through the index, into everything that views show. */
function runTarget(): Target {
  const folder = new Folder();
  const workspace = runFolder(folder);
  const evaluation = {
    key: 'key-seed',
    time: made.START,
    engine: 'wasm',
    evaluation: made.evaluation(100, { law: 3 }),
  };
  const whole = {
    plan: PLAN,
    events: EVENT_VALUES,
    annotations: { title: 'a title', tags: ['x'] },
    evaluation,
    file: 'name: x\n',
  };
  const named = (stage: Record<string, unknown>, i: number): unknown => ({
    ...stage,
    name: ['seed', 'law', 'bam', 'dense', 'btx'][i],
  });
  const matching = {
    ...whole,
    plan: { ...PLAN, stages: (PLAN.stages as unknown as Record<string, unknown>[]).slice(0, 5).map(named) },
  };
  return {
    name: 'files of a run, into all views',
    corpus: [Buffer.from(JSON.stringify(whole)), Buffer.from(JSON.stringify(matching))],
    structured: editedJson([whole, matching]),
    async run(input) {
      let files: Record<string, unknown>;
      try {
        files = JSON.parse(input.toString()) as Record<string, unknown>;
      } catch {
        return;
      }
      // The other targets have what is too deep to be taken apart here.
      if (typeof files !== 'object' || files === null || isDeepJson(input.toString())) return;
      const { plan, events, annotations, evaluation, file } = files;
      const lines = Array.isArray(events) ? events.map((event) => JSON.stringify(event)) : [];
      writeFileSync(workspace.eventsFile(RUN), `${lines.join('\n')}\n`);
      writeFileSync(workspace.planFile(RUN), JSON.stringify(plan) ?? '');
      writeFileSync(workspace.annotationsFile(RUN), JSON.stringify(annotations) ?? '');
      writeFileSync(workspace.experimentFile(RUN), typeof file === 'string' ? file : (JSON.stringify(file) ?? ''));
      folder.write(join('.bam', 'stages', 'key-seed', 'evaluation.json'), JSON.stringify(evaluation) ?? '');
      const index = await Database.open(':memory:');
      try {
        await prepareSchema(index, ':memory:');
        await ingestAll(workspace, index);
        await views(workspace, index);
      } finally {
        await index.close();
      }
    },
    short: 60,
  };
}

async function views(workspace: Workspace, index: Database): Promise<void> {
  const rows = await queryRunTable(workspace, index);
  parseQuery('stage:bam avg<5', rows);
  await queryTrainedStages(workspace, index);
  await collectRunView(workspace, index, RUN);
  renderReport(await collectReport(workspace, index, RUN));
  await compareRuns(workspace, index, [RUN, RUN]);
  await collectComparison(workspace, index, [RUN, RUN]);
  const study = await collectStudy(workspace, index, [RUN]);
  for (const format of ['html', 'md', 'csv', 'json'] as const) writeStudy(study, format);
}

export function storeTargets(): Target[] {
  return [eventsTarget(), planTarget(), annotationsTarget(), resultTarget(), queryTarget(), runTarget()];
}
