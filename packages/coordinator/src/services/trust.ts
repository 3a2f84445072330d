/**
 * What workloads shall trust beside the CAs in use, and what they shall not any more: the other
 * halves of bundles while a CA is rotated, links between roots, and revocation lists. All of it
 * follows from the state, so every replica gives the same (I5).
 */
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import { fromHex, generation, unixMillis, type Generation, type Sha256Hex } from '@witan/core';
import {
  createRevocationList,
  deriveMeshCaKey,
  deriveRootCaKey,
  isSimulatedCertificate,
  loadCertificateAuthority,
  meshCaSigner,
  type CertificateSigner,
  type RevokedCertificate,
} from '@witan/keys';
import { parseManifest } from '@witan/manifest';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RootLinkSchema, TrustSchema } from '@witan/protocol';
import type { Cluster } from '@witan/replica';
import type { IssuedIdentity, RotationRecord, StateView } from '@witan/state-machine';
import { isSimulated } from '../operations.ts';
import { seedOf, type ServiceContext } from './context.ts';

type View = StateView<ReferenceValues>;

/** Longer than any leaf lives, so that who never fetches another list is no worse off than now. */
const LIST_LIFETIME_MS = 31 * 24 * 3_600_000;
/** Lists begin a little early, for verifiers whose clocks are behind. */
const CLOCK_SKEW_MS = 5 * 60_000;
/** The same lists serve for so long, unless what they say changes. */
const LIST_AGE_MS = 60_000;

/** Links up to the root in use. */
export function rootLinksOf({ rotations }: View): MessageInitShape<typeof RootLinkSchema>[] {
  return rotations.rootLinks
    .slice(0, rotations.root.active)
    .map(({ certificate, cross }) => ({ certificate, crossCertificate: cross }));
}

/** Changes with everything for which a workload should come again. */
export function trustVersion({ generation: number, rotations }: View): number {
  return number + rotations.records.length;
}

export async function trustOf(
  context: ServiceContext,
  cluster: Cluster<ReferenceValues>,
): Promise<MessageInitShape<typeof TrustSchema>> {
  const view = cluster.state.machine;
  const { rotations } = view;
  const { root, meshCa, rootLinks } = rotations;
  const newest = root.phase === 'activated' ? rootLinks[root.active - 1] : undefined;
  return {
    otherRoots: root.beside === undefined ? [] : [root.beside],
    otherMeshCas: meshCa.beside === undefined ? [] : [meshCa.beside],
    rootLinks: rootLinksOf(view),
    chain: newest === undefined ? [] : [newest.cross],
    revocationLists: [...(await revocationListsOf(context, cluster))],
    version: BigInt(trustVersion(view)),
  };
}

/** Certificates that count no longer and have not expired, in the order of their issue. */
export function revokedIn(view: View, nowMs: number): readonly IssuedIdentity[] {
  return [...view.issued()].filter((record) => record.notAfterMs > nowMs && view.isRevoked(record));
}

interface Made {
  readonly key: string;
  readonly atMs: number;
  readonly lists: Promise<readonly Uint8Array[]>;
}

// Signing anew for everybody who asks would be a way to keep a replica busy.
const MADE = new WeakMap<Cluster<ReferenceValues>, Made>();

/** One list for each CA whose certificates may be met, DER. */
export function revocationListsOf(
  { clock, crypto }: Pick<ServiceContext, 'clock' | 'crypto'>,
  cluster: Cluster<ReferenceValues>,
): Promise<readonly Uint8Array[]> {
  const view = cluster.state.machine;
  const now = clock.now();
  const key = `${trustVersion(view)}/${view.revocationNumber}`;
  const made = MADE.get(cluster);
  if (made?.key === key && Math.abs(now - made.atMs) < LIST_AGE_MS) return made.lists;
  const lists = makeLists(cluster, now, crypto);
  MADE.set(cluster, { key, atMs: now, lists });
  return lists;
}

async function makeLists(
  cluster: Cluster<ReferenceValues>,
  now: number,
  crypto: ServiceContext['crypto'],
): Promise<readonly Uint8Array[]> {
  const view = cluster.state.machine;
  const issuers = new Map<string, CaPlace & { revoked: RevokedCertificate[] }>();
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
  for (const record of view.issued()) {
    if (record.notAfterMs <= now) continue;
    const revoked = enter(issuerOf(view, activations, record));
    const revocation = view.revocationOf(record);
    if (revocation === undefined) continue;
    revoked.push({ serial: fromHex(record.serial), revokedAt: revocation.timeMs });
  }
  const seed = seedOf(cluster);
  const times = {
    number: view.appliedIndex,
    thisUpdate: unixMillis(now - CLOCK_SKEW_MS),
    nextUpdate: unixMillis(now + LIST_LIFETIME_MS),
  };
  const meshLists = [...issuers.values()].map(({ generation: number, rotation, revoked }) => {
    const transition = transitionOf(view, number);
    const key = deriveMeshCaKey(seed, view.clusterId, number, transition, rotation);
    const simulated = wasSimulated(view, number, crypto);
    const issuer = meshCaSigner(key, { generation: number, transition, rotation, simulated });
    return createRevocationList({ ...times, issuer, revoked });
  });
  const rootLists = rootSigners(cluster).map((issuer) =>
    createRevocationList({ ...times, issuer, revoked: [] }),
  );
  return Promise.all([...rootLists, ...meshLists]);
}

interface CaPlace {
  readonly generation: Generation;
  readonly rotation: number;
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
function rootSigners(cluster: Cluster<ReferenceValues>): readonly CertificateSigner[] {
  const { clusterId, rootCertificate, rotations } = cluster.state.machine;
  const { root } = rotations;
  const other = root.phase === 'prepared' ? root.newest : root.active - 1;
  const pairs = [
    [rootCertificate, root.active],
    [root.beside, other],
  ] as const;
  return pairs.flatMap(([certificate, number]) => {
    if (certificate === undefined) return [];
    const key = deriveRootCaKey(seedOf(cluster), clusterId, number);
    return [loadCertificateAuthority(key, certificate).signer];
  });
}
