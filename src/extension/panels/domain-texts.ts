import { explainError } from '../../base/errors';
import { heldOutBeginnings } from '../../data/beginnings';
import { findCorpus } from '../../data/corpus';
import { FileHashes } from '../../data/hashes';
import { hashesPath } from '../../data/prepare';
import type { DomainText } from '../../messages/explorer';
import type { Plan } from '../../plan/plan';
import type { Workspace } from '../../store/layout';
import { refuseOutside } from '../runs/trust';

/** Documents of a domain that are read. */
const DOCUMENTS = 8;
/** Characters of each: more than most contexts hold; the page cuts further. */
const CHARACTERS = 4000;

/** The beginnings of the first held-out documents of every domain of a run; a domain that cannot be read is told among the problems. */
export async function domainTexts(
  workspace: Workspace,
  { domains, folder }: Pick<Plan, 'domains' | 'folder'>,
): Promise<{ texts: DomainText[]; problems: string[] }> {
  const hashes = FileHashes.load(hashesPath(workspace.dataFolder));
  const texts: DomainText[] = [];
  const problems: string[] = [];
  for (const { name, config } of domains) {
    try {
      await refuseOutside([config.files].flat(), folder, workspace.root);
      const corpus = await findCorpus(name, config, folder, hashes);
      const found = await heldOutBeginnings(corpus, { documents: DOCUMENTS, characters: CHARACTERS });
      texts.push(...found.map((text) => ({ domain: name, text })));
    } catch (error) {
      problems.push(
        `${name}: ${explainError(error)
          .split('\n    at ')[0]!
          .replace(/^Error: /, '')}`,
      );
    }
  }
  return { texts, problems };
}
