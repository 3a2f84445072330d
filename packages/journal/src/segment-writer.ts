/**
 * The segment that is being written. Its methods must not overlap: the journal's loop awaits each.
 * After a rejection the state on disk is unknown and the writer must not be used again.
 */
import { join } from 'node:path';
import { bytesEqual } from '@witan/core';
import { createDurably, wrapSync, wrapWrite } from './files.ts';
import { MARK_FRAME_BYTES, frameBytes, markPayload, writeFrame } from './frames.ts';
import type { JournalFile, JournalFs } from './fs.ts';
import { segmentName } from './names.ts';
import { segmentHeaderBytes, writeSegmentHeader, type SegmentContents } from './segment.ts';

const ZEROS: Uint8Array = new Uint8Array(1024 * 1024);

/** Where a segment begins: enough to find it and to check what it continues. */
export interface SegmentStart {
  readonly sequence: number;
  readonly chain: number;
  readonly owner: Uint8Array;
}

interface Target {
  readonly fs: JournalFs;
  readonly directory: string;
  readonly segmentBytesMax: number;
}

/** What a new journal continues: nothing, or the last segment of an earlier process. */
export type Continuation = (SegmentContents & { readonly path: string }) | undefined;

/** Writes one segment. */
export class SegmentWriter {
  readonly #target: Target;
  readonly #path: string;
  readonly #file: JournalFile;
  readonly #bytesPreallocated: number;
  readonly start: SegmentStart;
  #offset: number;
  #chain: number;
  #recordCount = 0;

  private constructor(
    target: Target,
    file: JournalFile,
    start: SegmentStart,
    place: { readonly offset: number; readonly chain: number; readonly bytes: number },
  ) {
    this.#target = target;
    this.#path = join(target.directory, segmentName(start.sequence));
    this.#file = file;
    this.#bytesPreallocated = place.bytes;
    this.start = start;
    this.#offset = place.offset;
    this.#chain = place.chain;
  }

  /** Creates a segment of at least `bytesNeeded` bytes behind its header. */
  static async create(
    target: Target,
    start: SegmentStart,
    bytesNeeded: number,
  ): Promise<SegmentWriter> {
    const headerBytes = segmentHeaderBytes(start.owner.byteLength);
    const least = headerBytes + bytesNeeded + MARK_FRAME_BYTES;
    const bytesPreallocated = Math.max(target.segmentBytesMax, least);
    const header = writeSegmentHeader({ ...start, bytesPreallocated });
    const parts = preallocated(header.bytes, bytesPreallocated);
    const name = segmentName(start.sequence);
    const file = await createDurably(target.fs, target.directory, name, parts);
    const place = { offset: headerBytes, chain: header.chain, bytes: bytesPreallocated };
    return new SegmentWriter(target, file, start, place);
  }

  /** Ends what an earlier process left, and creates the segment behind it. */
  static async continue(
    target: Target,
    last: Continuation,
    owner: Uint8Array,
  ): Promise<SegmentWriter> {
    if (last === undefined)
      return SegmentWriter.create(target, { sequence: 1, chain: 0, owner }, 0);
    const { sequence, chain } = last.header;
    // A segment without records is replaced, so that restarts do not pile up empty files.
    if (last.records.length === 0) {
      return SegmentWriter.create(target, { sequence, chain, owner }, 0);
    }
    const end = last.end.kind === 'ended' ? last.chain : await repairEnd(target.fs, last);
    return SegmentWriter.create(target, { sequence: sequence + 1, chain: end, owner }, 0);
  }

  get isEmpty(): boolean {
    return this.#recordCount === 0;
  }

  /** Whether a batch fits, with room for the end frame. */
  fits(records: readonly Uint8Array[]): boolean {
    return this.#offset + batchBytes(records) + MARK_FRAME_BYTES <= this.#bytesPreallocated;
  }

  /** Writes one batch and syncs it. @throws JournalError */
  async append(records: readonly Uint8Array[]): Promise<void> {
    const start = this.#offset;
    const batch = new Uint8Array(batchBytes(records));
    const mark = markPayload(this.start.sequence, start);
    let chain = writeFrame(batch, 0, 'mark', mark, this.#chain);
    let offset = MARK_FRAME_BYTES;
    for (const record of records) {
      chain = writeFrame(batch, offset, 'record', record, chain);
      offset += frameBytes(record.byteLength);
    }
    await this.#makeDurable(batch, start);
    this.#offset = start + offset;
    this.#chain = chain;
    this.#recordCount += records.length;
  }

  async #makeDurable(batch: Uint8Array, start: number): Promise<void> {
    const file = this.#file;
    if (file.writeDurably !== undefined) {
      const written = file.writeDurably(batch, start);
      await wrapSync(this.#path, () => written);
      return;
    }
    await wrapWrite('write', this.#path, () => file.write(batch, start));
    await wrapSync(this.#path, () => file.sync());
  }

  /**
   * Ends this segment and creates the next. An empty one of the same owner goes on instead.
   *
   * @param bytesNeeded room for the batch that did not fit, or 0
   */
  async cut(owner: Uint8Array, bytesNeeded: number): Promise<SegmentWriter> {
    const same = this.isEmpty && bytesEqual(owner, this.start.owner);
    if (same && this.#offset + bytesNeeded + MARK_FRAME_BYTES <= this.#bytesPreallocated) {
      return this;
    }
    const chain = await this.end();
    const start = { sequence: this.start.sequence + 1, chain, owner };
    return SegmentWriter.create(this.#target, start, bytesNeeded);
  }

  /** Writes the end frame, gives back unused space and closes the file. */
  async end(): Promise<number> {
    const chain = await writeEnd(this.#file, this.#path, {
      sequence: this.start.sequence,
      offset: this.#offset,
      chain: this.#chain,
    });
    await wrapWrite('close', this.#path, () => this.#file.close());
    return chain;
  }

  /** Closes the file as it is; for a journal that has failed. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }
}

/** Length of a batch in the file. */
export function batchBytes(records: readonly Uint8Array[]): number {
  return records.reduce((sum, record) => sum + frameBytes(record.byteLength), MARK_FRAME_BYTES);
}

function* preallocated(header: Uint8Array, byteLength: number): Iterable<Uint8Array> {
  yield header;
  for (let offset = header.byteLength; offset < byteLength; offset += ZEROS.byteLength) {
    yield ZEROS.subarray(0, Math.min(ZEROS.byteLength, byteLength - offset));
  }
}

async function repairEnd(
  fs: JournalFs,
  last: SegmentContents & { readonly path: string },
): Promise<number> {
  const { path, offset, chain } = last;
  const file = await wrapWrite('open', path, () => fs.open(path));
  try {
    await wrapWrite('truncate', path, () => file.truncate(offset));
    // Synced before the end frame is written, so that a torn rest never stands behind it.
    await wrapSync(path, () => file.sync());
    return await writeEnd(file, path, { sequence: last.header.sequence, offset, chain });
  } finally {
    await file.close().catch(() => undefined);
  }
}

async function writeEnd(
  file: JournalFile,
  path: string,
  place: { readonly sequence: number; readonly offset: number; readonly chain: number },
): Promise<number> {
  const { sequence, offset } = place;
  const frame = new Uint8Array(MARK_FRAME_BYTES);
  const chain = writeFrame(frame, 0, 'end', markPayload(sequence, offset), place.chain);
  await wrapWrite('write', path, () => file.write(frame, offset));
  await wrapWrite('truncate', path, () => file.truncate(offset + frame.byteLength));
  await wrapSync(path, () => file.sync());
  return chain;
}
