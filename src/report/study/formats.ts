import { studyCosts } from './costs';
import { studyMarkdown } from './markdown';
import { studyPage } from './page';
import type { Study } from './study';
import { studyCsv } from './tidy';

const WRITERS = {
  html: studyPage,
  md: studyMarkdown,
  csv: studyCsv,
  json: (study: Study) => `${JSON.stringify({ ...study, costs: studyCosts(study) }, undefined, 2)}\n`,
} as const;
export type StudyFormat = keyof typeof WRITERS;
export const STUDY_FORMATS = Object.keys(WRITERS) as StudyFormat[];

/** A report as the text of a file. */
export function writeStudy(study: Study, format: StudyFormat): string {
  return WRITERS[format](study);
}
