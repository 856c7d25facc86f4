import { join } from 'node:path';
import type { DomainConfig } from '../config/schema';
import { findCorpus } from './corpus';
import { FileHashes } from './hashes';
import { packDomain, type PackProgress } from './pack';
import { marksPath, type PackedDomain, type Part, partPath } from './packed';
import { TokenFile } from './token-file';
import type { Tokenizer } from './tokenizer';

/** A domain that is ready to train on and to evaluate with. */
export interface OpenDomain {
  name: string;
  /** Of its corpus; the same as in the plan, unless files changed since. */
  fingerprint: string;
  train: TokenFile;
  heldOut: TokenFile;
  /** Tokens of the held-out part for each UTF-8 byte of its text, for bits per byte; of instructions those of the answers. */
  tokensPerByte: number;
}

export interface OpenDomainsOptions {
  /** Domains by name, as the experiment file has them. */
  experimentDomains: Record<string, DomainConfig>;
  /** Where the experiment file lies, from which its globs are read. */
  folder: string;
  tokenizer: Tokenizer;
  /** Where hashes and token files are kept: `.bam/data`. */
  dataFolder: string;
  onProgress?: ((domain: string, progress: PackProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** The memo of content hashes in a data folder. */
export function hashesPath(dataFolder: string): string {
  return join(dataFolder, 'hashes.json');
}

/**
 * Finds the domains' corpora, packs those that are not packed yet and opens their token files. The caller closes them
 * (`closeDomains`). Errors as of `findCorpus` and `packDomain`; whatever was opened is closed then.
 */
export async function openDomains(options: OpenDomainsOptions): Promise<Map<string, OpenDomain>> {
  const { folder, tokenizer, dataFolder, onProgress, signal } = options;
  const hashes = FileHashes.load(hashesPath(dataFolder));
  const domains = new Map<string, OpenDomain>();
  try {
    for (const [name, config] of Object.entries(options.experimentDomains)) {
      signal?.throwIfAborted();
      const corpus = await findCorpus(name, config, folder, hashes, signal);
      hashes.save();
      const packed = await packDomain(corpus, tokenizer, join(dataFolder, 'tokens'), {
        onProgress: (progress) => onProgress?.(name, progress),
        signal,
      });
      domains.set(name, openDomain(name, corpus.fingerprint, packed));
    }
    return domains;
  } catch (error) {
    closeDomains(domains);
    throw error;
  }
}

/** Closes the token files of domains. */
export function closeDomains(domains: Map<string, OpenDomain>): void {
  for (const { train, heldOut } of domains.values()) {
    train.close();
    heldOut.close();
  }
}

function openDomain(name: string, fingerprint: string, packed: PackedDomain): OpenDomain {
  const open = (part: Part): TokenFile => {
    const { tokens, answers } = packed[part];
    const marks = answers && TokenFile.open(marksPath(packed.folder, part), 1, tokens);
    return TokenFile.open(partPath(packed.folder, part), packed.width, tokens, marks);
  };
  const { tokens, bytes } = packed.heldOut.answers ?? packed.heldOut;
  const tokensPerByte = tokens / bytes;
  return { name, fingerprint, train: open('train'), heldOut: open('heldOut'), tokensPerByte };
}
