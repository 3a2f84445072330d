/**
 * Which of the journals on a slot's disk a newcomer may try to reuse: the one that claims to reach
 * furthest in the cluster and epoch that it was let into, and that opens with the seed. A host can
 * put anything here; what comes of it is asked of a live leader before it counts (I4).
 */
import { basename } from 'node:path';
import { CodedError, describeError, type ClusterId, type Epoch } from '@witan/core';
import { nodeJournalFs, type JournalFs } from '@witan/journal';
import type { DurableState, Seed } from '@witan/replica';
import { readFormerLog, readSummaryUnverified, type DiskSummary } from './former-log.ts';

/** Journals that are looked at; more come only of a host or of a long row of failed starts. */
const DIRECTORIES_MAX = 16;
/** Journals that are opened with the seed before the leader's snapshot has to do. */
const OPENED_MAX = 3;

export interface FormerLogSearch {
  /** Directories of earlier incarnations' journals. */
  readonly earlier: readonly string[];
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  readonly fs?: JournalFs;
}

/** The search as a replica's port. */
export function formerLogReader(
  search: FormerLogSearch,
): (seed: Seed, clusterId: ClusterId, epoch: Epoch) => Promise<DurableState | undefined> {
  return (seed, clusterId, epoch) => readNewestFormerLog(search, seed, clusterId, epoch);
}

/** See the head of this file. @returns undefined when there is none; an event says why */
export async function readNewestFormerLog(
  search: FormerLogSearch,
  seed: Seed,
  clusterId: ClusterId,
  epoch: Epoch,
): Promise<DurableState | undefined> {
  const { earlier, fs = nodeJournalFs } = search;
  const isOurs = (scope: { readonly clusterId: ClusterId; readonly epoch: Epoch }): boolean =>
    scope.clusterId === clusterId && scope.epoch === epoch;
  // The ordinary case: nothing to choose from.
  const only = earlier.length === 1 ? earlier : undefined;
  for (const directory of only ?? (await furthestFirst(search, isOurs))) {
    const log = await attempt(search, directory, () => readFormerLog(directory, seed, fs));
    if (log !== undefined && isOurs(log.owner)) return log.state;
    if (log !== undefined) skipped(search, directory, 'another cluster or epoch');
  }
  return undefined;
}

/** Directories of this cluster and epoch, by how far they claim to reach. */
async function furthestFirst(
  search: FormerLogSearch,
  isOurs: (summary: DiskSummary) => boolean,
): Promise<readonly string[]> {
  const { earlier, fs = nodeJournalFs } = search;
  const found: { readonly directory: string; readonly mark: DiskSummary['mark'] }[] = [];
  for (const directory of earlier.slice(0, DIRECTORIES_MAX)) {
    const summary = await attempt(search, directory, () => readSummaryUnverified(directory, fs));
    if (summary === undefined) continue;
    if (isOurs(summary)) found.push({ directory, mark: summary.mark });
    else skipped(search, directory, 'another cluster or epoch');
  }
  return found
    .toSorted(
      ({ mark: left }, { mark: right }) =>
        (right?.term ?? 0) - (left?.term ?? 0) || (right?.index ?? 0) - (left?.index ?? 0),
    )
    .slice(0, OPENED_MAX)
    .map(({ directory }) => directory);
}

/** A journal that cannot be read is left out, whatever is wrong with it. */
async function attempt<Value>(
  search: FormerLogSearch,
  directory: string,
  read: () => Promise<Value | undefined>,
): Promise<Value | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    skipped(search, directory, 'unreadable', error);
    return undefined;
  }
}

function skipped(
  { onEvent }: FormerLogSearch,
  directory: string,
  reason: string,
  error?: CodedError,
): void {
  const fields = { incarnation: basename(directory).replace('journal-', ''), reason };
  const cause = error === undefined ? {} : { error: describeError(error) };
  onEvent('sealed log left out', { ...fields, ...cause });
}
