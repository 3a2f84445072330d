/**
 * The log that an earlier process of a slot left, as a newcomer finds it on a disk that the host
 * may have rolled back, copied or damaged. Nothing is sealed here, so that even a foreign log is
 * read, and only the leader's word decides what of it counts (I4).
 */
import { dirname } from 'node:path';
import { CodedError } from '@witan/core';
import { openJournal } from '@witan/journal';
import { CrashFs, type DiskImage } from '@witan/journal/testing';
import { replayDurableLog, type DurableState, type HashParts } from '@witan/replica';

/** @returns the one that reaches furthest of those that can be read, if there is one */
export async function newestFormerLog(
  image: DiskImage,
  hash: HashParts,
): Promise<DurableState | undefined> {
  const directories = new Set([...image.keys()].map((path) => dirname(path)));
  const found: DurableState[] = [];
  for (const directory of [...directories].toSorted()) {
    try {
      const { recovered } = await openJournal({ directory, fs: new CrashFs(image), now: () => 0 });
      const records = recovered.records.map(({ data }) => data);
      found.push(replayDurableLog(recovered.snapshot?.data, records, hash));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
    }
  }
  return found.toSorted((left, right) => reach(right) - reach(left))[0];
}

function reach({ mark }: DurableState): number {
  return mark === undefined ? 0 : mark.term * 1_000_000 + mark.index;
}
