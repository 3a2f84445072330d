/** What an engine starts from: a founding, a former log as far as it was confirmed, or nothing. */
import { assert, bytesEqual } from '@witan/core';
import { NO_NODE, type ConfState, type Snapshot } from 'raft-ts';
import type { Applier } from './applier.ts';
import { BOOTSTRAP_INDEX, type EngineStorage } from './engine-storage.ts';
import { confStateOf, type RaftEngineOptions } from './options.ts';

/** Far more than applying a whole log takes, in milliseconds. */
const APPLY_MS = 600_000;

/** Where the state machine stands when the engine starts. */
export interface Start {
  readonly appliedIndex: number;
  readonly confState: ConfState;
}

/** See `Start`. */
export function startOf({ bootstrap, reused }: RaftEngineOptions): Start {
  if (reused !== undefined) {
    const { index, confState } = reused.snapshot.metadata;
    return { appliedIndex: index, confState };
  }
  const appliedIndex = bootstrap === undefined ? 0 : (bootstrap.index ?? BOOTSTRAP_INDEX);
  return { appliedIndex, confState: confStateOf(bootstrap?.configuration) };
}

/** Puts into the log what the engine starts from. */
export function loadStart(storage: EngineStorage, { bootstrap, reused }: RaftEngineOptions): void {
  if (bootstrap !== undefined) storage.bootstrap(bootstrap);
  if (reused === undefined) return;
  const { snapshot, entries, mark } = reused;
  storage.applySnapshot(snapshot);
  storage.append(entries);
  const link = storage.chain.at(mark.index);
  assert(
    link !== undefined && bytesEqual(link, mark.link),
    'it is exactly what was confirmed (I4)',
  );
  assert(storage.lastIndex() === mark.index, 'and ends there');
  // No term and no vote of a former incarnation (I2): what a leader confirmed, and no vote.
  storage.setHardState({ term: mark.term, vote: NO_NODE, commit: mark.index });
}

/**
 * Makes the snapshot that the journal starts with: what was reused is applied first, so that it
 * holds all of it.
 *
 * @returns undefined where nothing was reused
 */
export function startSnapshot(
  { reused }: RaftEngineOptions,
  applier: Pick<Applier, 'waitApplied'>,
  storage: EngineStorage,
): (() => Promise<Snapshot>) | undefined {
  if (reused === undefined) return undefined;
  const { index } = reused.mark;
  return async () => {
    await applier.waitApplied(index, APPLY_MS);
    return storage.snapshot();
  };
}

/** Whether an engine starts from the state of an earlier epoch. */
export function isLaterEpoch(options: RaftEngineOptions): boolean {
  return options.bootstrap !== undefined && startOf(options).appliedIndex > BOOTSTRAP_INDEX;
}
