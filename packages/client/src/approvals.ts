/** Approvals that owners give one by one, and what waits for more of them. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ReferenceValues } from '@witan/attestation';
import { fromHex, toHex, type ClusterId, type Sha256Hex } from '@witan/core';
import {
  isTransitionSignatureValid,
  rotationText,
  type Approval,
  type RotationStep,
  type ValidatedManifest,
} from '@witan/manifest';
import {
  ApprovalService,
  type ProposedActionSchema,
  type ApproveResponse,
  type Proposal as WireProposal,
} from '@witan/protocol';
import type { Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import { checkListed, type AppraisalSettings } from './coordinator-verifier.ts';
import { ClientError } from './errors.ts';
import {
  approvalToWire,
  clusterIdFromWire,
  digestFromWire,
  markFromWire,
  plainText,
  transitionFromWire,
} from './wire.ts';

type WireAction = NonNullable<MessageInitShape<typeof ProposedActionSchema>['action']>;

/** What an owner approves. */
export type ApprovedAction =
  | { readonly kind: 'manifest'; readonly manifest: ValidatedManifest<ReferenceValues> }
  | { readonly kind: 'slots'; readonly number: number; readonly slots: readonly string[] }
  | { readonly kind: 'rotation'; readonly number: number; readonly step: RotationStep };

/** One owner's approval. */
export interface ApproveRequest {
  readonly clusterId: ClusterId;
  /** Hash of the transition in force. */
  readonly previousTransition: Sha256Hex;
  readonly action: ApprovedAction;
  readonly approval: Approval;
}

/** How far the change is. */
export interface ApproveResult {
  /** SHA-256 of what the owners sign: names the change. */
  readonly proposal: Sha256Hex;
  readonly inEffect: boolean;
  readonly count: number;
  readonly needed: number;
}

/** One owner's withdrawal. */
export interface WithdrawRequest {
  readonly clusterId: ClusterId;
  readonly proposal: Sha256Hex;
  readonly revocation: Approval;
}

/** A change that waits for approvals. */
export interface PendingChange {
  readonly id: Sha256Hex;
  readonly action:
    | {
        readonly kind: 'manifest';
        readonly digest: Sha256Hex;
        /** Where it was asked for; its digest was checked. */
        readonly manifest?: Uint8Array;
      }
    | { readonly kind: 'slots'; readonly number: number; readonly slots: readonly string[] }
    /** The step in words. */
    | { readonly kind: 'rotation'; readonly number: number; readonly step: string };
  /** Expired ones among them. */
  readonly approvals: readonly { readonly owner: Sha256Hex; readonly expiresMs: number }[];
  readonly withdrawnBy: readonly Sha256Hex[];
  readonly needed: number;
}

/** What waits for approvals, all of one state. */
export interface PendingChanges {
  readonly transitionHash: Sha256Hex;
  readonly changes: readonly PendingChange[];
}

/** More than a slot's name or the words of a step have. */
const TEXT_CHARS_MAX = 100;

/**
 * @param requestKey 16 bytes, the same for every attempt
 * @throws ClientError; RemoteError, TransportError
 */
export async function sendApproval(
  attempt: Attempt,
  request: ApproveRequest,
  requestKey: Uint8Array,
  anchors: Anchors,
  settings: AppraisalSettings,
): Promise<ApproveResult> {
  const { connection, timeoutMs } = attempt;
  const { action, approval, clusterId } = request;
  const { floor } = anchors.known;
  anchors.checkCluster(clusterId);
  // Nobody learns a manifest who is not among its Coordinators.
  if (action.kind === 'manifest') {
    await checkListed(connection.peer, action.manifest.coordinators, settings);
  }
  const wire = await connection.unary(
    ApprovalService.method.approve,
    {
      requestKey,
      previousTransition: fromHex(request.previousTransition),
      action: { action: actionToWire(action) },
      approval: approvalToWire(approval),
    },
    { timeoutMs },
  );
  const found = clusterIdFromWire(wire.clusterId);
  anchors.checkCluster(found);
  const mark = markFromWire(wire.highWaterMark);
  const { historyPublicKey } = wire;
  anchors.check({ clusterId: found, historyPublicKey, mark }, floor);
  if (wire.inEffect && action.kind === 'manifest') {
    checkEffect(wire, request, action.manifest.digest, settings);
  }
  return {
    proposal: digestFromWire('proposal', wire.proposal),
    inEffect: wire.inEffect,
    count: wire.count,
    needed: wire.needed,
  };
}

