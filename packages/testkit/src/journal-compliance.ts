/**
 * What every journal must do, as a suite that runs on the one in memory and on the real one. A new
 * storage is done when it passes. After the idea of openraft's `testing::log::Suite`.
 */
import { expect, it } from 'vitest';
import { APPEND_DEMANDS } from './journal-append.ts';
import type { JournalMedium } from './journal-cases.ts';
import { LIFE_DEMANDS } from './journal-life.ts';
import { RAFT_DEMANDS } from './journal-raft.ts';
import { SNAPSHOT_DEMANDS } from './journal-snapshots.ts';

const DEMANDS = [...APPEND_DEMANDS, ...SNAPSHOT_DEMANDS, ...LIFE_DEMANDS, ...RAFT_DEMANDS];

/** How many demands the suite has. */
export const JOURNAL_DEMANDS: number = DEMANDS.length;

/** Registers the suite. @param create a fresh and empty medium */
export function journalCompliance(create: () => JournalMedium | Promise<JournalMedium>): void {
  it.each(DEMANDS)('$title', async ({ body }) => {
    expect.hasAssertions();
    const medium = await create();
    await body(medium);
    await medium.crash();
  });
}
