/**
 * Approvals: owners sign (cluster id, previous transition, manifest digest), or another named
 * action. The previous transition makes every approval good for one place in one history: it can
 * neither be replayed in another cluster nor after another update.
 *
 * An approval is a detached JWS with an expiry (see approval-jws.ts). Before there were any, owners
 * with P-256 keys signed the content itself, r || s; such approvals still count, because the logs
 * and histories that hold them have to give the same state and the same verdict again.
 */
import {
  CanonicalWriter,
  sha256Hex,
  type CanonicalReader,
  type ClusterId,
  type Crypto,
  type Sha256Hex,
  type UnixMillis,
} from '@witan/core';
import {
  isJwsValid,
  jwsAlgorithmOf,
  parseDetachedJws,
  type ApprovalUse,
  type ParsedJws,
} from './approval-jws.ts';
import { ManifestError } from './errors.ts';
import { APPROVAL_BYTES_MAX, APPROVAL_LIFETIME_MS_MAX, APPROVALS_MAX } from './limits.ts';
import { itemPath } from './path.ts';
import { readDigest, SIGNATURE_BYTES, writeDigest } from './records.ts';
import type { ManifestContent, Owner, OwnerRole } from './types.ts';

const APPROVAL_LABEL = 'witan/approval/v1';

/** What an owner approves. */
export interface ApprovalSubject {
  readonly clusterId: ClusterId;
  /** Hash of the transition that the change builds on; `NO_TRANSITION` for the first manifest. */
  readonly previousTransition: Sha256Hex;
  readonly manifestDigest: Sha256Hex;
}

/** One owner's consent to some content. */
export interface Approval {
  /** SHA-256 of the owner's DER SubjectPublicKeyInfo. */
  readonly ownerFingerprint: Sha256Hex;
  /**
   * A detached JWS in ASCII, at most `APPROVAL_BYTES_MAX`; or 64 bytes: ECDSA P-256 with SHA-256
   * over the content itself, r || s.
   */
  readonly signature: Uint8Array;
}

/** The content of an approval of a manifest. */
export function approvalBytes(subject: ApprovalSubject): Uint8Array {
  const writer = new CanonicalWriter().text(APPROVAL_LABEL);
  writeDigest(writer, subject.clusterId);
  writeDigest(writer, subject.previousTransition);
  writeDigest(writer, subject.manifestDigest);
  return writer.finish();
}

const REVOCATION_LABEL = 'witan/revocation/v1';

/** The content of a withdrawal: an owner's approvals of a change no longer count. */
export function revocationBytes(of: {
  readonly clusterId: ClusterId;
  /** Hash of the transition in force. */
  readonly previousTransition: Sha256Hex;
  /** SHA-256 of the content that was approved. */
  readonly proposal: Sha256Hex;
}): Uint8Array {
  const writer = new CanonicalWriter().text(REVOCATION_LABEL);
  writeDigest(writer, of.clusterId);
  writeDigest(writer, of.previousTransition);
  writeDigest(writer, of.proposal);
  return writer.finish();
}

/** The owners who decide, and how many of them it takes. */
export type ApprovalRules = Pick<ManifestContent<unknown>, 'owners' | 'updateThreshold'> &
  Partial<Pick<ManifestContent<unknown>, 'membershipThreshold'>>;

/** What `checkApprovalsOf` judges, beside the content. */
export interface ContentCheck {
  /** The manifest in force or, for the first manifest, the new one itself. */
  readonly inForce: ApprovalRules;
  /** False for an update, true where no manifest was set before. */
  readonly isFirst: boolean;
  /** Whose approvals count; see `approvalRule`. `update` where absent. */
  readonly action?: 'update' | 'membership';
  readonly approvals: readonly Approval[];
  /** The leader's clock when it took the change up; absent: expiry is not judged. */
  readonly timeMs?: UnixMillis;
  readonly crypto: Crypto;
}

/** What `checkApprovals` judges. */
export interface ApprovalCheck extends ContentCheck {
  readonly subject: ApprovalSubject;
}

/** Which role decides over an action, and how many owners with it are needed. */
export interface ApprovalRule {
  readonly role: OwnerRole;
  readonly threshold: number;
}

/** For `membership`: owners with that role where there are any, else those with `update`. */
export function approvalRule(
  inForce: ApprovalRules,
  action: 'update' | 'membership' = 'update',
): ApprovalRule {
  const threshold = action === 'membership' ? (inForce.membershipThreshold ?? 0) : 0;
  return threshold > 0
    ? { role: 'membership', threshold }
    : { role: 'update', threshold: inForce.updateThreshold };
}