function actionToWire(action: ApprovedAction): WireAction {
  switch (action.kind) {
    case 'manifest':
      return { case: 'manifest', value: action.manifest.bytes };
    case 'slots':
      return {
        case: 'slots',
        value: { number: BigInt(action.number), slots: [...action.slots] },
      };
    case 'rotation':
      return {
        case: 'rotation',
        value: { number: BigInt(action.number), step: rotationText(action.step) },
      };
    default:
      return action satisfies never;
  }
}

/** The change that took effect is the one that was approved. */
function checkEffect(
  wire: ApproveResponse,
  request: ApproveRequest,
  manifestDigest: Sha256Hex,
  { crypto }: AppraisalSettings,
): void {
  const signed = transitionFromWire(wire.transition);
  const { transition } = signed;
  const pairs: readonly (readonly [string, string, string])[] = [
    ['cluster id', request.clusterId, transition.clusterId],
    ['manifest digest', manifestDigest, transition.manifestDigest],
    ['previous transition', request.previousTransition, transition.previous],
  ];
  for (const [part, expected, found] of pairs) {
    if (expected === found) continue;
    throw new ClientError('CLIENT_TRANSITION_INVALID', { part, expected, found });
  }
  if (isTransitionSignatureValid(signed, wire.historyPublicKey, crypto)) return;
  const fields = { part: 'signature', expected: 'one by the history key', found: 'another' };
  throw new ClientError('CLIENT_TRANSITION_INVALID', fields);
}

/** @returns false where it was recorded before; @throws ClientError; errors of the channel */
export async function sendWithdrawal(
  attempt: Attempt,
  { clusterId, proposal, revocation }: WithdrawRequest,
  anchors: Anchors,
): Promise<boolean> {
  const { connection, timeoutMs } = attempt;
  anchors.checkCluster(clusterId);
  const wire = await connection.unary(
    ApprovalService.method.withdraw,
    { proposal: fromHex(proposal), revocation: approvalToWire(revocation) },
    { timeoutMs },
  );
  anchors.checkCluster(clusterIdFromWire(wire.clusterId));
  return wire.isNew;
}

/**
 * @param withManifestOf name of the change whose manifest is wanted
 * @throws ClientError; RemoteError, TransportError
 */
export async function fetchPending(
  attempt: Attempt,
  anchors: Anchors,
  { crypto }: AppraisalSettings,
  withManifestOf?: Sha256Hex,
): Promise<PendingChanges> {
  const { connection, timeoutMs } = attempt;
  const wire = await connection.unary(
    ApprovalService.method.getProposals,
    { withManifestOf: withManifestOf === undefined ? new Uint8Array() : fromHex(withManifestOf) },
    { timeoutMs },
  );
  anchors.checkCluster(clusterIdFromWire(wire.clusterId));
  const changes = wire.proposals.map(changeFromWire);
  for (const { action } of changes) {
    if (action.kind !== 'manifest' || action.manifest === undefined) continue;
    const found = toHex(crypto.hash('sha256', action.manifest));
    if (found === action.digest) continue;
    const fields = { part: 'manifest of a proposal', expected: action.digest, found };
    throw new ClientError('CLIENT_ANSWER_MALFORMED', fields);
  }
  return { transitionHash: digestFromWire('transition hash', wire.transitionHash), changes };
}

function actionFromWire(wire: WireProposal): PendingChange['action'] {
  const { slots, rotation, manifest } = wire;
  if (slots !== undefined) {
    return { kind: 'slots', number: Number(slots.number), slots: slots.slots.map(plain) };
  }
  if (rotation !== undefined) {
    return { kind: 'rotation', number: Number(rotation.number), step: plain(rotation.step) };
  }
  return {
    kind: 'manifest',
    digest: digestFromWire('manifest digest', wire.manifestDigest),
    ...(manifest.byteLength === 0 ? {} : { manifest }),
  };
}

function changeFromWire(wire: WireProposal): PendingChange {
  return {
    id: digestFromWire('proposal', wire.id),
    action: actionFromWire(wire),
    approvals: wire.approvals.map(({ ownerFingerprint, expiresMs }) => ({
      owner: digestFromWire('owner', ownerFingerprint),
      expiresMs: Number(expiresMs),
    })),
    withdrawnBy: wire.withdrawnBy.map((owner) => digestFromWire('owner', owner)),
    needed: wire.needed,
  };
}

/** Text for a terminal: short, and without control characters. */
function plain(text: string): string {
  return plainText(text, TEXT_CHARS_MAX);
}
