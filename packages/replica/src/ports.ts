/**
 * What the driver needs from outside. The Coordinator gives real implementations, testkit and the
 * simulator give theirs; nothing else in this package has effects.
 */
import type { Secret, SlotName, IncarnationId } from '@witan/core';
import type { RecoveryNotice } from './recovery/ports.ts';
import type {
  ClusterLife,
  ConfirmAnswer,
  ConfirmRequest,
  Genesis,
  JoinAnswer,
  JoinRequest,
  Standing,
} from './standing.ts';

/** Timers on a monotonic clock. Wall-clock time never decides anything here (I5). */
export interface Scheduler {
  monotonicMs(): number;
  /** Runs `callback` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void;
  /** Runs `callback` after the events that are already waiting, so that they share its work. */
  soon(callback: () => void): void;
}

/**
 * Keeps what the engine would need to find again. The bytes are the caller's to seal: the
 * implementation encrypts every record before it reaches a disk (I4).
 */
export interface DurableLog {
  /** Resolves when all records are on disk, in order. A rejection is final: the replica stops. */
  append(records: readonly Uint8Array[]): Promise<void>;
  /**
   * Resolves when the snapshot and then `tail`, the records that still count behind it, are on
   * disk. Whatever was written before may then be dropped, and only then.
   */
  saveSnapshot(
    label: { readonly index: number; readonly term: number },
    snapshot: Uint8Array,
    tail: readonly Uint8Array[],
  ): Promise<void>;
}

/** Sealing under the cluster's keys, for what leaves attested memory (I4, I9). */
export interface Keyring {
  sealCommand(plaintext: Uint8Array): Uint8Array;
  /** @throws CodedError when the bytes were not sealed as a command by a member of this cluster */
  openCommand(sealed: Uint8Array): Uint8Array;
  sealSnapshot(plaintext: Uint8Array): Uint8Array;
  /** @throws CodedError when the bytes were not sealed as a snapshot by a member of this cluster */
  openSnapshot(sealed: Uint8Array): Uint8Array;
  /** Absent where keys are never renewed, as in simulations that seal nothing. */
  readonly generations?: KeyGenerations;
}

/** Which messages wait for which: those of another lane do not hold one up. */
export type Lane = 'urgent' | 'bulk';

/**
 * Generations of sealing keys: who left before one began cannot open what is sealed in it (I4).
 * `Keyring` seals in the newest.
 */
export interface KeyGenerations {
  /** Number of the seed that the newest generation derives from. */
  readonly seedNumber: number;
  /**
   * A command that begins the next generation, with fresh entropy. Secret until it is sealed.
   *
   * @param afterIndex what was applied when it was drawn
   */
  begin(afterIndex: number): Uint8Array;
  /** Takes up such a command; once for each. @returns undefined for any other command */
  take(
    command: Uint8Array,
  ): { readonly generation: number; readonly afterIndex: number } | undefined;
  /** All generations, sealed for whoever holds the seed. */
  seal(): Uint8Array;
  /**
   * Takes up what `seal` gave.
   *
   * @param candidates seeds that may have come into force before it was sealed
   * @throws CodedError when no member of this cluster sealed it
   */
  open(sealed: Uint8Array, candidates?: readonly Secret[]): void;
  /** Seals under a later seed from now on. @param salt 32 bytes, not secret, alike everywhere */
  beginUnder(number: number, seed: Secret, salt: Uint8Array): void;
  /** Forgets the seeds before the one in force, and what derives from them. */
  forgetFormer(): void;
}

/** Sends Raft messages. May lose, delay and reorder them; never changes or invents any (I1). */
export interface MessageSink {
  /** @returns false when there is no way to that node now */
  send(nodeId: number, messages: readonly Uint8Array[], lane: Lane): boolean;
  /** Sends a snapshot beside the messages; where it is missing, snapshots go as messages. */
  sendSnapshot?(nodeId: number, parcel: SnapshotParcel): SnapshotTransfer;
}

/** A snapshot as it travels. Neither part may change until the transfer has finished. */
export interface SnapshotParcel {
  /** The MsgSnap that announces it, with an empty state. */
  readonly message: Uint8Array;
  readonly state: Uint8Array;
}

/** A snapshot under way. */
export interface SnapshotTransfer {
  readonly finished: Promise<SnapshotOutcome>;
  cancel(): void;
}

/** `unsupported`: the other side takes no snapshots beside messages; it gets it as a message. */
export type SnapshotOutcome = 'arrived' | 'failed' | 'unsupported';

/** The next seed, on its way from the leader to a member. Over attested channels only (I1). */
export interface SeedDelivery extends ClusterLife {
  /** Its number. */
  readonly number: number;
  /** 32 bytes. */
  readonly seed: Secret;
}

/** Whether a member holds the seed now, or why not. */
export interface SeedReceipt {
  readonly accepted: boolean;
  readonly code: string;
}

/** Where an answer came from: the identity that the channel proved. */
export interface Answer<Value> {
  readonly from: IncarnationId;
  readonly value: Value;
}

/** Calls to other replicas, over attested channels. Each rejects when it cannot be answered. */
export interface PeerCalls {
  greet(slot: SlotName, own: Standing): Promise<Answer<Standing>>;
  deliverGenesis(
    slot: SlotName,
    receiver: IncarnationId,
    genesis: Genesis,
  ): Promise<{ readonly accepted: boolean; readonly code: string }>;
  join(slot: SlotName, request: JoinRequest): Promise<Answer<JoinAnswer>>;
  /** Absent where former logs are not reused. */
  confirmLog?(slot: SlotName, request: ConfirmRequest): Promise<Answer<ConfirmAnswer>>;
  /** Hands the next seed to a member. Absent where seeds are not rotated. */
  deliverSeed?(
    slot: SlotName,
    receiver: IncarnationId,
    delivery: SeedDelivery,
  ): Promise<SeedReceipt>;
  /**
   * Tells a replica without a working cluster what one holds, and is told the same.
   *
   * @param receiver the incarnation that may have it: it holds secrets (I1)
   */
  recover(
    slot: SlotName,
    receiver: IncarnationId,
    notice: RecoveryNotice,
  ): Promise<Answer<RecoveryNotice>>;
}

/** A cluster's root secrets as one value; see life/seed-chain.ts for what is inside. */
export type Seed = Secret;