/**
 * Checks that enough distinct owners with the role `update` approved. Every approval has to be
 * good: one bad signature refuses the whole request, because it shows a mistake or an attack.
 *
 * @returns one approval per owner, the first given, in the order that a transition demands
 * @throws ManifestError as `checkApprovalsOf`
 */
export function checkApprovals(check: ApprovalCheck): readonly Approval[] {
  return checkApprovalsOf(approvalBytes(check.subject), check);
}

/**
 * Checks approvals of any content.
 *
 * @param content what the owners consent to, under a label of its own
 * @returns one approval per owner, the first given, in the order that a transition demands
 * @throws ManifestError UPDATES_NOT_ALLOWED, APPROVALS_TOO_MANY, APPROVAL_UNKNOWN_OWNER,
 *   APPROVAL_ROLE_MISSING, APPROVAL_MALFORMED, APPROVAL_ALGORITHM_UNFIT, APPROVAL_EXPIRED,
 *   APPROVAL_EXPIRY_TOO_FAR, APPROVAL_SIGNATURE_INVALID, APPROVALS_TOO_FEW
 */
export function checkApprovalsOf(content: Uint8Array, check: ContentCheck): readonly Approval[] {
  const { approvals } = check;
  const { threshold } = checkAllowed(check);
  if (approvals.length > APPROVALS_MAX) {
    const fields = { path: 'approvals', expected: APPROVALS_MAX, found: approvals.length };
    throw new ManifestError('APPROVALS_TOO_MANY', fields);
  }
  const accepted = new Map<Sha256Hex, Approval>();
  for (const [index, approval] of approvals.entries()) {
    checkApproval(approval, content, check, itemPath('approvals', index));
    if (!accepted.has(approval.ownerFingerprint)) {
      accepted.set(approval.ownerFingerprint, approval);
    }
  }
  if (accepted.size < threshold) {
    const fields = { path: 'approvals', expected: threshold, found: accepted.size };
    throw new ManifestError('APPROVALS_TOO_FEW', fields);
  }
  return [...accepted.values()].toSorted(compareApprovals);
}

/**
 * Checks approvals of a record.
 *
 * @param record its place, which goes before that of what is wrong
 * @throws ManifestError as `checkApprovalsOf`
 */
export function checkApprovalsAt(record: string, content: Uint8Array, check: ContentCheck): void {
  try {
    checkApprovalsOf(content, check);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    const { path: inside, expected = '', found = '' } = error.fields;
    const fields = { path: `${record}.${String(inside)}`, expected, found };
    throw new ManifestError(error.code, fields, error);
  }
}

/** @throws ManifestError UPDATES_NOT_ALLOWED where nobody may approve the action */
export function checkAllowed(
  check: Pick<ContentCheck, 'inForce' | 'isFirst' | 'action'>,
): ApprovalRule {
  const rule = approvalRule(check.inForce, check.action);
  if (!check.isFirst && rule.threshold === 0) {
    const fields = { path: 'owners', expected: 'an owner with the role update', found: 0 };
    throw new ManifestError('UPDATES_NOT_ALLOWED', fields);
  }
  return rule;
}

/**
 * Checks one approval, without counting.
 *
 * @param path its place, for errors
 * @returns the owner
 * @throws ManifestError as `checkApprovalsOf`, apart from those about numbers
 */
export function checkApproval(
  approval: Approval,
  content: Uint8Array,
  check: Omit<ContentCheck, 'approvals'>,
  path: string,
): Owner {
  const found = approval.ownerFingerprint;
  const owner = check.inForce.owners.find(({ fingerprint }) => fingerprint === found);
  if (owner === undefined) {
    const expected = 'fingerprint of an owner in the manifest in force';
    throw new ManifestError('APPROVAL_UNKNOWN_OWNER', { path, expected, found });
  }
  const { role } = approvalRule(check.inForce, check.action);
  if (!owner.roles.includes(role)) {
    throw new ManifestError('APPROVAL_ROLE_MISSING', { path, expected: role, found });
  }
  checkSignature({ approval, owner, content, path, use: 'witan-approval+jws' }, check);
  return owner;
}

/** An owner's signature over some content, with its place for errors. */
export interface SignatureOf {
  readonly approval: Approval;
  readonly owner: Owner;
  readonly content: Uint8Array;
  readonly path: string;
  readonly use: ApprovalUse;
}

