/**
 * Removing files that a snapshot has replaced. A file that cannot be removed costs space, not
 * safety: the next snapshot or start tries again.
 */
import { join } from 'node:path';
import type { JournalFs } from './fs.ts';
import { parseNames, segmentName, snapshotName } from './names.ts';

/**
 * Drops snapshots and segments that are older than the snapshot of `firstSegment`. Snapshots go
 * first: without its segments an older one could not serve anyway.
 */
export async function dropReplaced(
  fs: JournalFs,
  directory: string,
  firstSegment: number,
): Promise<void> {
  const names = parseNames(await fs.list(directory).catch(() => []));
  const older = (sequence: number): boolean => sequence < firstSegment;
  const replaced = [
    ...names.snapshots.filter(older).map(snapshotName),
    ...names.segments.filter(older).map(segmentName),
  ];
  for (const name of replaced) await fs.remove(join(directory, name)).catch(() => undefined);
}

/** Removes files that were never finished. */
export async function dropTemporary(
  fs: JournalFs,
  directory: string,
  names: readonly string[],
): Promise<void> {
  for (const name of names) await fs.remove(join(directory, name)).catch(() => undefined);
}
