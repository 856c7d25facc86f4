import assert from 'node:assert/strict';
import { mkdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import type { EventBody, Routing } from '../../../src/events/event';
import { PointFeed, type Query, RunFeed } from '../../../src/extension/panels/feed';
import { type DashboardMessage, dashboardMessage, type Points } from '../../../src/messages/contract';
import { writeLaterEvaluation } from '../../../src/plan/result';
import { withIndex } from '../../../src/store/index';
import type { Workspace } from '../../../src/store/layout';
import {
  evaluated,
  evaluation,
  RUN_FINISHED,
  runStarted,
  stageFinished,
  stageStarted,
  step,
  withWorkspace,
  writeEvents,
} from '../store/synthetic';

const RUN = 'law-math-20261124-171530-aaaa';

async function take<T>(news: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of news) all.push(one);
  return all;
}

function queryOf(workspace: Workspace): Query {
  return async (work) => (await withIndex(workspace, work)).value;
}

function steps(stage: string, from: number, to: number, routing: Routing[] = []): EventBody[] {
  return Array.from({ length: to - from + 1 }, (_, i) => step(stage, from + i, 5 - i / 1e4, routing));
}

const shapes = (messages: DashboardMessage[]): unknown[] =>
  messages.map((message) =>
    message.type === 'points' ? [message.stage, message.isFirst, message.steps.step.length] : message.type,
  );

const router = (load: number[]): Routing => {
  const deadExperts = load.filter((share) => share === 0).length;
  return { layer: 0, router: 'ffn', load, meanGate: load, entropy: 0.5, maxViolation: 0.2, deadExperts };
};

describe('what a dashboard is sent', () => {
  it('sends a run and its points in pages, then only what is new, all in the shape of the contract', async () => {
    await withWorkspace(async (workspace) => {
      const feed = new RunFeed(workspace, queryOf(workspace), RUN);
      const first = [runStarted(RUN, ['seed']), stageStarted('seed', 0, 5000), ...steps('seed', 1, 4500)];
      writeEvents(workspace, RUN, first);
      const sent = await take(feed.news());
      assert.deepEqual(shapes(sent), [
        'run',
        ['seed', true, 500],
        ...Array.from({ length: 8 }, () => ['seed', false, 500]),
      ]);
      for (const message of sent) assert.ok(dashboardMessage.safeParse(message).success, message.type);
      const { loss } = (sent[1] as Points).steps;
      assert.ok(loss instanceof Float64Array && loss[0] === 5);

      assert.deepEqual(await take(feed.news()), [], 'nothing is new');

      writeEvents(workspace, RUN, [...steps('seed', 4501, 4502), evaluated('seed', 4502, { law: 9 })], 4503);
      const news = await take(feed.news());
      assert.deepEqual(shapes(news), ['run', ['seed', false, 2]]);
      assert.deepEqual((news[1] as Points).evaluations[0]!.perplexity, { law: 9 });
    });
  });

  it('sends a run again when a stage of it was evaluated after its training', async () => {
    await withWorkspace(async (workspace) => {
      const result = evaluation(3, { law: 7 });
      writeEvents(workspace, RUN, [runStarted(RUN, ['seed']), stageFinished('seed', result), RUN_FINISHED]);
      const feed = new RunFeed(workspace, queryOf(workspace), RUN);
      await take(feed.news());
      mkdirSync(workspace.stagesFolder);
      utimesSync(workspace.stagesFolder, 1, 1);
      const found = { key: 'key-seed', time: 1, engine: 'wasm', evaluation: evaluation(3, { law: 6 }) };
      writeLaterEvaluation(workspace.stagesFolder, found);
      assert.ok(statSync(workspace.stagesFolder).mtimeMs > 1e12, 'the folder of all stages says that there is news');
      const [news, ...rest] = await take(feed.news());
      assert.equal(news!.type === 'run' && news!.run.stages[0]!.later!.average, 6);
      assert.deepEqual(rest, []);
    });
  });

  it('sends a resumed stage anew, without its void points', async () => {
    await withWorkspace(async (workspace) => {
      const points = new PointFeed(queryOf(workspace), RUN);
      writeEvents(workspace, RUN, [runStarted(RUN, ['seed']), stageStarted('seed'), ...steps('seed', 1, 30)]);
      await take(points.news());
      writeEvents(workspace, RUN, [stageStarted('seed', 20), ...steps('seed', 21, 22)], 33);
      const news = await take(points.news());
      assert.deepEqual(shapes(news), [['seed', true, 22]]);
    });
  });

  it('takes the points of a cached stage from the run that trained it', async () => {
    await withWorkspace(async (workspace) => {
      const other = 'law-math-20261124-181530-bbbb';
      const result = evaluation(3, { law: 7 });
      writeEvents(workspace, other, [
        runStarted(other, ['old']),
        { ...stageStarted('old'), key: 'k' } as EventBody,
        ...steps('old', 1, 3),
        { ...stageFinished('old', result), key: 'k' } as EventBody,
        RUN_FINISHED,
      ]);
      const cached: EventBody = { type: 'stage.cached', stage: 'seed', key: 'k', fromRun: other, evaluation: result };
      writeEvents(workspace, RUN, [runStarted(RUN, ['seed']), cached]);
      const [points] = await take(new PointFeed(queryOf(workspace), RUN).news());
      assert.deepEqual([points!.run, points!.stage, [...points!.steps.step]], [RUN, 'seed', [1, 2, 3]]);
      assert.equal(points!.evaluations.length, 1);
    });
  });

  it('thins the routing of training batches, and keeps that of every evaluation', async () => {
    await withWorkspace(async (workspace) => {
      const alive = [router([0.5, 0.5])];
      const domains = { law: [router([1, 0])] };
      writeEvents(workspace, RUN, [
        runStarted(RUN, ['bam']),
        stageStarted('bam', 0, 1200),
        ...steps('bam', 1, 1200, alive),
        evaluated('bam', 1199, { law: 9 }, domains),
        evaluated('bam', 1200, { law: 8 }, domains),
      ]);
      const routing = (await take(new PointFeed(queryOf(workspace), RUN).news())).flatMap((page) => page.routing);
      assert.equal(routing.filter(({ domain }) => domain === null).length, 400);
      assert.equal(routing.filter(({ domain }) => domain === 'law').length, 2);
    });
  });

  it('says so when the run is gone', async () => {
    await withWorkspace(async (workspace) => {
      const feed = new RunFeed(workspace, queryOf(workspace), RUN);
      writeEvents(workspace, RUN, [runStarted(RUN, ['seed'])]);
      await take(feed.news());
      rmSync(workspace.runFolder(RUN), { recursive: true });
      const [message, ...more] = await take(feed.news());
      assert.ok(message?.type === 'gone' && message.message.includes(RUN));
      assert.deepEqual(more, []);
    });
  });
});
