import * as fc from 'fast-check';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../../../src/architecture/architecture';
import { loadCheckpoint, saveCheckpoint } from '../../../src/checkpoint/checkpoint';
import {
  readSafetensors,
  readSafetensorsHeader,
  readTensor,
  writeSafetensors,
} from '../../../src/checkpoint/safetensors';
import { inspectModel } from '../../../src/interop/import';
import { openExpertFolder } from '../../../src/offload/open-folder';
import { PRECISIONS } from '../../../src/base/offload-words';
import { writeExpertFolder } from '../../../src/offload/write-folder';
import { MIXTURE, parametersOf } from '../../unit/offload/mixture';
import { editedDocuments, editedJson, jsonText } from '../json-edits';
import type { Target } from '../target';
import { Folder } from './folder';

/** A safetensors file of a header and bytes. */
function fileOf(header: unknown, data: Buffer): Buffer {
  const text = Buffer.from(jsonText(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

function partsOf(file: Buffer): { header: Record<string, unknown>; data: Buffer } {
  const length = Number(file.readBigUInt64LE());
  return {
    header: JSON.parse(file.subarray(8, 8 + length).toString()) as Record<string, unknown>,
    data: file.subarray(8 + length),
  };
}

/** Files whose headers were changed in some places; the data stays. */
function editedFiles(files: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const parts = files.map(partsOf);
  const documents = parts.map(({ header }, index) => ({ index, header }));
  return fc
    .nat(parts.length - 1)
    .chain((index) => editedDocuments([documents[index]!.header]).map((header) => fileOf(header, parts[index]!.data)));
}

const PARITY = 'test/parity/checkpoints';
const SMALL = Object.assign(new Folder(), {}).write('small.safetensors', '');

/** Small files of every type that is read. */
function safetensorsCorpus(): Buffer[] {
  writeSafetensors(
    SMALL,
    [
      ['a', { shape: [2, 3], values: new Float32Array(6) }],
      ['b', { shape: [1], values: new Float32Array(1) }],
    ],
    {
      architecture: '{}',
    },
  );
  const half = fileOf(
    {
      __metadata__: { format: 'pt' },
      h: { dtype: 'F16', shape: [4], data_offsets: [0, 8] },
      b: { dtype: 'BF16', shape: [2, 2], data_offsets: [8, 16] },
      e: { dtype: 'F32', shape: [0], data_offsets: [16, 16] },
    },
    Buffer.from([0, 60, 0, 124, 1, 0, 255, 127, 128, 63, 0, 0, 192, 127, 1, 128]),
  );
  return [readFileSync(SMALL), half];
}

function safetensorsTarget(): Target {
  const corpus = safetensorsCorpus();
  const folder = new Folder();
  return {
    name: 'safetensors',
    corpus,
    structured: editedFiles(corpus),
    run(input) {
      const path = folder.write('x.safetensors', input);
      const header = readSafetensorsHeader(path);
      for (const [name, { dtype }] of header.tensors)
        if (['F32', 'F16', 'BF16'].includes(dtype)) readTensor(path, header, name);
      Object.values(header.metadata).forEach((value) => value.length);
      readSafetensors(path);
    },
  };
}

/** Checkpoints whose checksums are right, so that what lies behind them is read. */
async function checkpointTarget(): Promise<Target> {
  const folder = new Folder();
  const provenance = { experiment: 'x', stage: 's', key: 'k', run: 'r', tokenizer: 'bytes', version: '0' };
  const adapted: Architecture = { ...MIXTURE, adapters: { method: 'mov', experts: 2, parts: ['attention'] } };
  const training = { step: 1, draws: {}, seconds: 1 };
  const files: Buffer[] = [];
  for (const architecture of [
    MIXTURE,
    { ...MIXTURE, mixture: { ...MIXTURE.mixture!, attention: 'kv-experts' as const } },
    adapted,
  ]) {
    const parameters = parametersOf(architecture);
    const path = await saveCheckpoint(folder.at('made'), { architecture, parameters, training }, provenance);
    files.push(readFileSync(join(path, 'model.safetensors')));
  }
  // The metadata holds JSON in texts: its edits are made on what the texts say.
  const parts = files.map(partsOf);
  const opened = parts.map(({ header }) => {
    const { __metadata__: metadata, ...tensors } = header as { __metadata__: Record<string, string> };
    return {
      architecture: JSON.parse(metadata.architecture!) as unknown,
      provenance: JSON.parse(metadata.provenance!) as unknown,
      tensors,
    };
  });
  const closed = fc.nat(opened.length - 1).chain((index) =>
    editedDocuments([opened[index]]).map((document) => {
      const { architecture, provenance: from, tensors } = (document ?? {}) as (typeof opened)[number];
      const metadata = { architecture: jsonText(architecture), provenance: jsonText(from) };
      return fileOf({ __metadata__: metadata, ...tensors }, parts[index]!.data);
    }),
  );
  return {
    name: 'checkpoint',
    corpus: files,
    structured: fc.oneof(closed, editedFiles(files)),
    run(input) {
      const path = folder.at('step-000000001');
      mkdirSync(path, { recursive: true });
      folder.write('step-000000001/model.safetensors', input);
      const digest = { bytes: input.length, sha256: createHash('sha256').update(input).digest('hex') };
      folder.write('step-000000001/state.json', JSON.stringify({ training, files: { 'model.safetensors': digest } }));
      loadCheckpoint(path, 'everything');
    },
  };
}

function stateTarget(): Target {
  const folder = new Folder();
  const digest = { bytes: 0, sha256: createHash('sha256').update('').digest('hex') };
  const state = {
    training: { step: 3, draws: { law: 3 }, best: { step: 1, averagePerplexity: 2.5 }, seconds: 1.5 },
    files: { 'model.safetensors': digest },
  };
  folder.write('c/model.safetensors', '');
  return {
    name: 'state.json',
    corpus: [Buffer.from(JSON.stringify(state))],
    structured: editedJson([state]),
    run(input) {
      folder.write('c/state.json', input);
      loadCheckpoint(folder.at('c'), 'everything');
    },
  };
}

/** A folder of experts: its list of experts, and the file of what stays in memory, are changed in turn. */
function expertsTarget(): Target {
  const folder = new Folder();
  const to = folder.at('experts');
  const source = { stage: 'bam', key: 'k', step: 3 };
  writeExpertFolder({
    architecture: MIXTURE,
    parameters: parametersOf(MIXTURE),
    source,
    to,
    precisions: PRECISIONS,
    group: 4,
  });
  const index = readFileSync(join(to, 'experts.json'));
  return {
    name: 'expert folder',
    corpus: [index],
    structured: editedJson([JSON.parse(index.toString())]),
    async run(input) {
      folder.write('experts/experts.json', input);
      const opened = await openExpertFolder(to);
      try {
        for (const precision of opened.precisions) await opened.read(1, 2, precision);
      } finally {
        await opened.close();
      }
    },
  };
}

const FAMILIES = ['llama', 'cohere', 'gpt-neox'];

/** config.json of models that others made. */
function configTarget(): Target {
  const folder = new Folder();
  const corpus = FAMILIES.map((family) => readFileSync(join(PARITY, family, 'config.json')));
  for (const family of FAMILIES)
    folder.write(`${family}/model.safetensors`, readFileSync(join(PARITY, family, 'model.safetensors')));
  return {
    name: 'config.json',
    corpus,
    structured: editedJson(corpus.map((text) => JSON.parse(text.toString()) as unknown)),
    run(input, random) {
      const family =
        FAMILIES.find((name) => input.includes(name.replace(/-/g, '_').slice(0, 4))) ??
        FAMILIES[Math.floor(random() * 3)]!;
      folder.write(`${family}/config.json`, input);
      const model = inspectModel(folder.at(family), { context: 16, parallelize: random() < 0.5 });
      if (!model.places.length) throw new Error('a model without parameters');
    },
  };
}

function indexTarget(): Target {
  const folder = new Folder();
  const from = join(PARITY, 'llama-gqa-sharded');
  const shards = ['config.json', 'model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  for (const name of shards) folder.write(name, readFileSync(join(from, name)));
  const corpus = [readFileSync(join(from, 'model.safetensors.index.json'))];
  return {
    name: 'model index',
    corpus,
    structured: editedJson([JSON.parse(corpus[0]!.toString())]),
    run(input) {
      folder.write('model.safetensors.index.json', input);
      inspectModel(folder.path, { context: 16, parallelize: false });
    },
  };
}

export async function checkpointTargets(): Promise<Target[]> {
  return [safetensorsTarget(), await checkpointTarget(), stateTarget(), expertsTarget(), configTarget(), indexTarget()];
}
