/**
 * Ready: everything that the driver has to do after some steps, and the rules of their order.
 */
import type { Core } from './core.ts';
import type { Role } from './events.ts';
import type { ReadState } from './read-queue.ts';
import {
  LocalAppendThread,
  LocalApplyThread,
  NO_NODE,
  makeMessage,
  type Entry,
  type HardState,
  type Message,
  type NodeId,
  type Snapshot,
} from './types.ts';

/** What need not be stored: who leads, and this node's role. */
export type SoftState = { readonly lead: NodeId; readonly role: Role };

/**
 * One batch of work. Synchronous mode, in this order:
 * 1. store `snapshot` or append `entries`, and store `hardState`; make them durable if `mustSync`;
 * 2. send `messages` (those of a leader may leave before the write is durable: MsgApp,
 *    MsgHeartbeat, MsgSnap, MsgVote, MsgPreVote, MsgTimeoutNow, MsgReadIndex and its response);
 * 3. apply `snapshot`, then `committedEntries`; call `applyConfChange` for each change;
 * 4. call `advance`.
 *
 * Asynchronous mode: `messages` holds MsgStorageAppend and MsgStorageApply as well. Each thread
 * does its messages in order, and delivers `responses` (to peers, or to `step`) once the work is
 * durable or done. A MsgStorageAppend without responses needs no sync. The other fields are for
 * information, and `advance` is not called. A snapshot can overtake entries that wait to be
 * applied: once it is installed, those at or below its index must be skipped, membership changes
 * among them as well, and their MsgStorageApply still be answered.
 */
export type Ready = {
  /** Present if changed. */
  readonly softState: SoftState | undefined;
  /** Present if changed. */
  readonly hardState: HardState | undefined;
  readonly readStates: readonly ReadState[];
  /** To append to storage, replacing whatever stands at or after the first index. */
  readonly entries: readonly Entry[];
  /** To replace storage and state machine. */
  readonly snapshot: Snapshot | undefined;
  /** To apply to the state machine. */
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
  /** Whether step 1 must be durable before messages that depend on it leave. */
  readonly mustSync: boolean;
};

/** Asks a MsgStorageAppend of the append thread. */
export function storageAppendMessage(
  core: Core,
  ready: Pick<Ready, 'entries' | 'hardState' | 'snapshot'>,
): Message | undefined {
  const { entries, hardState, snapshot } = ready;
  const responses = [...core.messagesAfterAppend];
  const nothing = entries.length === 0 && hardState === undefined && snapshot === undefined;
  if (nothing && responses.length === 0) return undefined;
  const response = storageAppendResponse(core, snapshot);
  if (response !== undefined) responses.push(response);
  return makeMessage({
    type: 'MsgStorageAppend',
    to: LocalAppendThread,
    from: core.id,
    term: hardState?.term ?? 0,
    vote: hardState?.vote ?? NO_NODE,
    commit: hardState?.commit ?? 0,
    entries,
    snapshot,
    responses,
  });
}

/**
 * What the append thread answers. It names the end of the log whenever anything is unstable, not
 * only what this message appends: if an answer is ignored because the term moved on, a later one
 * still releases the tail.
 */
export function storageAppendResponse(
  core: Core,
  snapshot: Snapshot | undefined,
): Message | undefined {
  const unstable = core.log.unstable.hasEntries();
  if (!unstable && snapshot === undefined) return undefined;
  const last = unstable ? core.log.lastEntryId() : { index: 0, term: 0 };
  return makeMessage({
    type: 'MsgStorageAppendResp',
    to: core.id,
    from: LocalAppendThread,
    term: core.term,
    index: last.index,
    logTerm: last.term,
    snapshot,
  });
}

/** Asks a MsgStorageApply of the apply thread. */
export function storageApplyMessage(core: Core, entries: readonly Entry[]): Message | undefined {
  if (entries.length === 0) return undefined;
  const responses = [storageApplyResponse(core, entries)];
  return makeMessage({
    type: 'MsgStorageApply',
    to: LocalApplyThread,
    from: core.id,
    entries,
    responses,
  });
}

/** What the apply thread answers. Belongs to no term: applying cannot be undone. */
export function storageApplyResponse(core: Core, entries: readonly Entry[]): Message {
  return makeMessage({
    type: 'MsgStorageApplyResp',
    to: core.id,
    from: LocalApplyThread,
    entries,
  });
}
