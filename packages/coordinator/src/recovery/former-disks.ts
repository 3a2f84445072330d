/**
 * What earlier incarnations of this slot left on its disk (see `FormerDisks` in `replica`). Each
 * journal is read once for what it claims, and once more with each seed that is tried; one that
 * cannot be read is reported and left out. Nothing here says that nothing newer exists (I4).
 */
import {
  CodedError,
  describeError,
  generation,
  type ClusterId,
  type IncarnationId,
} from '@witan/core';
import { journalExists } from '@witan/journal';
import { NO_TRANSITION } from '@witan/manifest';
import type { ClaimedLog, FormerDisks, FormerLog, HeldState, Seed } from '@witan/replica';
import { readFormerLog, readSummaryUnverified, type DiskSummary } from '../storage/former-log.ts';
import { createKeyring } from '../storage/keyring.ts';

/** Journals that are looked at. A slot has one or two; a disk may be full of forged ones. */
export const JOURNALS_MAX = 16;
/** A journal that is being read otherwise is tried again so often, with this pause. */
const LOCKED_TRIES = 50;
const LOCKED_MS = 100;

/** What the disks are read with. */
export interface FormerDisksOptions {
  /** Earlier journals' directories; looked at again, because some day they go. */
  readonly directories: readonly string[];
  /** This process: whatever it seals, it seals under its own subkeys (I9). */
  readonly incarnation: IncarnationId;
  /** Told what a seed was worth here; see `CollectedShares.tried`. */
  readonly onTried: (seed: Seed, opened: boolean, clusters: readonly ClusterId[]) => void;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

interface Journal {
  readonly directory: string;
  readonly summary: DiskSummary;
}

/** See the head of this file. */
export function formerDisks(options: FormerDisksOptions): FormerDisks {
  let journals: Promise<readonly Journal[]> | undefined;
  const read = async (): Promise<readonly Journal[]> => {
    const known = await (journals ??= readJournals(options));
    return known.filter(({ directory }) => options.directories.includes(directory));
  };
  return {
    claims: async () => (await read()).map(({ summary }) => claimedLog(summary)),
    open: async (seed) => {
      const known = await read();
      const opened: FormerLog[] = [];
      // One after the other: each holds a whole log in memory.
      for (const { directory } of known) {
        const log = await reading(options, directory, () => openLog(directory, seed, options));
        if (log !== undefined) opened.push(log);
      }
      const clusters = known.map(({ summary }) => summary.clusterId);
      options.onTried(seed, opened.length > 0, clusters);
      return opened;
    },
  };
}

async function readJournals(options: FormerDisksOptions): Promise<readonly Journal[]> {
  const journals: Journal[] = [];
  for (const directory of options.directories) {
    const summary = await reading(options, directory, async () =>
      (await journalExists(directory)) ? readSummaryUnverified(directory) : undefined,
    );
    if (summary !== undefined) journals.push({ directory, summary });
  }
  return journals.toSorted(furthestFirst).slice(0, JOURNALS_MAX);
}

/** By what the journals claim; all of it is looked at again once the seed is here. */
function furthestFirst({ summary: left }: Journal, { summary: right }: Journal): number {
  const [mine, theirs] = [left.mark, right.mark];
  return (
    right.epoch - left.epoch ||
    (theirs?.term ?? 0) - (mine?.term ?? 0) ||
    (theirs?.index ?? 0) - (mine?.index ?? 0)
  );
}

function claimedLog({ claims, mark, ...owner }: DiskSummary): ClaimedLog {
  const held: HeldState = {
    ...owner,
    // Inside of the state, and not said in the clear.
    opening: NO_TRANSITION,
    term: mark?.term ?? 0,
    index: mark?.index ?? 0,
    generation: claims?.generation ?? generation(0),
    transitionHash: claims?.transition ?? NO_TRANSITION,
    voters: claims?.voters ?? [],
    votersOutgoing: [],
  };
  return { held, header: claims?.recoveryHeader ?? new Uint8Array(0) };
}

async function openLog(
  directory: string,
  seed: Seed,
  { incarnation }: FormerDisksOptions,
): Promise<FormerLog | undefined> {
  const log = await readFormerLog(directory, seed);
  if (log === undefined) return undefined;
  const { owner, state, generations } = log;
  const { clusterId, epoch } = owner;
  const keyring = createKeyring({ clusterId, epoch, incarnation, generations });
  return { incarnation: owner.incarnation, clusterId, epoch, state, seed: log.seed, keyring };
}

/** @returns undefined where the journal is empty or cannot be read, which is reported */
async function reading<Value>(
  { onEvent }: FormerDisksOptions,
  directory: string,
  read: () => Promise<Value | undefined>,
): Promise<Value | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      // Another part of this process reads it just now, to reuse it.
      if (error.code === 'JOURNAL_LOCKED' && tries < LOCKED_TRIES) {
        await new Promise((resolve) => setTimeout(resolve, LOCKED_MS));
        continue;
      }
      onEvent('earlier journal left out', { directory, error: describeError(error) });
      return undefined;
    }
  }
}
