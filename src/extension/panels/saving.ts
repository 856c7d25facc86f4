import type { Save } from '../../messages/contract';
import { saveAs } from '../commands/exporting';

/** Saves what a page wants as a file. The page's name for it is a proposal without folders; the user says where it goes. */
export function saveFromPage(folder: string, { fileName, kind, content }: Save): Promise<void> {
  const name = fileName.replace(/[\\/:]/g, '-');
  return saveAs(folder, name, Buffer.from(content, kind === 'png' ? 'base64' : 'utf8'));
}
