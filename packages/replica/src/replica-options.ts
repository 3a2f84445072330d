/** What a replica is made from, and where in its life it can be. */
import type { ClusterId, Crypto, Epoch, Random, Secret, SlotName } from '@witan/core';
import type { StateMachineOptions } from '@witan/state-machine';
import type { DurableLog, Keyring, PeerCalls, Scheduler, Seed } from './ports.ts';
import type { EngineTuning } from './raft/tuning.ts';
import type { RecoveryPorts } from './recovery/ports.ts';
import type { FormerLogSource } from './reuse/reuse.ts';
import type { PeerIdentity, PeerSending } from './standing.ts';

/** Where in its life a replica is. */
export type Phase =
  'discovering' | 'founded' | 'joining' | 'serving' | 'sealed' | 'removed' | 'stopped';

/** What a replica is made from. */
export interface ReplicaOptions<ReferenceValues> extends PeerSending, FormerLogSource {
  readonly self: PeerIdentity;
  /** Slot names of the measured configuration. */
  readonly slots: readonly SlotName[];
  /** Whether earlier incarnations of this slot left sealed state on disk. */
  readonly holdsSealedState: boolean;
  readonly peers: PeerCalls;
  /** What full recovery needs. */
  readonly recovery: RecoveryPorts;
  readonly openKeyring: (seed: Seed, clusterId: ClusterId, epoch: Epoch) => Keyring;
  readonly openDurableLog: (seed: Seed, clusterId: ClusterId, epoch: Epoch) => DurableLog;
  /** DER SubjectPublicKeyInfo of a seed's history key. Absent where seeds are not rotated. */
  readonly historyPublicKey?: (seed: Secret, clusterId: ClusterId) => Uint8Array;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly machine: StateMachineOptions<ReferenceValues>;
  readonly scheduler: Scheduler;
  readonly tuning?: Partial<EngineTuning>;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  readonly onChange: () => void;
  readonly fatal: (error: unknown) => void;
}
