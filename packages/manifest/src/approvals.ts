/**
 * Approvals: owners sign (cluster id, previous transition, manifest digest). The previous
 * transition makes every approval good for one place in one history: it can neither be replayed in
 * another cluster nor after another update.
 */
import {
  CanonicalWriter,
  sha256Hex,
  type CanonicalReader,
  type ClusterId,
  type Crypto,
  type Sha256Hex,
} from '@witan/core';
import { ManifestError } from './errors.ts';
import { APPROVALS_MAX } from './limits.ts';
import { itemPath } from './path.ts';
import { readDigest, SIGNATURE_BYTES, writeDigest } from './records.ts';
import type { ManifestContent, Owner } from './types.ts';

const APPROVAL_LABEL = 'witan/approval/v1';

/** What an owner approves. */
export interface ApprovalSubject {
  readonly clusterId: ClusterId;
  /** Hash of the transition that the change builds on; `NO_TRANSITION` for the first manifest. */
  readonly previousTransition: Sha256Hex;
  readonly manifestDigest: Sha256Hex;
}

/** One owner's signature over `approvalBytes`. */
export interface Approval {
  /** SHA-256 of the owner's DER SubjectPublicKeyInfo. */
  readonly ownerFingerprint: Sha256Hex;
  /** ECDSA P-256 with SHA-256, r || s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** The exact bytes that owners sign with ECDSA P-256 and SHA-256. */
export function approvalBytes(subject: ApprovalSubject): Uint8Array {
  const writer = new CanonicalWriter().text(APPROVAL_LABEL);
  writeDigest(writer, subject.clusterId);
  writeDigest(writer, subject.previousTransition);
  writeDigest(writer, subject.manifestDigest);
  return writer.finish();
}

/** What `checkApprovals` judges. */
export interface ApprovalCheck {
  /** The manifest in force or, for the first manifest, the new one itself. */
  readonly inForce: Pick<ManifestContent<unknown>, 'owners' | 'updateThreshold'>;
  /** False for an update, true where no manifest was set before. */
  readonly isFirst: boolean;
  readonly subject: ApprovalSubject;
  readonly approvals: readonly Approval[];
  readonly crypto: Crypto;
}

/**
 * Checks that enough distinct owners with the role `update` approved. Every approval has to be
 * good: one bad signature refuses the whole request, because it shows a mistake or an attack.
 *
 * @returns one approval per owner, the first given, in the order that a transition demands
 * @throws ManifestError UPDATES_NOT_ALLOWED, APPROVALS_TOO_MANY, APPROVAL_UNKNOWN_OWNER,
 *   APPROVAL_ROLE_MISSING, APPROVAL_SIGNATURE_INVALID, APPROVALS_TOO_FEW
 */
export function checkApprovals(check: ApprovalCheck): readonly Approval[] {
  return checkApprovalsOf(approvalBytes(check.subject), check);
}

/**
 * The same for anything else that takes the approval of `update` owners.
 *
 * @param data the exact bytes that they signed, under a label of their own
 * @throws ManifestError as `checkApprovals`
 */
export function checkApprovalsOf(
  data: Uint8Array,
  check: Omit<ApprovalCheck, 'subject'>,
): readonly Approval[] {
  const { inForce, approvals } = check;
  if (!check.isFirst && inForce.updateThreshold === 0) {
    const fields = { path: 'owners', expected: 'an owner with the role update', found: 0 };
    throw new ManifestError('UPDATES_NOT_ALLOWED', fields);
  }
  if (approvals.length > APPROVALS_MAX) {
    const fields = { path: 'approvals', expected: APPROVALS_MAX, found: approvals.length };
    throw new ManifestError('APPROVALS_TOO_MANY', fields);
  }
  const owners = new Map(inForce.owners.map((owner) => [owner.fingerprint, owner]));
  const accepted = new Map<Sha256Hex, Approval>();
  for (const [index, approval] of approvals.entries()) {
    const path = itemPath('approvals', index);
    checkApproval(approval, owners.get(approval.ownerFingerprint), path, data, check.crypto);
    if (!accepted.has(approval.ownerFingerprint)) {
      accepted.set(approval.ownerFingerprint, approval);
    }
  }
  if (accepted.size < inForce.updateThreshold) {
    const fields = { path: 'approvals', expected: inForce.updateThreshold, found: accepted.size };
    throw new ManifestError('APPROVALS_TOO_FEW', fields);
  }
  return [...accepted.values()].toSorted(compareApprovals);
}

function checkApproval(
  approval: Approval,
  owner: Owner | undefined,
  path: string,
  data: Uint8Array,
  crypto: Crypto,
): void {
  const found = approval.ownerFingerprint;
  if (owner === undefined) {
    const expected = 'fingerprint of an owner in the manifest in force';
    throw new ManifestError('APPROVAL_UNKNOWN_OWNER', { path, expected, found });
  }
  if (!owner.roles.includes('update')) {
    throw new ManifestError('APPROVAL_ROLE_MISSING', { path, expected: 'update', found });
  }
  const valid = crypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey: owner.publicKey,
    data,
    signature: approval.signature,
  });
  if (!valid) {
    const expected = `a signature by ${owner.name} over this change`;
    throw new ManifestError('APPROVAL_SIGNATURE_INVALID', { path, expected, found });
  }
}

/** Order of approvals in a transition: by fingerprint, each once. */
export function compareApprovals(left: Approval, right: Approval): number {
  if (left.ownerFingerprint === right.ownerFingerprint) return 0;
  return left.ownerFingerprint < right.ownerFingerprint ? -1 : 1;
}

/** Appends an approval to a canonical record. The signature must have 64 bytes. */
export function writeApproval(writer: CanonicalWriter, approval: Approval): void {
  writeDigest(writer, approval.ownerFingerprint);
  writer.bytes(approval.signature);
}

/** Reads what `writeApproval` wrote. */
export function readApproval(reader: CanonicalReader): Approval {
  return {
    ownerFingerprint: sha256Hex(readDigest(reader)),
    signature: reader.bytes(SIGNATURE_BYTES),
  };
}
