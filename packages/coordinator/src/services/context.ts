/** What the services share: the replica and everything that an answer is made of. */
import type { ReferenceValues } from '@witan/attestation';
import {
  CanonicalWriter,
  bytesEqual,
  fromHex,
  type Clock,
  type Crypto,
  type SlotName,
} from '@witan/core';
import {
  deriveHistorySigningKey,
  deriveMeshCaKey,
  loadCertificateAuthority,
  seedFromBytes,
  signP256,
  type CertificateAuthority,
  type Seed,
} from '@witan/keys';
import {
  highWaterMarkBytes,
  recoveryBytes,
  transitionBytes,
  type HighWaterMark,
  type SignedRecovery,
  type SignedTransition,
} from '@witan/manifest';
import type { Cluster, Replica, Writer } from '@witan/replica';
import { ReplicaError } from '@witan/replica';
import type { CommandResult, StateView } from '@witan/state-machine';
import type { Metrics } from '@witan/telemetry';
import { PublicError } from '@witan/transport';
import { seedInUse } from '../authorities.ts';
import type { Rules } from '../evidence/rules.ts';
import type { Operation } from '../operations.ts';
import type { PeerNetwork } from '../peers/network.ts';

export interface ServiceContext {
  readonly replica: Replica<ReferenceValues>;
  readonly writer: Writer<Operation, CommandResult, ReferenceValues>;
  readonly rules: Rules;
  readonly slot: SlotName;
  /** A replica of that slot has called. */
  readonly heardFrom: (slot: SlotName) => void;
  /** Asks another replica, taken for the leader, what only a leader can answer. */
  readonly askPeer: PeerNetwork['askLeader'];
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly counters: Metrics;
  readonly version: string;
  /** Whether own evidence is simulated (I11). */
  readonly simulatedSelf: boolean;
}

/** How long a read or write may take before its caller is told to try elsewhere. */
export const READ_MS = 5_000;
export const WRITE_MS = 15_000;

/** The cluster, or an answer that says why there is none. */
export function clusterOf(context: ServiceContext): Cluster<ReferenceValues> {
  const { cluster, waiting } = context.replica;
  if (cluster !== undefined) return cluster;
  const phase = context.replica.phase();
  const code = phase === 'sealed' ? 'SEALED' : 'NOT_FOUNDED';
  throw new PublicError('UNAVAILABLE', code, 'this replica belongs to no cluster', {
    slot: context.slot,
    waitingFor: waiting?.code ?? 'NOTHING',
    slots: waiting?.slots.join(',') ?? '',
  });
}

/** The state after everything that was acknowledged anywhere before this call (I5). */
export async function currentView(context: ServiceContext): Promise<StateView<ReferenceValues>> {
  const cluster = clusterOf(context);
  await publicly(confirm(context, cluster, READ_MS));
  return cluster.state.machine;
}

// What a quorum confirmed last, by cluster: gone with it.
const CONFIRMED = new WeakMap<Cluster<ReferenceValues>, HighWaterMark>();

async function confirm(
  context: ServiceContext,
  cluster: Cluster<ReferenceValues>,
  timeoutMs: number,
): Promise<void> {
  await cluster.engine.readBarrier({ timeoutMs });
  const { machine } = cluster.state;
  if (machine.generation === 0) return;
  CONFIRMED.set(cluster, markOf(context, machine));
}

/** A mark for an answer that is given in any case, and whether a quorum confirmed it just now. */
export interface BestMark {
  readonly highWaterMark: WireSigned<'mark'>;
  readonly highWaterMarkConfirmed: boolean;
}

/**
 * The mark of now where a quorum confirms it in time, else the last one that it confirmed (I5, I6).
 * Undefined where there is none: before the first manifest, or before this replica first read.
 *
 * @param timeoutMs how long to wait for the quorum
 */
export async function bestMark(
  context: ServiceContext,
  timeoutMs: number,
): Promise<BestMark | undefined> {
  const { cluster } = context.replica;
  if (cluster === undefined || cluster.state.machine.generation === 0) return undefined;
  const highWaterMarkConfirmed = await confirm(context, cluster, timeoutMs).then(
    () => true,
    (error: unknown) => {
      if (!(error instanceof ReplicaError)) throw error;
      return false;
    },
  );
  const mark = CONFIRMED.get(cluster);
  if (mark === undefined) return undefined;
  return { highWaterMark: sign(cluster, mark), highWaterMarkConfirmed };
}

