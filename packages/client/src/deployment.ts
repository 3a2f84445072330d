/** Reads and verifies what a cluster says of itself. */
import { parseReferenceValues, type Claims, type ReferenceValues } from '@witan/attestation';
import type { ClusterId, Epoch, Sha256Hex } from '@witan/core';
import { isSimulatedCertificate } from '@witan/keys';
import {
  ManifestError,
  NO_TRANSITION,
  parseManifest,
  type HighWaterMark,
  type RecoveryHeader,
  type SeenRecovery,
  type ValidatedManifest,
} from '@witan/manifest';
import type { Crypto } from '@witan/core';
import { UserService, type GetDeploymentResponse } from '@witan/protocol';
import type { AnswerAnchors, Anchors } from './anchors.ts';
import { checkAuthorities } from './certificates.ts';
import type { Attempt } from './connector.ts';
import { checkListed, type AppraisalSettings } from './coordinator-verifier.ts';
import { ClientError } from './errors.ts';
import { fetchHistory } from './history.ts';
import { checkNewestRecovery } from './recoveries.ts';
import { rootLinksFromWire, type RootLink } from './root-links.ts';
import { recoveryHeaderFromWire } from './recovery-shares.ts';
import { clusterIdFromWire, digestFromWire, epochFromWire, markFromWire } from './wire.ts';

/** The replica that answered. */
export interface AnsweringReplica {
  readonly endpoint: string;
  /** SHA-256 of its identity key, hex. */
  readonly incarnation: string;
  readonly claims: Claims;
}

/** What is common to both states of a cluster. */
interface DeploymentBase {
  readonly replica: AnsweringReplica;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** No hardware protects this cluster (I11). */
  readonly simulated: boolean;
}

/** A cluster that waits for its first manifest. */
export interface FoundedDeployment extends DeploymentBase {
  readonly kind: 'founded';
  readonly transitionHash: typeof NO_TRANSITION;
}

/** A cluster with a manifest; every part was verified against the others. */
export interface SettledDeployment extends DeploymentBase {
  readonly kind: 'settled';
  readonly manifest: ValidatedManifest<ReferenceValues>;
  /** DER. */
  readonly rootCertificate: Uint8Array;
  /** How it came from the roots before it. */
  readonly rootLinks: readonly RootLink[];
  /** DER. */
  readonly meshCaCertificate: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly historyPublicKey: Uint8Array;
  readonly mark: HighWaterMark;
  readonly transitionHash: Sha256Hex;
  /** The recovery that began the epoch; absent in the first one (I7). */
  readonly recovery?: SeenRecovery;
  /** The owners' encrypted shares; absent where no owner holds one. */
  readonly recoveryHeader?: RecoveryHeader;
}

/** What a cluster is, by one verified answer. */
export type Deployment = FoundedDeployment | SettledDeployment;

/**
 * Asks one replica and verifies its answer. Keeps nothing yet: see `Anchors.accept`.
 *
 * @throws ClientError for an answer that must not be trusted; RemoteError, TransportError
 */
export async function fetchDeployment(
  attempt: Attempt,
  anchors: Anchors,
  settings: AppraisalSettings,
): Promise<Deployment> {
  const { floor } = anchors.known;
  const { connection, timeoutMs, endpoint } = attempt;
  const answer = await connection.unary(UserService.method.getDeployment, {}, { timeoutMs });
  const { claims } = connection.peer;
  if (claims === undefined) throw new ClientError('CLIENT_COORDINATOR_REFUSED', { endpoint });
  const base = {
    replica: { endpoint, incarnation: connection.peer.spkiSha256, claims: claims.claims },
    clusterId: clusterIdFromWire(answer.clusterId),
    epoch: epochFromWire(answer.epoch),
    simulated: answer.simulated || claims.claims.simulated,
  };
  if (answer.generation === 0n) {
    anchors.checkEmpty(base.clusterId);
    return { kind: 'founded', ...base, transitionHash: NO_TRANSITION };
  }
  const manifest = readManifest(answer.manifest, settings.crypto);
  const anchorsOfAnswer: AnswerAnchors = {
    clusterId: base.clusterId,
    rootCertificate: answer.rootCertificate,
    rootLinks: rootLinksFromWire(answer.rootLinks),
    historyPublicKey: answer.historyPublicKey,
    mark: markFromWire(answer.highWaterMark),
  };
  const mark = anchors.check(anchorsOfAnswer, floor);
  checkConsistent(answer, mark);
  const before = { ...anchors.knownOf(base.clusterId), ...(floor === undefined ? {} : { floor }) };
  const { historyPublicKey } = answer;
  const { crypto } = settings;
  const recovery = checkNewestRecovery(answer.recovery, mark, before, historyPublicKey, crypto);
  // Whether the recovery went on from what was seen before, the whole history has to show.
  if (mark.epoch > (before.floor?.epoch ?? mark.epoch))
    await fetchHistory(attempt, anchors, settings);
  await checkListed(connection.peer, manifest.coordinators, settings);
  checkAuthorities(answer.rootCertificate, answer.meshCaCertificate, settings.clock.now());
  const header = recoveryHeaderFromWire(answer.recoveryHeader, base.clusterId, manifest);
  return {
    kind: 'settled',
    ...base,
    simulated: base.simulated || isSimulated(manifest, answer.rootCertificate),
    manifest,
    rootCertificate: answer.rootCertificate,
    rootLinks: anchorsOfAnswer.rootLinks ?? [],
    meshCaCertificate: answer.meshCaCertificate,
    historyPublicKey: answer.historyPublicKey,
    mark,
    transitionHash: mark.transitionHash,
    ...(recovery === undefined ? {} : { recovery }),
    ...(header === undefined ? {} : { recoveryHeader: header }),
  };
}

/** @throws ClientError CLIENT_MANIFEST_INVALID */
export function readManifest(
  bytes: Uint8Array,
  crypto: Crypto,
): ValidatedManifest<ReferenceValues> {
  try {
    return parseManifest(bytes, { parseReferenceValues, crypto });
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    throw new ClientError('CLIENT_MANIFEST_INVALID', cause.fields, cause);
  }
}

/** Whether a manifest or a certificate admits the simulated TEE (I11). */
export function isSimulated(
  manifest: ValidatedManifest<ReferenceValues>,
  rootCertificate: Uint8Array,
): boolean {
  const all = [...manifest.workloads.values()].flatMap(({ referenceValues }) => referenceValues);
  const listed = [...manifest.coordinators, ...all].some(
    ({ developmentRoots }) => (developmentRoots?.length ?? 0) > 0,
  );
  return listed || isSimulatedCertificate(rootCertificate);
}

/** The signed mark and the unsigned fields must say the same. */
function checkConsistent(answer: GetDeploymentResponse, mark: HighWaterMark): void {
  const pairs: readonly (readonly [string, string | number, string | number])[] = [
    ['epoch', mark.epoch, Number(answer.epoch)],
    ['generation', mark.generation, Number(answer.generation)],
    ['transition', mark.transitionHash, digestFromWire('transition', answer.transitionHash)],
  ];
  for (const [part, expected, found] of pairs) {
    if (expected === found) continue;
    throw new ClientError('CLIENT_ANSWER_INCONSISTENT', { part, expected, found });
  }
}
