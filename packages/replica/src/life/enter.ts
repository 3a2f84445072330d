/** Entering a cluster: as one of its first voters, or as a newcomer. */
import type { SlotName } from '@witan/core';
import type { Seed } from '../ports.ts';
import type { ReplicaOptions } from '../replica-options.ts';
import type { ClusterLife, PeerIdentity, Reopening } from '../standing.ts';
import type { ReusedLog } from '../reuse/reused-log.ts';
import { Cluster } from './cluster.ts';
import type { SeedRotation } from './seed-desk.ts';
import { randomBelow } from './random-below.ts';

/** What is known of the cluster. */
export interface Entry extends ClusterLife {
  readonly seed: Seed;
  readonly slots: readonly SlotName[];
  readonly reopening?: Reopening | undefined;
  /** A newcomer's former log, as far as the leader has confirmed it. */
  readonly reused?: ReusedLog | undefined;
  /** The first voters of the epoch, when this replica is one of them. */
  readonly founders: readonly PeerIdentity[] | undefined;
  /** Whom to reach. */
  readonly known: readonly PeerIdentity[];
}

/** Makes this replica's part in a cluster. @param onRemoved see `ClusterOptions` */
export function enterCluster<ReferenceValues>(
  options: ReplicaOptions<ReferenceValues>,
  entry: Entry,
  onRemoved: () => void,
): Cluster<ReferenceValues> {
  const { clusterId, epoch, opening, seed, slots, reopening, reused, founders, known } = entry;
  const { self, send, sendSnapshot, random, tuning } = options;
  return new Cluster({
    clusterId,
    epoch,
    opening,
    seed,
    slots,
    founders,
    known,
    reused,
    ...(reopening === undefined ? {} : { state: reopening.state }),
    ...(sendSnapshot === undefined ? { self, send } : { self, send, sendSnapshot }),
    keyring: options.openKeyring(seed, clusterId, epoch),
    durable: options.openDurableLog(seed, clusterId, epoch),
    seedRotation: seedRotationOf(options),
    crypto: options.crypto,
    machine: options.machine,
    scheduler: options.scheduler,
    randomInt: (bound) => randomBelow(random, bound),
    ...(tuning === undefined ? {} : { tuning }),
    onEvent: options.onEvent,
    onChange: options.onChange,
    onRemoved,
    fatal: options.fatal,
  });
}

function seedRotationOf(options: ReplicaOptions<unknown>): SeedRotation | undefined {
  const { peers, historyPublicKey, random, scheduler } = options;
  if (peers.deliverSeed === undefined || historyPublicKey === undefined) return undefined;
  return { random, scheduler, deliver: peers.deliverSeed.bind(peers), historyPublicKey };
}
