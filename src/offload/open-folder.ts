import { statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '../architecture/architecture';
import { isOfFfnExpert, parameterSpecs } from '../architecture/parameters';
import { readArchitecture } from '../architecture/stored';
import { CheckpointError } from '../base/errors';
import { readJson } from '../base/files';
import { readSafetensors } from '../checkpoint/safetensors';
import { damaged, type ExpertIndex, expertTitle, INDEX_FILE, indexSchema, RESIDENT_FILE, sha256 } from './expert-index';
import { type ExpertLayout, expertLayout } from './layout';
import { type Precision, PRECISIONS } from '../base/offload-words';

/** A folder of experts that is open for reading. */
export interface ExpertFolder {
  readonly architecture: Architecture;
  /** What stays in memory, by name. */
  readonly resident: Map<string, Float32Array>;
  readonly precisions: Precision[];
  layout(precision: Precision): ExpertLayout;
  /**
   * The bytes of one expert, in one read; they begin at a multiple of four in memory. The first time they are held against
   * their checksum. Throws a `CheckpointError` (`damaged`) that names the expert.
   */
  read(layer: number, expert: number, precision: Precision): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * Opens a folder that `writeExpertFolder` made, and reads what stays in memory. Throws a `CheckpointError` (`missing`, `damaged`) that names the
 * file and says what it should be.
 */
export async function openExpertFolder(path: string): Promise<ExpertFolder> {
  const index = readIndex(path);
  const { architecture, resident } = readResident(path);
  const handles = new Map<Precision, FileHandle>();
  for (const [precision, { name, bytes }] of Object.entries(index.files)) {
    const file = join(path, name);
    const found = statSync(file, { throwIfNoEntry: false })?.size;
    if (found !== bytes) {
      const shorter = found === undefined ? undefined : cutExpert(index, precision as Precision, found);
      await Promise.all([...handles.values()].map((handle) => handle.close()));
      throw damaged(
        path,
        `${name} should have ${bytes} bytes, ${found === undefined ? 'but is missing' : `found ${found}`}` +
          (shorter ? `, so that ${shorter} is not whole` : ''),
      );
    }
    handles.set(precision as Precision, await open(file, 'r'));
  }
  return new OpenExperts(path, index, architecture, resident, handles);
}

/** The first expert that a file of so many bytes does not hold in full. */
function cutExpert({ experts }: ExpertIndex, precision: Precision, bytes: number): string | undefined {
  const cut = experts.find(({ regions }) => regions[precision]!.offset + regions[precision]!.bytes > bytes);
  return cut && expertTitle(cut.layer, cut.expert);
}

function readIndex(path: string): ExpertIndex {
  const file = join(path, INDEX_FILE);
  const content = readJson(file);
  if (content === undefined) {
    throw new CheckpointError(`${path} should be a folder of \`bam quantize\`, but has no ${INDEX_FILE}.`, {
      reason: 'missing',
      advice: 'Make it with `bam quantize RUN STAGE --out FOLDER`.',
    });
  }
  const parsed = indexSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw damaged(path, `${INDEX_FILE} is wrong at ${parsed.error.issues[0]!.path.join('.') || 'its top'}`);
}

function readResident(path: string): { architecture: Architecture; resident: Map<string, Float32Array> } {
  const { tensors, metadata } = readSafetensors(join(path, RESIDENT_FILE));
  const architecture = readArchitecture(metadata.architecture);
  if ('problem' in architecture) throw damaged(path, `of ${RESIDENT_FILE} ${architecture.problem}`);
  const wanted = parameterSpecs(architecture).filter((spec) => !isOfFfnExpert(spec));
  const missing = wanted.find(({ name, shape }) => String(tensors.get(name)?.shape) !== String(shape));
  if (missing) throw damaged(path, `${RESIDENT_FILE} should hold ${missing.name}, (${missing.shape.join(', ')})`);
  return { architecture, resident: new Map([...tensors].map(([name, { values }]) => [name, values])) };
}

class OpenExperts implements ExpertFolder {
  readonly precisions: Precision[];
  private readonly layouts = new Map<Precision, ExpertLayout>();
  private readonly regions = new Map<string, ExpertIndex['experts'][number]['regions']>();
  /** What was held against its checksum. */
  private readonly checked = new Set<string>();

  constructor(
    private readonly path: string,
    index: ExpertIndex,
    readonly architecture: Architecture,
    readonly resident: Map<string, Float32Array>,
    private readonly handles: ReadonlyMap<Precision, FileHandle>,
  ) {
    this.precisions = PRECISIONS.filter((precision) => handles.has(precision));
    for (const precision of this.precisions) {
      this.layouts.set(precision, expertLayout(architecture, precision, index.group));
    }
    for (const { layer, expert, regions } of index.experts) this.regions.set(`${layer}.${expert}`, regions);
  }

  layout(precision: Precision): ExpertLayout {
    const layout = this.layouts.get(precision);
    if (layout) return layout;
    throw new CheckpointError(`${this.path} should have experts in ${precision}, has ${this.precisions.join(', ')}.`, {
      reason: 'missing',
      advice: `Make it again with \`bam quantize\` and ${precision} among its \`--precisions\`.`,
    });
  }

  async read(layer: number, expert: number, precision: Precision): Promise<Buffer> {
    const { bytes } = this.layout(precision);
    const region = this.regions.get(`${layer}.${expert}`)?.[precision];
    const title = `${expertTitle(layer, expert)} in ${precision}`;
    if (region?.bytes !== bytes) {
      throw damaged(this.path, `${title} should have ${bytes} bytes, its index says ${region?.bytes ?? 'nothing'}`);
    }
    const buffer = Buffer.from(new ArrayBuffer(bytes));
    const { bytesRead } = await this.handles.get(precision)!.read(buffer, 0, bytes, region.offset);
    if (bytesRead !== bytes) throw damaged(this.path, `${title} should have ${bytes} bytes, read ${bytesRead}`);
    const key = `${precision}.${layer}.${expert}`;
    if (!this.checked.has(key)) {
      const found = sha256(buffer);
      if (found !== region.sha256) {
        throw damaged(this.path, `${title} should have the checksum ${region.sha256}, found ${found}`);
      }
      this.checked.add(key);
    }
    return buffer;
  }

  async close(): Promise<void> {
    await Promise.all([...this.handles.values()].map((handle) => handle.close()));
  }
}
