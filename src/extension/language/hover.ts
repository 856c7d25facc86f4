import * as vscode from 'vscode';
import { explainError } from '../../base/errors';
import { readVariantName } from '../../base/variant-name';
import { escapeMarkdown, subjectAt } from '../../config/documentation';
import type { NamePlace } from '../../config/outline';
import { namedExperts } from '../../plan/expert-names';
import { domainFacts, type Fact, type LastResult, stageFacts } from '../../plan/facts';
import { log } from '../log';
import { rangeOf } from './document';
import type { DocumentPlans } from './document-plans';

/** What a hover asks the rest of the extension. */
export interface HoverSources {
  /** Training FLOPs a second that the machine did lately; `undefined` before it trained. */
  measuredSpeed(file: string): Promise<number | undefined>;
  /** The last evaluation of a stage of a file. */
  lastResult(file: string, stage: string): Promise<LastResult | undefined>;
}

/** Says what a key means, and what a stage or a domain comes to. */
export class ExperimentHover implements vscode.HoverProvider {
  constructor(
    private readonly plans: DocumentPlans,
    private readonly sources: HoverSources,
  ) {}

  async provideHover(document: vscode.TextDocument, position: vscode.Position): Promise<vscode.Hover | undefined> {
    const subject = subjectAt(document.getText(), document.offsetAt(position));
    if (!subject) return undefined;
    const range = rangeOf(document, subject.span);
    const markdown = subject.kind === 'key' ? subject.markdown : await this.describeName(document, subject);
    return new vscode.Hover(new vscode.MarkdownString(markdown), range);
  }

  private async describeName(document: vscode.TextDocument, { kind, name }: NamePlace): Promise<string> {
    const facts = kind === 'stage' ? await this.aboutStage(document, name) : this.aboutDomain(document, name);
    const title = kind === 'stage' ? vscode.l10n.t('stage {0}', name) : vscode.l10n.t('domain {0}', name);
    const missing = vscode.l10n.t('Not planned yet: the file has mistakes, or its data was not looked at.');
    return [`**${escapeMarkdown(title)}**`, facts ? table(facts) : missing].join('\n\n');
  }

  private async aboutStage(document: vscode.TextDocument, name: string): Promise<Fact[] | undefined> {
    const plan = this.plans.get(document);
    const variants = plan?.stages.filter((each) => readVariantName(each.name).stage === name);
    const stage = variants?.[0];
    if (!variants || !stage) return undefined;
    const file = document.uri.fsPath;
    const [speed, last] = await Promise.all([
      orNothing(this.sources.measuredSpeed(file)),
      orNothing(this.sources.lastResult(file, name)),
    ]);
    const facts = stageFacts(stage, { speed, last, ...namedExperts(plan, stage.name) });
    if (variants.length === 1) return facts;
    return [
      [vscode.l10n.t('variants'), vscode.l10n.t('{0}, of which this is {1}', variants.length, stage.name)],
      ...facts,
    ];
  }

  private aboutDomain(document: vscode.TextDocument, name: string): Fact[] | undefined {
    const plan = this.plans.get(document);
    const domain = plan?.domains.find((each) => each.name === name);
    return plan && domain && domainFacts(domain, plan);
  }
}

/** Counts are worth showing where the index of runs cannot be read. */
async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    log.warn(explainError(error));
    return undefined;
  }
}

function table(facts: readonly Fact[]): string {
  const rows = facts.map(([label, value]) => `| ${escapeMarkdown(label)} | ${escapeMarkdown(value)} |`);
  return ['| | |', '| --- | --- |', ...rows].join('\n');
}
