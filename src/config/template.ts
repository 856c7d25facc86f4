import { Document, type YAMLMap } from 'yaml';

/** What a new experiment compares. */
export const TEMPLATES = {
  bam: 'BAM: specialists become a mixture with attention and FFN experts',
  'bam-btx': 'BAM against BTX and continued dense training, on the same tokens',
  btx: 'BTX: specialists become a mixture with FFN experts and averaged attention',
  dense: 'A dense model, as a beginning',
} as const;
export type TemplateName = keyof typeof TEMPLATES;

/** Sizes of the dense model, small enough to try and as published. */
export const SIZES = {
  tiny: { layers: 4, width: 128, heads: 4, ffnHidden: 256, context: 128 },
  small: { layers: 8, width: 512, heads: 8, ffnHidden: 1376, context: 256 },
  medium: { layers: 12, width: 768, heads: 12, ffnHidden: 2048, context: 512 },
} as const;
export type SizeName = keyof typeof SIZES;

export interface TemplateChoices {
  template: TemplateName;
  name: string;
  size: SizeName;
  /** The first domain trains the seed model, each other one a specialist. */
  domains: { name: string; files: string }[];
  /** Tokens of each stage, as an experiment file writes them, e.g. `500k`. */
  tokens: string;
}

/** The text of a new experiment file. With a template that makes a mixture, at least two domains are needed. */
export function experimentText({ template, name, size, domains, tokens }: TemplateChoices): string {
  const [general, ...special] = domains.map((domain) => domain.name);
  const specialists = template === 'dense' ? [] : special;
  const stages: Record<string, unknown> = { seed: { train: { mix: { [general!]: 1 }, tokens } } };
  for (const domain of specialists) {
    stages[domain] = { from: 'seed', train: { mix: { [domain]: 0.9, [general!]: 0.1 }, tokens } };
  }
  const experts = ['seed', ...specialists];
  const upcycled = template === 'btx' ? 'btx' : 'bam';
  if (template !== 'dense') {
    stages[upcycled] = { upcycle: { method: upcycled, experts }, train: { mix: 'equal', tokens } };
  }
  if (template === 'bam-btx') {
    stages.btx = { upcycle: { method: 'btx', experts }, train: { like: 'bam', match: 'data' } };
    stages.dense = { from: 'seed', train: { like: 'bam', match: 'data' } };
  }
  const corpora = Object.fromEntries(domains.map((domain) => [domain.name, { files: domain.files }]));
  const file = { name, seed: 1, model: { ...SIZES[size], tokenizer: 'bytes' }, domains: corpora, stages };
  return `# ${TEMPLATES[template]}.\n${compactYaml(file)}`;
}

/** YAML with one line for the model, each domain, and each of a stage's keys. */
function compactYaml(file: Record<string, unknown>): string {
  const document = new Document(file, { aliasDuplicateObjects: false });
  const map = (path: string[]): YAMLMap => document.getIn(path) as YAMLMap;
  const setFlow = (node: unknown): void => void ((node as YAMLMap).flow = true);
  setFlow(map(['model']));
  for (const { value } of map(['domains']).items) setFlow(value);
  for (const { value: stage } of map(['stages']).items) {
    for (const { value } of (stage as YAMLMap).items) if (value instanceof Object && 'items' in value) setFlow(value);
  }
  return document.toString({ lineWidth: 120 });
}
