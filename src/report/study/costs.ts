import { formatCount, formatDuration } from '../../base/format';
import type { Block } from './blocks';
import type { Study, StudyStage } from './study';

/** What the variants of one stage of the file have cost together, or all stages. */
export interface StudyCost {
  stage: string;
  /** Stages that count, each once however many runs have it. */
  stages: number;
  tokens: number;
  flops: number;
  /** Without those of the stages of which the time is not known. */
  seconds: number;
  /** How many stages have no time. */
  untimed: number;
}

/** The costs by stage of the file, and in total. Stages that are not finished count until their last evaluation. */
export function studyCosts({ stages, rows }: Pick<Study, 'stages' | 'rows'>): {
  stages: StudyCost[];
  total: StudyCost;
} {
  const names = [...new Set(rows.map(({ stage }) => stage))];
  const begun = stages.filter(({ flops }) => flops !== null);
  return {
    stages: names.map((name) =>
      costOf(
        name,
        begun.filter(({ stage }) => stage === name),
      ),
    ),
    total: costOf('total', begun),
  };
}

function costOf(stage: string, stages: readonly StudyStage[]): StudyCost {
  const sum = (key: 'tokens' | 'flops' | 'seconds'): number =>
    stages.reduce((total, one) => total + (one[key] ?? 0), 0);
  const untimed = stages.filter(({ seconds }) => seconds === null).length;
  return { stage, stages: stages.length, tokens: sum('tokens'), flops: sum('flops'), seconds: sum('seconds'), untimed };
}

/** What training took, as a table. */
export function costTable(study: Study): Block {
  const { stages, total } = studyCosts(study);
  const rows = [...stages, total].map(({ stage, stages: count, tokens, flops, seconds, untimed }) => [
    stage,
    String(count),
    formatCount(tokens),
    formatCount(flops),
    `${(seconds / 3600).toPrecision(3)} (${formatDuration(seconds)})${untimed ? `, without ${untimed}` : ''}`,
  ]);
  const caption =
    'Training by stage of the file, over all seeds and swept values; a stage that several runs share counts once, one that is not finished until its last evaluation, without its time.';
  return { kind: 'table', caption, header: ['stage', 'trained', 'tokens', 'FLOPs', 'hours'], rows };
}
