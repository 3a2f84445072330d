/**
 * Revocation lists, one for each CA whose certificates may be met, made from the state and signed
 * here. How many certificates there are is up to workloads, so lists have a bound in bytes: what
 * they go into has to fit into a message, or nobody would get credentials any more (I10).
 */
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import {
  fromHex,
  generation,
  unixMillis,
  type Generation,
  type Sha256Hex,
  type UnixMillis,
} from '@witan/core';
import {
  createRevocationList,
  deriveMeshCaKey,
  deriveRootCaKey,
  isSimulatedCertificate,
  loadCertificateAuthority,
  meshCaSigner,
  type CertificateSigner,
  type RevokedCertificate,
  type Seed,
} from '@witan/keys';
import { parseManifest } from '@witan/manifest';
import type { Cluster } from '@witan/replica';
import type { IssuedIdentity, RotationRecord, StateView } from '@witan/state-machine';
import { isSimulated } from '../operations.ts';
import { seedOf, type ServiceContext } from './context.ts';
import { takenNames } from './taken-names.ts';

type View = StateView<ReferenceValues>;

/** Longer than any leaf lives, so that who never fetches another list is no worse off than now. */
const LIST_LIFETIME_MS = 31 * 24 * 3_600_000;
/** Lists begin a little early, for verifiers whose clocks are behind. */
const CLOCK_SKEW_MS = 5 * 60_000;
/** The same lists serve for so long, unless what they say changes. */
const LIST_AGE_MS = 60_000;
/** All lists together: half of what a message to a workload may hold. */
const LISTS_BYTES_MAX = 2 * 1024 * 1024;
/** Certificates that an answer names one by one, the newest. */
const RECORDS_MAX = 8192;
/** One entry of a list: a serial number of 16 bytes, a time, and what is around them. */
const ENTRY_BYTES = 37;
/** A list without entries. */
const LIST_BYTES = 400;

/** Changes with everything for which a workload should come again. */
export function trustVersion({ generation: number, rotations }: View): number {
  return number + rotations.records.length;
}

/** A certificate that counts no longer. */
export interface RevokedIdentity extends IssuedIdentity {
  /** The clock of the leader that set the manifest. */
  readonly revokedAt: UnixMillis;
}

/** What is revoked, and the lists that say so. */
export interface Revocations {
  /** DER, in the order of generations, the lists of roots before them. */
  readonly lists: readonly Uint8Array[];
  /**
   * CAs of former manifests with so many revoked certificates that there is no list. Whoever
   * demands a list for each CA refuses all that such a CA has signed.
   */
  readonly listsLeftOut: number;
  /** Revoked and not expired, in the order of their issue; the newest where there are more. */
  readonly revoked: readonly RevokedIdentity[];
  readonly revokedCount: number;
}

interface Made {
  readonly key: string;
  readonly atMs: number;
  readonly made: Revocations;
}

// Signing anew for everybody who asks would be a way to keep a replica busy.
const MADE = new WeakMap<Cluster<ReferenceValues>, Made>();

/** The revocations of now; the same for a minute, unless what they say changes. */
export function revocationsOf(
  { clock, crypto }: Pick<ServiceContext, 'clock' | 'crypto'>,
  cluster: Cluster<ReferenceValues>,
): Revocations {
  const view = cluster.state.machine;
  const now = clock.now();
  const key = `${trustVersion(view)}/${view.revocationNumber}`;
  const known = MADE.get(cluster);
  if (known?.key === key && Math.abs(now - known.atMs) < LIST_AGE_MS) return known.made;
  const made = makeRevocations(cluster, { now, crypto });
  MADE.set(cluster, { key, atMs: now, made });
  return made;
}

/** @param bytesMax of all lists together */
export function makeRevocations(
  cluster: Pick<Cluster<ReferenceValues>, 'seeds' | 'state'>,
  {
    now,
    crypto,
    bytesMax = LISTS_BYTES_MAX,
  }: { readonly now: number; readonly bytesMax?: number } & Pick<ServiceContext, 'crypto'>,
): Revocations {
  const view = cluster.state.machine;
  const { issuers, revoked } = revokedByIssuer(view, now);
  const roots = rootSigners(cluster);
  const budget = bytesMax - roots.length * LIST_BYTES;
  // What a retired seed has signed, no root that counts vouches for.
  const counting = issuers.filter((place) => seedOfPlace(cluster, place) !== undefined);
  const kept = withinBudget(counting, budget);
  const times = {
    number: view.appliedIndex,
    thisUpdate: unixMillis(now - CLOCK_SKEW_MS),
    nextUpdate: unixMillis(now + LIST_LIFETIME_MS),
  };
  const rootLists = roots.map((issuer) => createRevocationList({ ...times, issuer, revoked: [] }));
  const meshLists = kept.flatMap(({ revoked: ofIssuer, ...place }) => {
    const issuer = meshSigner(cluster, place, crypto);
    if (issuer === undefined) return [];
    return [createRevocationList({ ...times, issuer, revoked: ofIssuer })];
  });
  return {
    lists: [...rootLists, ...meshLists],
    listsLeftOut: counting.length - kept.length,
    revoked: revoked.slice(-RECORDS_MAX),
    revokedCount: revoked.length,
  };
}

