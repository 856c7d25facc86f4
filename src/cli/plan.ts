import { dirname, resolve } from 'node:path';
import { formatCount } from '../base/format';
import { adapterLines } from '../plan/adapting';
import { describeImport } from '../plan/imports';
import { describeDistilling, describeSeeds } from '../plan/facts';
import type { Plan, TrainPlan } from '../plan/plan';
import { planNeeds } from '../plan/needs';
import { planFile } from '../plan/plan-file';
import { describePruning } from '../plan/pruning';
import { describeSplit } from '../plan/splitting';
import { describeZeroComputation, parentsText } from '../plan/upcycling';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { type Output, printJson } from './output';
import { describeNeeds, readNeedsOptions } from './plan-needs';
import { textTable } from '../base/text-table';

export interface PlanCommandOptions {
  set?: string[];
  /** Also what the plan needs on so many devices, each of which computes `flops` a second. */
  devices?: string;
  flops?: string;
  json?: boolean;
}

/** `bam plan FILE`: checks a file and shows what it became, without training anything. */
export async function planCommand(file: string, options: PlanCommandOptions, output: Output): Promise<void> {
  const path = resolve(file);
  const { dataFolder } = new Workspace(findWorkspaceRoot(dirname(path)));
  const { plan } = await planFile(path, dataFolder, options.set);
  const devices = options.devices ?? (options.flops && '1');
  const given = devices ? readNeedsOptions(devices, options.flops) : undefined;
  const needs = given && planNeeds(plan, given.devices, given.flopsPerSecond);
  if (options.json) printJson(output, { ...planAsJson(plan), ...(needs && { needs }) });
  else output.print([describePlan(plan), ...(needs ? [describeNeeds(needs)] : [])].join('\n\n'));
}

/** The plan with its stages by name. */
function planAsJson({ stages, ...plan }: Plan): object {
  return { ...plan, stages: Object.fromEntries(stages.map(({ name, ...stage }) => [name, stage])) };
}

function describePlan(plan: Plan): string {
  const domains = plan.domains.map(({ name, files, bytes }) => [name, String(files), formatCount(bytes)]);
  const stages = plan.stages.map(({ parameters, flopsPerToken, train, ...stage }) => [
    stage.name,
    parentsText(stage) || (stage.import?.huggingFace ?? '-'),
    formatCount(parameters.total),
    formatCount(parameters.active),
    formatCount(flopsPerToken),
    train ? String(train.steps) : '-',
    train ? formatCount(train.tokens) : '-',
    train ? flopsText(train) : '-',
  ]);
  const header = ['stage', 'from', 'parameters', 'active', 'FLOPs/token', 'steps', 'tokens', 'training FLOPs'];
  const origins = plan.stages.flatMap(
    ({ name, import: imported, upcycle, split, prune, teacher, train, architecture }) => [
      ...(imported ? [`${name} starts from ${describeImport(imported)}`] : []),
      ...(upcycle?.zeroComputation
        ? [`${name} has other experts: ${describeZeroComputation(upcycle.zeroComputation)}`]
        : []),
      ...(split ? [`${name} is split into ${describeSplit(split)}`] : []),
      ...(prune ? [`${name} is pruned to ${describePruning(prune, architecture.mixture!.experts)}`] : []),
      ...(teacher ? [`${name} learns from ${teacher.name}: ${describeDistilling(train!.distill!)}`] : []),
    ],
  );
  const notes = [...origins, ...adapterLines(plan.stages)];
  return [
    `${plan.name}, ${describeSeeds(plan.stages)}, tokenizer ${plan.tokenizer.name} (${plan.tokenizer.vocabulary} tokens)`,
    textTable(['domain', 'files', 'bytes'], domains),
    textTable(header, stages),
    ...(notes.length ? [notes.join('\n')] : []),
  ].join('\n\n');
}

function flopsText({ flops, parentFlops }: TrainPlan): string {
  return parentFlops ? `${formatCount(flops)} (${formatCount(parentFlops)} for parents)` : formatCount(flops);
}
