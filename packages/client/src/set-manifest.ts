/** Sets a manifest, and verifies that the cluster recorded exactly that. */
import type { ReferenceValues } from '@witan/attestation';
import { fromHex, type ClusterId, type Sha256Hex } from '@witan/core';
import {
  isTransitionSignatureValid,
  transitionHash,
  type Approval,
  type HighWaterMark,
  type RecoveryHeader,
  type SignedTransition,
  type ValidatedManifest,
} from '@witan/manifest';
import { UserService } from '@witan/protocol';
import type { AnswerAnchors, Anchors } from './anchors.ts';
import { checkAuthorities } from './certificates.ts';
import type { Attempt } from './connector.ts';
import { checkListed, type AppraisalSettings } from './coordinator-verifier.ts';
import { isSimulated } from './deployment.ts';
import { ClientError } from './errors.ts';
import { recoveryHeaderFromWire } from './recovery-shares.ts';
import { approvalToWire, markFromWire, transitionFromWire } from './wire.ts';

/** A change with what authorises it. */
export interface SetManifestRequest {
  readonly clusterId: ClusterId;
  /** Hash of the transition that the change builds on; `NO_TRANSITION` for the first manifest. */
  readonly previousTransition: Sha256Hex;
  readonly manifest: ValidatedManifest<ReferenceValues>;
  /** Signatures over `approvalBytes` of exactly this change. */
  readonly approvals: readonly Approval[];
}

/** The change as the cluster recorded it. */
export interface SetManifestResult {
  readonly transition: SignedTransition;
  readonly transitionHash: Sha256Hex;
  /** DER. */
  readonly rootCertificate: Uint8Array;
  /** DER. */
  readonly meshCaCertificate: Uint8Array;
  readonly historyPublicKey: Uint8Array;
  readonly mark: HighWaterMark;
  readonly simulated: boolean;
  /**
   * The owners' encrypted shares; absent where no owner holds one, or where another update
   * has followed already.
   */
  readonly recoveryHeader?: RecoveryHeader;
}

/** A result with what is to be kept of it. */
export interface SetManifestOutcome {
  readonly result: SetManifestResult;
  readonly answer: AnswerAnchors;
}

/**
 * @param requestKey 16 bytes, the same for every attempt
 * @throws ClientError; RemoteError, TransportError
 */
export async function sendManifest(
  attempt: Attempt,
  request: SetManifestRequest,
  requestKey: Uint8Array,
  anchors: Anchors,
  settings: AppraisalSettings,
): Promise<SetManifestOutcome> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const { manifest, clusterId } = request;
  anchors.checkCluster(clusterId);
  // Nobody learns a manifest who is not among its Coordinators.
  await checkListed(connection.peer, manifest.coordinators, settings);
  const wire = await connection.unary(
    UserService.method.setManifest,
    {
      requestKey,
      manifest: manifest.bytes,
      previousTransition: fromHex(request.previousTransition),
      approvals: request.approvals.map(approvalToWire),
    },
    { timeoutMs },
  );
  const transition = transitionFromWire(wire.transition);
  const answer: AnswerAnchors = {
    clusterId,
    rootCertificate: wire.rootCertificate,
    historyPublicKey: wire.historyPublicKey,
    mark: markFromWire(wire.highWaterMark),
  };
  const mark = anchors.check(answer, floor);
  const hash = transitionHash(transition.transition, settings.crypto);
  checkTransition(transition, request, answer.historyPublicKey, settings);
  checkMark(mark, transition, hash);
  checkAuthorities(wire.rootCertificate, wire.meshCaCertificate, settings.clock.now());
  const simulated =
    isSimulated(manifest, wire.rootCertificate) ||
    connection.peer.claims?.claims.simulated === true;
  const isNewest = mark.generation === transition.transition.generation;
  const header = isNewest
    ? recoveryHeaderFromWire(wire.recoveryHeader, clusterId, manifest)
    : undefined;
  return {
    answer,
    result: {
      transition,
      transitionHash: hash,
      rootCertificate: wire.rootCertificate,
      meshCaCertificate: wire.meshCaCertificate,
      historyPublicKey: wire.historyPublicKey,
      mark,
      simulated,
      ...(header === undefined ? {} : { recoveryHeader: header }),
    },
  };
}

function checkTransition(
  signed: SignedTransition,
  request: SetManifestRequest,
  historyPublicKey: Uint8Array,
  { crypto }: AppraisalSettings,
): void {
  const { transition } = signed;
  const pairs: readonly (readonly [string, string, string])[] = [
    ['cluster id', request.clusterId, transition.clusterId],
    ['manifest digest', request.manifest.digest, transition.manifestDigest],
    ['previous transition', request.previousTransition, transition.previous],
    ['approvals', ownersOf(request.approvals), ownersOf(transition.approvals)],
  ];
  for (const [part, expected, found] of pairs) {
    if (expected === found) continue;
    throw new ClientError('CLIENT_TRANSITION_INVALID', { part, expected, found });
  }
  if (!isTransitionSignatureValid(signed, historyPublicKey, crypto)) {
    const fields = { part: 'signature', expected: 'one by the history key', found: 'another' };
    throw new ClientError('CLIENT_TRANSITION_INVALID', fields);
  }
}

function ownersOf(approvals: readonly Approval[]): string {
  const owners = new Set(approvals.map(({ ownerFingerprint }) => ownerFingerprint));
  return [...owners].toSorted().join(',');
}

/** The mark is at least as new as the change; another update may have followed already. */
function checkMark(mark: HighWaterMark, { transition }: SignedTransition, hash: Sha256Hex): void {
  const { generation, transitionHash: newest } = mark;
  if (generation > transition.generation) return;
  if (generation === transition.generation && newest === hash) return;
  const fields = { part: 'high-water mark', expected: hash, found: newest };
  throw new ClientError('CLIENT_TRANSITION_INVALID', fields);
}
