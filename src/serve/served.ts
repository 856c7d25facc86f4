import { type Architecture, attentionExperts, removedExperts } from '../architecture/architecture';
import { countParameters } from '../architecture/counts';
import { ffnChoices } from '../architecture/zero-computation';
import { ServingError } from '../base/errors';
import { type Checkpoint, loadCheckpoint, readProvenance } from '../checkpoint/checkpoint';
import { loadTokenizer, type Tokenizer } from '../data/tokenizer';
import type { ServedCheckpoint, ServedModel } from '../plan/serving';
import { zeroComputationNames } from '../plan/expert-names';
import { type DecodingModel, decodingModel } from './model';

/** A checkpoint in memory. */
export interface LoadedModel {
  model: DecodingModel;
  tokenizer: Tokenizer;
  description: ServedModel;
}

/** Loads a checkpoint and its tokenizer. Throws what `loadCheckpoint` and `loadTokenizer` throw, and a `ServingError` (`tokenizer-changed`, `tokenizer-mismatch`). */
export function loadServed(request: ServedCheckpoint): LoadedModel {
  const checkpoint = loadCheckpoint(request.checkpoint, 'model');
  const { architecture, parameters } = checkpoint;
  const { stage = '', tokenizer: trained } = readProvenance(request.checkpoint);
  const tokenizer = tokenizerOf(request, trained);
  if (tokenizer.vocabulary > architecture.vocabulary) {
    throw new ServingError(
      `The tokenizer ${tokenizer.name} has ${tokenizer.vocabulary} tokens, but the model knows ${architecture.vocabulary}.`,
      { reason: 'tokenizer-mismatch', advice: 'Name the tokenizer that the model was trained with.' },
    );
  }
  const description = describe(checkpoint, stage, request.expertNames ?? []);
  return { model: decodingModel(architecture, parameters), tokenizer, description };
}

function tokenizerOf({ tokenizer: named, checkpoint }: ServedCheckpoint, trained = 'bytes'): Tokenizer {
  const { name, folder, fingerprint } = named ?? { name: trained, folder: checkpoint };
  const tokenizer = loadTokenizer(name, folder);
  if (fingerprint === undefined || tokenizer.fingerprint === fingerprint) return tokenizer;
  throw new ServingError(`The tokenizer ${name} is not the one that the model was trained with.`, {
    reason: 'tokenizer-changed',
    advice: 'Put the file back as it was.',
  });
}

function describe({ architecture, training }: Checkpoint, stage: string, names: readonly string[]): ServedModel {
  const { layers, context, mixture } = architecture;
  const ffnExperts = ffnExpertsOf(architecture, names);
  return {
    stage,
    step: training.step,
    layers,
    ffnExperts,
    removed: Array.from({ length: layers }, (_, layer) => layer).flatMap((layer) =>
      mixture ? removedExperts(mixture, layer).map((expert) => ({ layer, expert })) : [],
    ),
    attentionExperts:
      attentionExperts(architecture) > 1 ? ffnExperts.slice(0, mixture!.experts).map(({ name }) => name) : [],
    parameters: countParameters(architecture).total,
    context,
  };
}

function ffnExpertsOf({ mixture }: Architecture, names: readonly string[]): ServedModel['ffnExperts'] {
  if (!mixture) return [];
  const { experts, zeroComputation } = mixture;
  const others = zeroComputation ? zeroComputationNames(zeroComputation) : [];
  return Array.from({ length: ffnChoices(mixture) }, (_, column) => {
    const place = column - experts;
    const { constant = 0, copy = 0 } = zeroComputation ?? {};
    const kind = place < 0 ? 'ffn' : place < constant ? 'constant' : place < constant + copy ? 'copy' : 'zero';
    return { name: names[column] ?? others[place] ?? String(column), kind };
  });
}