interface CaPlace {
  readonly generation: Generation;
  readonly rotation: number;
}

interface Issuer extends CaPlace {
  readonly revoked: RevokedCertificate[];
}

/** Every mesh CA whose certificates may be met, and what is revoked of each. */
function revokedByIssuer(
  view: View,
  now: number,
): { readonly issuers: readonly Issuer[]; readonly revoked: readonly RevokedIdentity[] } {
  const issuers = new Map<string, Issuer>();
  const enter = (place: CaPlace): RevokedCertificate[] => {
    const name = `${place.generation}/${place.rotation}`;
    const entry = issuers.get(name) ?? { ...place, revoked: [] };
    issuers.set(name, entry);
    return entry.revoked;
  };
  const { meshCa, records } = view.rotations;
  const activations = records.filter(
    ({ step }) => step.target === 'mesh-ca' && step.step === 'activate',
  );
  enter({ generation: view.generation, rotation: meshCa.active });
  if (meshCa.phase === 'prepared') {
    enter({ generation: view.generation, rotation: meshCa.newest });
  }
  const takenAt = takenNames(view);
  const all: RevokedIdentity[] = [];
  for (const record of view.issued()) {
    if (record.notAfterMs <= now) continue;
    const revoked = enter(issuerOf(view, activations, record));
    const revokedAt = view.revocationOf(record)?.timeMs ?? takenAt(record);
    if (revokedAt === undefined) continue;
    revoked.push({ serial: fromHex(record.serial), revokedAt });
    all.push({ ...record, revokedAt });
  }
  const sorted = [...issuers.values()].toSorted((one, other) => one.generation - other.generation);
  return { issuers: sorted, revoked: all };
}

/** Short lists first. The CAs of the manifest in force have revoked nothing, so they stay. */
function withinBudget(issuers: readonly Issuer[], bytesMax: number): readonly Issuer[] {
  let left = bytesMax;
  const kept = new Set<Issuer>();
  const sizeOf = ({ revoked }: Issuer): number => LIST_BYTES + revoked.length * ENTRY_BYTES;
  for (const issuer of issuers.toSorted((one, other) => sizeOf(one) - sizeOf(other))) {
    left -= sizeOf(issuer);
    if (left < 0) break;
    kept.add(issuer);
  }
  return issuers.filter((issuer) => kept.has(issuer));
}

type Keys = Pick<Cluster<ReferenceValues>, 'seeds' | 'state'>;

/** What the key of a mesh CA derives from; undefined where that is retired. */
function seedOfPlace(cluster: Keys, { generation: number, rotation }: CaPlace): Seed | undefined {
  return seedOf(cluster, cluster.state.machine.rotations.seedOfMeshCa(number, rotation));
}

function meshSigner(
  cluster: Keys,
  place: CaPlace,
  crypto: ServiceContext['crypto'],
): CertificateSigner | undefined {
  const { generation: number, rotation } = place;
  const view = cluster.state.machine;
  const transition = transitionOf(view, number);
  const seed = seedOfPlace(cluster, place);
  if (seed === undefined) return undefined;
  const key = deriveMeshCaKey(seed, view.clusterId, number, transition, rotation);
  const simulated = wasSimulated(view, number, crypto);
  return meshCaSigner(key, { generation: number, transition, rotation, simulated });
}

/** The CA that was in use when a certificate was recorded. */
function issuerOf(
  view: View,
  activations: readonly RotationRecord[],
  { generation: number, index }: IssuedIdentity,
): CaPlace {
  if (activations.length === 0) return { generation: number, rotation: 0 };
  const transition = transitionOf(view, number);
  const activated = activations.findLast(
    (record) => record.transition === transition && record.index < index,
  );
  return { generation: number, rotation: activated?.version ?? 0 };
}

function transitionOf(view: View, number: Generation): Sha256Hex {
  return view.transitions[number]?.transition.previous ?? view.head;
}

/** Whether the mesh CA of a generation was marked; the mark is part of its name (I11). */
function wasSimulated(view: View, number: Generation, crypto: ServiceContext['crypto']): boolean {
  const { rootCertificate } = view;
  if (rootCertificate !== undefined && isSimulatedCertificate(rootCertificate)) return true;
  const bytes = view.manifestBytes(generation(number));
  if (bytes === undefined) return false;
  return isSimulated(parseManifest(bytes, { parseReferenceValues, crypto }));
}

/** The root in use and the one beside it. */
function rootSigners(cluster: Keys): readonly CertificateSigner[] {
  const { clusterId, rootCertificate, rotations } = cluster.state.machine;
  const { root } = rotations;
  const other = root.phase === 'prepared' ? root.newest : root.active - 1;
  const pairs = [
    [rootCertificate, root.active],
    [root.beside, other],
  ] as const;
  return pairs.flatMap(([certificate, number]) => {
    const seed = seedOf(cluster, rotations.seedOfRoot(number));
    if (certificate === undefined || seed === undefined) return [];
    const key = deriveRootCaKey(seed, clusterId, number);
    return [loadCertificateAuthority(key, certificate).signer];
  });
}
