import * as fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { completionsAt } from '../../../src/config/completion';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { subjectAt } from '../../../src/config/documentation';
import { definitionOf, nameAt, placesOf, renameEdits } from '../../../src/config/names';
import { foldsOf, outlineOf, symbolsOf } from '../../../src/config/outline';
import { parseExperiment } from '../../../src/config/parse';
import type { Experiment } from '../../../src/config/schema';
import { globsOutside, pathsRead } from '../../../src/plan/boundary';
import { planWithData } from '../../../src/plan/plan-file';
import { domainFacts, stageFacts } from '../../../src/plan/facts';
import { namedExperts } from '../../../src/plan/expert-names';
import { EXPERIMENT } from '../../unit/config/marked';
import { editedDocuments, jsonText } from '../json-edits';
import type { Random, Target } from '../target';

const EXAMPLES = 'examples';
const texts = [
  EXPERIMENT,
  ...readdirSync(EXAMPLES)
    .filter((name) => name.endsWith('.bam.yaml'))
    .map((name) => readFileSync(join(EXAMPLES, name), 'utf8')),
];

const documents = texts.map((text) => parse(text) as unknown);

/** What an editor asks of a text, broken or not. */
function askEditor(text: string, random: Random): void {
  const outline = outlineOf(text);
  symbolsOf(outline);
  foldsOf(text);
  const offset = Math.floor(random() * (text.length + 1));
  completionsAt(text, offset);
  subjectAt(text, offset);
  const place = nameAt(
    outline,
    outline.names.length ? outline.names[Math.floor(random() * outline.names.length)]!.span.start : 0,
  );
  if (!place) return;
  definitionOf(outline, place);
  placesOf(outline, place);
  if (outline.complete) renameEdits(text, place.span.start, 'other');
}

/** Plans an experiment as if all its data were there; imported checkpoints need files. */
function plan(experiment: Experiment): void {
  globsOutside(pathsRead(experiment), '/work/space', '/work');
  if (Object.values(experiment.stages).some((stage) => stage.import)) return;
  const domains = Object.entries(experiment.domains).map(([name, config]) => ({
    ...{ name, config, fingerprint: name },
    ...{ files: 1, bytes: 1000 },
  }));
  const tokenizer = { name: 'bytes', vocabulary: 257, fingerprint: 'bytes' };
  const planned = planWithData(experiment, '/work', {
    tokenizer,
    domains,
    tasks: [],
    imports: new Map(),
    problems: [],
  });
  for (const stage of planned!.stages.slice(0, 5))
    stageFacts(stage, { ...namedExperts(planned, stage.name), speed: 1e9 });
  for (const domain of planned!.domains.slice(0, 5)) domainFacts(domain, planned!);
}

export const experimentTarget: Target = {
  name: 'experiment',
  corpus: texts.map((text) => Buffer.from(text)),
  structured: fc
    .tuple(editedDocuments(documents), fc.constantFrom('json', 'block', 'flow'))
    .map(([document, style]) =>
      Buffer.from(style === 'json' ? jsonText(document) : stringify(document, { collectionStyle: style as 'block' })),
    ),
  run(input, random) {
    const text = input.toString('utf8');
    const { experiment, mistakes } = parseExperiment(text);
    mistakes.forEach((mistake) => formatDiagnostic('x.bam.yaml', mistake));
    askEditor(text, random);
    if (!experiment && !mistakes.length) throw new Error('neither an experiment nor a mistake');
    if (experiment) plan(experiment);
  },
  short: 150,
};
