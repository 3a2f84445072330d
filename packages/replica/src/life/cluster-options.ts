/** What a replica's part in one cluster is made from. */
import type { ClusterId, Crypto, Epoch, Sha256Hex, SlotName } from '@witan/core';
import type { StateMachineOptions } from '@witan/state-machine';
import type { DurableLog, Keyring, Scheduler, Seed } from '../ports.ts';
import type { SeedRotation } from './seed-desk.ts';
import type { EngineTuning } from '../raft/tuning.ts';
import type { ReusedLog } from '../reuse/reused-log.ts';
import type { PeerIdentity, PeerSending } from '../standing.ts';

/** See the head of this file. */
export interface ClusterOptions<ReferenceValues> extends PeerSending {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly opening: Sha256Hex;
  readonly seed: Seed;
  readonly slots: readonly SlotName[];
  readonly self: PeerIdentity;
  /**
   * The first voters of the epoch: this replica is one of them. A newcomer has none and waits for a
   * snapshot.
   */
  readonly founders: readonly PeerIdentity[] | undefined;
  /** A newcomer's former log, as far as the leader has confirmed it. */
  readonly reused?: ReusedLog | undefined;
  /** The state that they begin with; absent in the first epoch. See `Reopening`. */
  readonly state?: Uint8Array;
  /** Whom a newcomer can reach. */
  readonly known: readonly PeerIdentity[];
  readonly keyring: Keyring;
  readonly durable: DurableLog;
  /** Absent where seeds are not rotated. */
  readonly seedRotation?: SeedRotation | undefined;
  readonly crypto: Crypto;
  readonly machine: StateMachineOptions<ReferenceValues>;
  readonly scheduler: Scheduler;
  readonly randomInt: (bound: number) => number;
  readonly tuning?: Partial<EngineTuning>;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  /** State, role or membership changed. */
  readonly onChange: () => void;
  /** This incarnation is no member any more. */
  readonly onRemoved: () => void;
  readonly fatal: (error: unknown) => void;
}