/**
 * @throws ManifestError APPROVAL_MALFORMED, APPROVAL_ALGORITHM_UNFIT, APPROVAL_EXPIRED,
 *   APPROVAL_EXPIRY_TOO_FAR, APPROVAL_SIGNATURE_INVALID
 */
export function checkSignature(
  of: SignatureOf,
  { timeMs, crypto }: Pick<ContentCheck, 'timeMs' | 'crypto'>,
): void {
  const { approval, owner, content, path, use } = of;
  const { signature, ownerFingerprint: found } = approval;
  if (isRaw(signature) && owner.keyKind === 'p256' && use === 'witan-approval+jws') {
    const algorithm = 'ecdsa-p256-sha256';
    const { publicKey } = owner;
    if (crypto.verify({ algorithm, publicKey, data: content, signature })) return;
    throw badSignature(of);
  }
  const jws = parseDetachedJws(signature);
  if (jws === undefined || jws.header.use !== use || jws.header.owner !== found) {
    const expected = `a detached JWS of type ${use} with the kid ${found}`;
    const kid = jws === undefined ? 'other bytes' : `${jws.header.use} of ${jws.header.owner}`;
    throw new ManifestError('APPROVAL_MALFORMED', { path, expected, found: kid });
  }
  const expected = jwsAlgorithmOf(owner.keyKind);
  if (jws.header.algorithm !== expected) {
    const fields = { path, expected, found: jws.header.algorithm };
    throw new ManifestError('APPROVAL_ALGORITHM_UNFIT', fields);
  }
  checkExpiry(jws, timeMs, path);
  if (!isJwsValid(jws, owner, content, crypto)) throw badSignature(of);
}

/** Whether a signature has the form of those before there were JWS. */
export function isRaw(signature: Uint8Array): boolean {
  return signature.byteLength === SIGNATURE_BYTES;
}

function badSignature({ owner, path, approval }: SignatureOf): ManifestError {
  const expected = `a signature by ${owner.name} over this change`;
  const found = approval.ownerFingerprint;
  return new ManifestError('APPROVAL_SIGNATURE_INVALID', { path, expected, found });
}

function checkExpiry({ header }: ParsedJws, timeMs: UnixMillis | undefined, path: string): void {
  if (timeMs === undefined) return;
  const expiresMs = header.expiresSeconds * 1000;
  if (expiresMs < timeMs) {
    const expected = `an expiry after ${timeText(timeMs)}, by the leader's clock`;
    throw new ManifestError('APPROVAL_EXPIRED', { path, expected, found: timeText(expiresMs) });
  }
  if (expiresMs > timeMs + APPROVAL_LIFETIME_MS_MAX) {
    const latest = timeText(timeMs + APPROVAL_LIFETIME_MS_MAX);
    const expected = `an expiry up to ${latest}, by the leader's clock`;
    const fields = { path, expected, found: timeText(expiresMs) };
    throw new ManifestError('APPROVAL_EXPIRY_TOO_FAR', fields);
  }
}

/** Seconds since 1970 in words that need no calendar. */
function timeText(ms: number): string {
  return `${Math.floor(ms / 1000)} (Unix seconds)`;
}

/** Order of approvals in a transition: by fingerprint, each once. */
export function compareApprovals(left: Approval, right: Approval): number {
  if (left.ownerFingerprint === right.ownerFingerprint) return 0;
  return left.ownerFingerprint < right.ownerFingerprint ? -1 : 1;
}

/** One approval per owner, the first given, in the order that records demand. */
export function distinctApprovals(approvals: readonly Approval[]): readonly Approval[] {
  const distinct = new Map<Sha256Hex, Approval>();
  for (const approval of approvals) {
    if (!distinct.has(approval.ownerFingerprint)) distinct.set(approval.ownerFingerprint, approval);
  }
  return [...distinct.values()].toSorted(compareApprovals);
}

/** Appends an approval to a canonical record. */
export function writeApproval(writer: CanonicalWriter, approval: Approval): void {
  writeDigest(writer, approval.ownerFingerprint);
  writer.bytes(approval.signature);
}

/** Reads what `writeApproval` wrote. */
export function readApproval(reader: CanonicalReader): Approval {
  return {
    ownerFingerprint: sha256Hex(readDigest(reader)),
    signature: reader.bytes(APPROVAL_BYTES_MAX),
  };
}
