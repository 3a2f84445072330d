/**
 * Requests to change the membership, and how a request selects the simple or the joint protocol.
 */
import { NO_BYTES, type NodeId } from '../types.ts';

/** What to do with one member. `update` changes nothing here: it only carries a context. */
export type ConfChangeType = 'add-voter' | 'add-learner' | 'remove' | 'update';

/** One member added, removed or updated. */
export type ConfChangeSingle = {
  readonly type: ConfChangeType;
  readonly nodeId: NodeId;
};

/** One change of at most one voter, stored as EntryConfChange (the older form). */
export type ConfChange = ConfChangeSingle & {
  /** Bytes for the application, such as the new member's address. */
  readonly context: Uint8Array;
};

/**
 * `auto`: simple if at most one change, else joint and left automatically. `implicit`: joint,
 * left automatically. `explicit`: joint, left by an empty `auto` change that the caller proposes.
 */
export type ConfChangeTransition = 'auto' | 'implicit' | 'explicit';

/** Any number of changes at once. Empty with `auto`: leave the joint configuration. */
export type ConfChangeV2 = {
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array;
};

/** The change that leaves a joint configuration. */
export const LEAVE_JOINT: ConfChangeV2 = Object.freeze({
  transition: 'auto',
  changes: [],
  context: NO_BYTES,
});

/** Tells the two forms apart. */
export function isConfChangeV2(change: ConfChange | ConfChangeV2): change is ConfChangeV2 {
  return 'changes' in change;
}

/** The same request in the newer form. */
export function asConfChangeV2(change: ConfChange | ConfChangeV2): ConfChangeV2 {
  if (isConfChangeV2(change)) return change;
  const changes = [{ type: change.type, nodeId: change.nodeId }];
  return { transition: 'auto', changes, context: change.context };
}

/** Whether the request leaves a joint configuration. */
export function leavesJoint(change: ConfChangeV2): boolean {
  return change.transition === 'auto' && change.changes.length === 0;
}

/** Whether the request enters a joint configuration, and if so whether it is left automatically. */
export function entersJoint(change: ConfChangeV2): { readonly autoLeave: boolean } | undefined {
  if (change.transition === 'auto' && change.changes.length <= 1) return undefined;
  return { autoLeave: change.transition !== 'explicit' };
}
