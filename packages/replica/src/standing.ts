/**
 * What replicas tell each other before and beside consensus. Plain values; wire forms are
 * elsewhere.
 */
import type { ClusterId, Epoch, IncarnationId, Secret, Sha256Hex, SlotName } from '@witan/core';
import type { Lane, SnapshotParcel, SnapshotTransfer } from './ports.ts';

/** A replica as its peers know it. */
export interface PeerIdentity {
  readonly nodeId: number;
  readonly slot: SlotName;
  readonly incarnation: IncarnationId;
  /** host:port; a hint that carries no trust. */
  readonly address: string;
  /** The highest state version that it applies; absent where it announced none, which is 0. */
  readonly version?: number;
}

/**
 * `new`: no cluster, nothing on disk. `sealed`: no cluster, sealed state on disk. `unsettled`: in a
 * cluster that has no manifest in its log and no leader, so it may be founded again. `member`: in a
 * cluster.
 */
export type StandingKind = 'new' | 'sealed' | 'unsettled' | 'member';

/** Where a replica stands, as it says itself. */
export interface Standing {
  readonly kind: StandingKind;
  readonly self: PeerIdentity;
  /** Slot names from the measured configuration, in its order. */
  readonly slots: readonly SlotName[];
  readonly cluster?: {
    readonly clusterId: ClusterId;
    readonly epoch: Epoch;
    /** Hash of the recovery record that began the epoch; `NO_TRANSITION` in the first. */
    readonly opening: Sha256Hex;
    readonly appliedIndex: number;
    readonly members: readonly PeerIdentity[];
    readonly leader?: PeerIdentity;
  };
}

/**
 * The founding of a cluster, or its reopening after a full recovery. Moves over attested channels
 * only (I1).
 */
export interface Genesis {
  readonly clusterId: ClusterId;
  readonly seed: Secret;
  readonly slots: readonly SlotName[];
  /** The first voters; in a founding one for each slot. */
  readonly members: readonly PeerIdentity[];
  /** Where the cluster goes on; absent in a founding. */
  readonly reopening?: Reopening;
}

/** What a new epoch begins with (I7). */
export interface Reopening {
  readonly epoch: Epoch;
  /** Hash of its recovery record. */
  readonly opening: Sha256Hex;
  /** The state with that record in its history, as `ClusterState.snapshot` makes it. */
  readonly state: Uint8Array;
}

/**
 * One life of a cluster. Two groups of replicas that were cut apart might both open the same epoch;
 * the opening tells them apart, so that nothing of one ever counts in the other.
 */
export interface ClusterLife {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly opening: Sha256Hex;
}

/** Whether both are the same. */
export function isSameLife(left: ClusterLife, right: ClusterLife): boolean {
  return (
    left.clusterId === right.clusterId &&
    left.epoch === right.epoch &&
    left.opening === right.opening
  );
}

/** A newcomer’s request. */
export interface JoinRequest {
  readonly self: PeerIdentity;
  readonly slots: readonly SlotName[];
}

/** Why a newcomer is not let in. Coarse, and safe to send. */
export type JoinRefusal =
  | 'SLOTS_DIFFER'
  | 'SLOT_UNKNOWN'
  | 'IDENTITY_MISMATCH'
  | 'NODE_ID_TAKEN'
  | 'INCARNATION_RETIRED'
  /** The cluster uses what the newcomer's build cannot apply. */
  | 'VERSION_TOO_OLD';

/** The answer to a newcomer. */
export type JoinAnswer =
  | {
      readonly kind: 'admitted';
      readonly clusterId: ClusterId;
      readonly epoch: Epoch;
      readonly opening: Sha256Hex;
      readonly seed: Secret;
      readonly slots: readonly SlotName[];
      readonly members: readonly PeerIdentity[];
    }
  | { readonly kind: 'not-leader'; readonly leader?: PeerIdentity }
  | { readonly kind: 'busy'; readonly code: string }
  | {
      readonly kind: 'refused';
      readonly code: JoinRefusal;
      /** With `VERSION_TOO_OLD`: the state version that a member needs. */
      readonly needed?: number;
    };

/** Asks a leader how much of a former log its own confirms. */
export interface ConfirmRequest {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** Index and hash chain of entries; descending. */
  readonly marks: readonly { readonly index: number; readonly link: Uint8Array }[];
}

/** The answer to that. `confirmed`: the highest of the marks that is committed; absent for none. */
export type ConfirmAnswer =
  | { readonly kind: 'confirmed'; readonly index?: number }
  | { readonly kind: 'not-leader' }
  | { readonly kind: 'refused'; readonly code: ConfirmRefusal };

/** Why a leader does not look at marks. Coarse, and safe to send. */
export type ConfirmRefusal = 'ANOTHER_CLUSTER' | 'NOT_A_MEMBER' | 'TOO_MANY_MARKS';

/** A snapshot that a peer has sent beside its messages. */
export interface ArrivedSnapshot {
  readonly from: PeerIdentity;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly opening: Sha256Hex;
  /** The MsgSnap that announces it, with an empty state. */
  readonly message: Uint8Array;
  readonly state: Uint8Array;
}

/** What carries Raft from replica to replica. */
export interface PeerSending {
  /** @returns false when there is no way to that peer now */
  readonly send: (to: PeerIdentity, messages: readonly Uint8Array[], lane: Lane) => boolean;
  /** Sends a snapshot beside the messages; where it is missing, it goes as one of them. */
  readonly sendSnapshot?: (to: PeerIdentity, parcel: SnapshotParcel) => SnapshotTransfer;
}
