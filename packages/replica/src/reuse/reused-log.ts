/**
 * What of an earlier incarnation's log a newcomer may use again. The disk alone proves nothing
 * (I4): a live leader says up to which mark its own log is the same, and exactly that much is taken
 * up, into memory. Term, vote and membership of the earlier incarnation are left behind (I2): the
 * term is that of the last confirmed entry, and who belongs to the cluster is what the log says.
 */
import { assert } from '@witan/core';
import type { Entry, Snapshot } from 'raft-ts';
import type { DurableState, LogMark } from '../raft/durable-records.ts';
import { decodeEnvelope } from '../raft/envelope.ts';
import { LogChain, joinLink, type HashParts } from '../raft/log-chain.ts';

/** Most marks in one question. */
export const MARKS_MAX = 64;
/** So many of the last entries have a mark each; behind them the distance doubles. */
const DENSE_MARKS = 16;

/** The part of a former log that a leader has confirmed. */
export interface ReusedLog {
  /** With the link behind its data, as `RaftEngine` keeps snapshots. */
  readonly snapshot: Snapshot;
  /** Those behind the snapshot, without a gap, up to the mark. */
  readonly entries: readonly Entry[];
  /** The last of them, or the snapshot's end. Committed, by the leader's word. */
  readonly mark: LogMark;
}

/**
 * The marks to ask a leader about: descending, dense at the end of the log, sparse before it, and
 * the snapshot's at last.
 *
 * @returns none where the log does not start with a snapshot: nothing can be restored from it
 */
export function marksOf(state: DurableState, hash: HashParts): readonly LogMark[] {
  const { snapshot, entries, mark: last } = state;
  const chain = chainOf(state, hash);
  if (snapshot === undefined || chain === undefined || last === undefined) return [];
  const { index: base, term: baseTerm } = snapshot.metadata;
  const marks: LogMark[] = [];
  let step = 1;
  for (let index = last.index; index > base && marks.length < MARKS_MAX - 1; index -= step) {
    const term = entries[index - base - 1]?.term;
    const link = chain.at(index);
    assert(term !== undefined && link !== undefined, 'a replayed log has no gap');
    marks.push({ index, term, link });
    if (marks.length >= DENSE_MARKS) step *= 2;
  }
  const link = chain.at(base);
  assert(link !== undefined, 'a chain holds the link that it starts from');
  return [...marks, { index: base, term: baseTerm, link }];
}

/**
 * Cuts a former log behind a mark that a leader has confirmed.
 *
 * @param mark one of those that `marksOf` gave for this very log
 * @param snapshotOpensJournal whether a snapshot's state holds a manifest
 * @returns undefined where the part is not worth a journal: it holds no manifest
 */
export function partUpTo(
  state: DurableState,
  mark: LogMark,
  snapshotOpensJournal: (data: Uint8Array) => boolean,
): ReusedLog | undefined {
  const { snapshot, snapshotLink } = state;
  if (snapshot === undefined || snapshotLink === undefined) return undefined;
  const entries = state.entries.filter(({ index }) => index <= mark.index);
  const isWorthKeeping =
    snapshotOpensJournal(snapshot.data) ||
    entries.some(
      ({ type, data }) => type === 'EntryNormal' && decodeEnvelope(data)?.opensJournal === true,
    );
  if (!isWorthKeeping) return undefined;
  const data = joinLink(snapshot.data, snapshotLink);
  return { snapshot: { ...snapshot, data }, entries, mark };
}

/**
 * A leader's side: the highest mark up to which its log is the same, and committed.
 *
 * @param marks in any order, as they came from outside
 */
export function confirmedIndex(
  marks: readonly Pick<LogMark, 'index' | 'link'>[],
  chain: LogChain,
  commitIndex: number,
): number | undefined {
  return marks
    .filter(({ index, link }) => index <= commitIndex && chain.confirms(index, link))
    .map(({ index }) => index)
    .toSorted((left, right) => right - left)[0];
}

function chainOf(state: DurableState, hash: HashParts): LogChain | undefined {
  const { snapshot, snapshotLink, entries } = state;
  if (snapshot === undefined || snapshotLink === undefined) return undefined;
  const chain = new LogChain(hash);
  chain.reset(snapshot.metadata.index, snapshotLink);
  chain.append(entries);
  return chain;
}