/** Turns the driver's errors into answers. */
export async function publicly<Value>(promise: Promise<Value>): Promise<Value> {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof ReplicaError)) throw error;
    const message = 'the cluster gives no answer now';
    throw new PublicError('UNAVAILABLE', error.code, message, {}, error);
  }
}

/**
 * A seed by its number, as the state has them.
 *
 * @returns undefined where it is retired
 */
export function seedOf(
  { seeds }: Pick<Cluster<ReferenceValues>, 'seeds'>,
  number: number,
): Seed | undefined {
  const seed = seeds.of(number);
  return seed === undefined ? undefined : seedFromBytes(seed.expose());
}

/** The same where it is in use, and so held. */
function clusterSeed(cluster: Pick<Cluster<ReferenceValues>, 'seeds'>, number: number): Seed {
  return seedInUse((of) => seedOf(cluster, of), number);
}

/** Signs what this replica vouches for (I6). */
export function signedMark(
  context: Pick<ServiceContext, 'clock'>,
  cluster: Cluster<ReferenceValues>,
): WireSigned<'mark'> {
  return sign(cluster, markOf(context, cluster.state.machine));
}

/** The state, and the head of its log: one signature binds both (I6). */
function markOf(
  context: Pick<ServiceContext, 'clock'>,
  view: StateView<ReferenceValues>,
): HighWaterMark {
  return { ...view.floor(), timeMs: context.clock.now(), log: view.log.head() };
}

function sign(cluster: Cluster<ReferenceValues>, of: HighWaterMark): WireSigned<'mark'> {
  const mark = highWaterMarkBytes(of);
  return { mark, signature: signP256(keysOf(cluster).history, mark) };
}

/** A record's canonical bytes under a name of its own, and the signature over them. */
type WireSigned<Name extends string> = Readonly<Record<Name | 'signature', Uint8Array>>;

export function transitionToWire(signed: SignedTransition): WireSigned<'transition'> {
  return { transition: transitionBytes(signed.transition), signature: signed.signature };
}

/**
 * A recovery under the history key in force, for whoever is not shown the keys before it: what its
 * hash covers is the same.
 */
export function recoveryNow(
  cluster: Cluster<ReferenceValues>,
  { recovery }: SignedRecovery,
): WireSigned<'recovery'> {
  const bytes = recoveryBytes(recovery);
  return { recovery: bytes, signature: signP256(keysOf(cluster).history, bytes) };
}

export function recoveryToWire(signed: SignedRecovery): WireSigned<'recovery'> {
  return { recovery: recoveryBytes(signed.recovery), signature: signed.signature };
}

interface ClusterKeys {
  /** Number of the seed that the history key derives from. */
  readonly seedNumber: number;
  readonly history: ReturnType<typeof deriveHistorySigningKey>;
  meshCa: CertificateAuthority | undefined;
}

// Derived keys by cluster: gone with it.
const KEYS = new WeakMap<Cluster<ReferenceValues>, ClusterKeys>();

function keysOf(cluster: Cluster<ReferenceValues>): ClusterKeys {
  const known = KEYS.get(cluster);
  const seedNumber = cluster.state.machine.rotations.seeds.number;
  if (known?.seedNumber === seedNumber) return known;
  const keys: ClusterKeys = {
    seedNumber,
    history: deriveHistorySigningKey(clusterSeed(cluster, seedNumber), cluster.clusterId),
    meshCa: undefined,
  };
  KEYS.set(cluster, keys);
  return keys;
}

/** The mesh CA in use; undefined before the first manifest. */
export function meshCaOf(cluster: Cluster<ReferenceValues>): CertificateAuthority | undefined {
  const keys = keysOf(cluster);
  const { generation, head, meshCaCertificate, rotations } = cluster.state.machine;
  if (meshCaCertificate === undefined) return undefined;
  if (keys.meshCa === undefined || !bytesEqual(keys.meshCa.certificateDer, meshCaCertificate)) {
    const { active } = rotations.meshCa;
    const seed = clusterSeed(cluster, rotations.seedOfMeshCa(generation, active));
    const key = deriveMeshCaKey(seed, cluster.clusterId, generation, head, active);
    keys.meshCa = loadCertificateAuthority(key, meshCaCertificate);
  }
  return keys.meshCa;
}

/** What a workload signs to show that it holds the key to be certified (proto/workload). */
export function possessionBytes(channelBinding: Uint8Array): Uint8Array {
  return new CanonicalWriter()
    .fixed(new TextEncoder().encode('witan/v1/possession'))
    .fixed(channelBinding)
    .finish();
}

export const clusterIdBytes = (cluster: Cluster<ReferenceValues>): Uint8Array =>
  fromHex(cluster.clusterId);
