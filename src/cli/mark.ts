import { printable } from '../base/text-table';
import { annotate, type Annotations, readAnnotations } from '../store/annotations';
import { findRunHere } from './find';
import { type Output, printJson } from './output';

export interface MarkCommandOptions {
  title?: string;
  star?: boolean;
  unstar?: boolean;
  tag?: string[];
  untag?: string[];
  note?: string;
  archive?: boolean;
  unarchive?: boolean;
  json?: boolean;
}

/** `bam mark RUN`: changes what people say about a run, and prints all of it. Empty texts take title or note away. */
export async function markCommand(name: string, options: MarkCommandOptions, output: Output): Promise<void> {
  const { workspace, run } = await findRunHere(name);
  const changes = changesOf(options, readAnnotations(workspace, run));
  const annotations = annotate(workspace, run, changes);
  if (options.json) printJson(output, { run, ...annotations });
  else output.print(describe(run, annotations));
}

function changesOf(options: MarkCommandOptions, before: Annotations): Partial<Annotations> {
  const { title, star, unstar, tag = [], untag = [], note, archive, unarchive } = options;
  const removed = new Set(untag);
  return {
    ...(title !== undefined && { title: title || null }),
    ...(note !== undefined && { note: note || null }),
    ...((star || unstar) && { starred: star === true }),
    ...((archive || unarchive) && { archived: archive === true }),
    tags: [...before.tags, ...tag].filter((name) => !removed.has(name)),
  };
}

function describe(run: string, { title, starred, tags, note, archived }: Annotations): string {
  const lines = [
    run,
    ...(title === null ? [] : [`title: ${title}`]),
    ...(starred ? ['starred'] : []),
    ...(tags.length ? [`tags: ${tags.join(', ')}`] : []),
    ...(archived ? ['archived'] : []),
    ...(note === null ? [] : [`note: ${note}`]),
  ];
  return lines.map(printable).join('\n');
}
