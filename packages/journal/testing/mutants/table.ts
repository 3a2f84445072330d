/** Seeded bugs of the journal: one exact replacement in one source file, and what it breaks. */

/** One seeded bug. Every test passes without it; at least one must fail with it. */
export interface Mutant {
  readonly name: string;
  /** Relative to the package. */
  readonly file: string;
  /** Occurs in the file exactly once. */
  readonly from: string;
  readonly to: string;
  readonly breaks: string;
}

const WRITER = 'src/segment-writer.ts';
const SEGMENT = 'src/segment.ts';
const FRAMES = 'src/frames.ts';
const FILES = 'src/files.ts';
const JOURNAL = 'src/journal.ts';
const RECOVER = 'src/recover.ts';
const SNAPSHOT = 'src/snapshot.ts';

/** All seeded bugs. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'acknowledge-before-sync',
    file: WRITER,
    from: `    await wrapWrite('write', this.#path, () => file.write(batch, start));
    await wrapSync(this.#path, () => file.sync());`,
    to: `    await wrapWrite('write', this.#path, () => file.write(batch, start));`,
    breaks: 'an append is confirmed only after fdatasync',
  },
  {
    name: 'no-directory-sync',
    file: FILES,
    from: `    await wrapSync(directory, () => fs.syncDirectory(directory));\n`,
    to: '',
    breaks: 'a new name is durable before it is used',
  },
  {
    name: 'rename-before-sync',
    file: FILES,
    from: `    await wrapSync(temporary, () => file.sync());
    await wrapWrite('rename', path, () => fs.rename(temporary, path));`,
    to: `    await wrapWrite('rename', path, () => fs.rename(temporary, path));`,
    breaks: 'a file is complete before it has its final name',
  },
  {
    name: 'unchained-checksums',
    file: FRAMES,
    from: 'crc32(bytes.subarray(offset, offset + 4), chain);',
    to: 'crc32(bytes.subarray(offset, offset + 4), chain * 0);',
    breaks: 'each frame is chained to the one before',
  },
  {
    name: 'segments-not-chained',
    file: RECOVER,
    from: 'if (contents.header.chain !== chain) throw',
    to: 'if (contents.header.chain === undefined) throw',
    breaks: 'each segment continues the chain of the one before',
  },
  {
    name: 'payload-not-covered',
    file: FRAMES,
    from: 'subarray(offset + FRAME_HEADER_BYTES, end), word)',
    to: 'subarray(offset + FRAME_HEADER_BYTES, offset + FRAME_HEADER_BYTES + 1), word)',
    breaks: 'the checksum covers the whole payload',
  },
  {
    name: 'damage-taken-for-torn',
    file: SEGMENT,
    from: '  if (!looksTorn(bytes, offset, header.bytesPreallocated)) throw',
    to: '  if (header.bytesPreallocated < 0) throw',
    breaks: 'what no crash explains is refused',
  },
  {
    name: 'durable-data-dropped',
    file: SEGMENT,
    from: 'if (hasMarkBehind(bytes, offset, header.sequence)) {',
    to: 'if (hasMarkBehind(bytes, bytes.byteLength, header.sequence)) {',
    breaks: 'what a later write proves durable is never dropped',
  },
  {
    name: 'torn-tail-refused',
    file: SEGMENT,
    from: 'if (isAllZero(bytes.subarray(at, Math.min(nextSector(at), claim.end)))) return',
    to: 'if (isAllZero(bytes.subarray(at, at + 512)) && claim.end < 0) return',
    breaks: 'a torn write is repaired',
  },
  {
    name: 'torn-tail-kept',
    file: WRITER,
    from: `    await wrapWrite('truncate', path, () => file.truncate(offset));
    // Synced`,
    to: `    // Synced`,
    breaks: 'a torn rest never stands behind new data',
  },
  {
    name: 'repair-without-sync',
    file: WRITER,
    from: `    await wrapSync(path, () => file.sync());
    return await writeEnd(`,
    to: '    return await writeEnd(',
    breaks: 'the repair is durable before the end frame is written',
  },
  {
    name: 'end-frame-missing',
    file: WRITER,
    from: `  await wrapWrite('write', path, () => file.write(frame, offset));\n`,
    to: '',
    breaks: 'an ended segment says that it ended',
  },
  {
    name: 'segment-gap-accepted',
    file: RECOVER,
    from: `    if (sequence !== expected) throw missing(directory, expected);\n`,
    to: '',
    breaks: 'a missing segment is noticed',
  },
  {
    name: 'cut-short-segment-accepted',
    file: RECOVER,
    from: `if (!isLast && contents.end.kind !== 'ended') {`,
    to: `if (!isLast && contents.end.kind === undefined) {`,
    breaks: 'only the last segment may break off',
  },
  {
    name: 'drop-before-snapshot-durable',
    file: JOURNAL,
    from: '    const parts = writeSnapshotParts(',
    to: `    await dropReplaced(fs, directory, start.sequence);
    const parts = writeSnapshotParts(`,
    breaks: 'what a snapshot replaces goes only when the snapshot is durable',
  },
  {
    name: 'snapshot-checksum-ignored',
    file: SNAPSHOT,
    from: 'if (crc32(bytes.subarray(0, crcAt)) !== view.getUint32(crcAt)) {',
    to: 'if (crc32(bytes.subarray(0, crcAt)) === -1) {',
    breaks: 'a damaged snapshot is noticed',
  },
  {
    name: 'snapshot-tail-lost',
    file: RECOVER,
    from: 'for (const data of snapshot?.tail ?? []) {',
    to: 'for (const data of snapshot?.tail.slice(1) ?? []) {',
    breaks: 'the records behind a snapshot are read back',
  },
  {
    name: 'goes-on-after-failed-sync',
    file: JOURNAL,
    from: '    this.#failure ??= failure;\n',
    to: '    if (!first) this.#failure ??= failure;\n',
    breaks: 'the first failed sync is the end',
  },
  {
    name: 'failed-sync-confirmed',
    file: FILES,
    from: '    throw syncFailure(path, cause);',
    to: '    void cause;',
    breaks: 'a failed sync confirms nothing',
  },
  {
    name: 'second-process-let-in',
    file: 'src/open.ts',
    from: '  if (lock === undefined) {',
    to: '  if (directory === undefined) {',
    breaks: 'a journal belongs to one process',
  },
  {
    name: 'batch-reordered',
    file: JOURNAL,
    from: 'const records = batch.flatMap((task) => task.records);',
    to: 'const records = batch.toReversed().flatMap((task) => task.records);',
    breaks: 'records keep the order of their appends',
  },
  {
    name: 'place-not-compared',
    file: SEGMENT,
    from: 'else if (!bytesEqual(frame.payload, markPayload(sequence, offset))) {',
    to: 'else if (bytesEqual(frame.payload, markPayload(sequence, offset + 1))) {',
    breaks: 'a frame that names another place is refused',
  },
  {
    name: 'backlog-without-bound',
    file: JOURNAL,
    from: 'if (this.#backlogBytes + byteLength > backlogBytesMax) {',
    to: 'if (this.#backlogBytes + byteLength > Infinity) {',
    breaks: 'what waits in memory is bounded',
  },
  {
    name: 'format-changed-silently',
    file: FRAMES,
    from: 'const PADDING = 0xa5;',
    to: 'const PADDING = 0xa6;',
    breaks: 'the format changes only with its version',
  },
  {
    name: 'snapshot-cut-late',
    file: JOURNAL,
    from: '      firstSegment: start.sequence,\n',
    to: '      firstSegment: start.sequence + 1,\n',
    breaks: 'records behind a snapshot are never skipped',
  },
];
