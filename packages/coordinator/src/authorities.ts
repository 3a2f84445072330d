/**
 * The cluster's CAs: certificates that a leader makes for a command, and the keys behind those that
 * are in use. Every seed holder derives the same keys; the certificates are in the state (I8).
 */
import type { ReferenceValues } from '@witan/attestation';
import {
  unixMillis,
  type ClusterId,
  type Crypto,
  type Generation,
  type Sha256Hex,
} from '@witan/core';
import {
  createCrossCertificate,
  createMeshCaCertificate,
  createRootCertificate,
  deriveMeshCaKey,
  deriveRootCaKey,
  loadCertificateAuthority,
  randomSerial,
  type CertificateAuthority,
  type Seed,
} from '@witan/keys';
import { transitionHash, type RotationStep, type Transition } from '@witan/manifest';
import type { StateView } from '@witan/state-machine';

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const ROOT_LIFETIME_MS = 20 * YEAR_MS;
const MESH_CA_LIFETIME_MS = 10 * YEAR_MS;
/** CAs begin earlier than leaves, so that every leaf fits into their validity. */
const CA_CLOCK_SKEW_MS = 24 * HOUR_MS;

/** What CAs are made from. */
export interface AuthorityOptions {
  /** A seed by its number; undefined where it is not held. */
  readonly seedOf: (number: number) => Seed | undefined;
  readonly view: StateView<ReferenceValues>;
  readonly crypto: Crypto;
}

/** The root in force, or a new one for the first manifest, and the mesh CA of a new generation. */
export function createCertificates(
  { seedOf, view, crypto }: AuthorityOptions,
  transition: Transition,
  simulated: boolean,
): { readonly root: Uint8Array; readonly meshCa: Uint8Array } {
  const { clusterId, rotations } = view;
  const seed = seedInUse(seedOf, rotations.seeds.number);
  const root = view.rootCertificate ?? createRoot(seed, clusterId, 0, transition.timeMs, simulated);
  const ofRoot = seedInUse(seedOf, rotations.seedOfRoot(rotations.root.active));
  const rootKey = deriveRootCaKey(ofRoot, clusterId, rotations.root.active);
  const authority = loadCertificateAuthority(rootKey, root);
  const place = { generation: transition.generation, hash: transitionHash(transition, crypto) };
  const { timeMs } = transition;
  const meshCa = createMeshCa({ seed, clusterId, ...place, rotation: 0 }, authority, {
    timeMs,
    simulated,
  });
  return { root, meshCa };
}

/** What a step of a rotation brings, in the order that the state machine expects. */
export function rotationCertificates(
  { seedOf, view }: AuthorityOptions,
  step: RotationStep,
  timeMs: number,
  simulated: boolean,
): readonly Uint8Array[] {
  const { clusterId, generation, head: hash, rotations, rootCertificate } = view;
  if (rootCertificate === undefined) return [];
  const seed = seedInUse(seedOf, rotations.seeds.number);
  const ofRoot = seedInUse(seedOf, rotations.seedOfRoot(rotations.root.active));
  const rootKey = deriveRootCaKey(ofRoot, clusterId, rotations.root.active);
  const inUse = loadCertificateAuthority(rootKey, rootCertificate);
  const request = { timeMs, simulated };
  if (step.target === 'mesh-ca' && step.step === 'prepare') {
    const rotation = rotations.meshCa.newest + 1;
    const place = { seed, clusterId, generation, hash, rotation };
    return [createMeshCa(place, inUse, request)];
  }
  if (step.target !== 'root') return [];
  if (step.step === 'prepare') {
    const next = createRoot(seed, clusterId, rotations.root.newest + 1, timeMs, simulated);
    const cross = createCrossCertificate(inUse, next, {
      serial: randomSerial(),
      notBefore: unixMillis(Math.max(timeMs - CA_CLOCK_SKEW_MS, inUse.validity.notBefore)),
      notAfter: inUse.validity.notAfter,
      simulated,
    });
    return [next, cross];
  }
  const { beside, newest } = rotations.root;
  if (step.step !== 'activate' || beside === undefined) return [];
  const next = loadCertificateAuthority(deriveRootCaKey(seed, clusterId, newest), beside);
  const rotation = rotations.meshCa.active;
  const ofMeshCa = seedInUse(seedOf, rotations.seedOfMeshCa(generation, rotation));
  const place = { seed: ofMeshCa, clusterId, generation, hash, rotation };
  return [createMeshCa(place, next, request)];
}

/** A seed that the state names as one in use, so that every member holds it. */
export function seedInUse(seedOf: AuthorityOptions['seedOf'], number: number): Seed {
  const seed = seedOf(number);
  if (seed === undefined) throw new Error('a seed that is in use is held');
  return seed;
}

function createRoot(
  seed: Seed,
  clusterId: ClusterId,
  rotation: number,
  timeMs: number,
  simulated: boolean,
): Uint8Array {
  return createRootCertificate({
    rootKey: deriveRootCaKey(seed, clusterId, rotation),
    clusterId,
    rotation,
    serial: randomSerial(),
    notBefore: unixMillis(timeMs - CA_CLOCK_SKEW_MS),
    notAfter: unixMillis(timeMs + ROOT_LIFETIME_MS),
    simulated,
  });
}

interface MeshCaPlace {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  readonly generation: Generation;
  readonly hash: Sha256Hex;
  readonly rotation: number;
}

function createMeshCa(
  { seed, clusterId, generation, hash, rotation }: MeshCaPlace,
  root: CertificateAuthority,
  { timeMs, simulated }: { readonly timeMs: number; readonly simulated: boolean },
): Uint8Array {
  return createMeshCaCertificate({
    root,
    meshCaKey: deriveMeshCaKey(seed, clusterId, generation, hash, rotation),
    generation,
    transition: hash,
    rotation,
    serial: randomSerial(),
    notBefore: unixMillis(Math.max(timeMs - CA_CLOCK_SKEW_MS, root.validity.notBefore)),
    notAfter: unixMillis(Math.min(timeMs + MESH_CA_LIFETIME_MS, root.validity.notAfter)),
    simulated,
  });
}
