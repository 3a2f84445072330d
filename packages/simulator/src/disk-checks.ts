/** What must be on the disk of a process that died, and what must not. */
import type { DiskImage } from '@witan/journal/testing';
import { readBack } from './disk.ts';
import { check, printOf } from './invariants.ts';
import type { SimProcess } from './process.ts';

/**
 * Whatever was confirmed is there (I3).
 *
 * @throws SimulatorError SIMULATOR_INVARIANT_VIOLATED
 */
export async function checkJournal(process: SimProcess, image: DiskImage): Promise<void> {
  const { durable, diskTrouble, wasMisled } = process;
  // A disk that has put a write elsewhere may have lost what it confirmed, but makes nothing up.
  if (wasMisled) return checkInvention(process, image);
  if (!durable.isOpen || (durable.terms.size === 0 && durable.snapshotIndex === 0))
    return undefined;
  const confirmed = [...durable.terms].filter(([index]) => index > durable.snapshotIndex);
  const expected = durable.snapshotIndex;
  const found = await readBack(process.log.directory, image);
  check(found !== undefined, 'JOURNAL_READABLE', { diskTrouble });
  check(found.snapshotIndex >= expected, 'SNAPSHOT_DURABLE', { expected });
  for (const [index, term] of confirmed) {
    // An entry can have been overwritten by one that was written, but not confirmed.
    const same = found.holds(index, term) || (found.hardState?.term ?? 0) > term;
    check(same, 'CONFIRMED_IS_DURABLE (I3)', { index, term });
  }
  return undefined;
}

/**
 * What is read from a damaged disk was written once, or the damage is noticed (I4).
 *
 * @throws SimulatorError SIMULATOR_INVARIANT_VIOLATED
 */
export async function checkInvention(process: SimProcess, image: DiskImage): Promise<void> {
  const group = process.mirror?.group;
  const found = await readBack(process.log.directory, image);
  if (group === undefined || found === undefined) return;
  for (const entry of found.entries.values()) {
    const { index, term } = entry;
    const known = group.entries.get(`${index}/${term}`);
    check(known?.print === printOf(entry), 'DISK_INVENTS_NOTHING (I4)', { index, term });
  }
}
