/**
 * The errors of this package. Every error about a manifest names the place (`path`), what was
 * expected there and what was found. Manifests are public, but long values are cut all the same.
 */
import { CodedError, type FieldValue } from '@witan/core';

/** Stable names of what can be wrong; errors.json says what to do about each. */
export type ManifestErrorCode =
  | 'MANIFEST_TOO_LARGE'
  | 'MANIFEST_NOT_JSON'
  | 'MANIFEST_TOO_DEEP'
  | 'MANIFEST_DUPLICATE_KEY'
  | 'MANIFEST_UNKNOWN_FIELD'
  | 'MANIFEST_MISSING_FIELD'
  | 'MANIFEST_WRONG_TYPE'
  | 'MANIFEST_BAD_VALUE'
  | 'MANIFEST_DUPLICATE_VALUE'
  | 'MANIFEST_EMPTY_LIST'
  | 'MANIFEST_TOO_MANY'
  | 'MANIFEST_BAD_PUBLIC_KEY'
  | 'MANIFEST_BAD_REFERENCE_VALUES'
  | 'MANIFEST_NO_UPDATE_OWNER'
  | 'APPROVAL_UNKNOWN_OWNER'
  | 'APPROVAL_ROLE_MISSING'
  | 'APPROVAL_MALFORMED'
  | 'APPROVAL_ALGORITHM_UNFIT'
  | 'APPROVAL_EXPIRED'
  | 'APPROVAL_EXPIRY_TOO_FAR'
  | 'APPROVAL_SIGNATURE_INVALID'
  | 'APPROVALS_TOO_FEW'
  | 'APPROVALS_TOO_MANY'
  | 'UPDATES_NOT_ALLOWED'
  | 'HISTORY_CLUSTER_DIFFERS'
  | 'HISTORY_EPOCH_DECREASES'
  | 'HISTORY_GENERATION_GAP'
  | 'HISTORY_LINK_BROKEN'
  | 'HISTORY_SIGNATURE_INVALID'
  | 'HISTORY_TOO_LONG'
  | 'MARK_SIGNATURE_INVALID'
  | 'MERKLE_INCLUSION_INVALID'
  | 'MERKLE_INCONSISTENT'
  | 'MERKLE_LOG_SHRANK'
  | 'MERKLE_OUT_OF_RANGE'
  | 'MERKLE_PROOF_MALFORMED'
  | 'MERKLE_PRUNED'
  | 'RECEIPT_MALFORMED'
  | 'RECEIPT_OTHER_CLUSTER'
  | 'RECEIPT_WITHOUT_HEAD'
  | 'RECORD_MALFORMED'
  | 'RECOVERIES_TOO_MANY'
  | 'RECOVERY_EPOCH_DIFFERS'
  | 'RECOVERY_GOES_BACK'
  | 'RECOVERY_LINK_BROKEN'
  | 'RECOVERY_OFF_HISTORY'
  | 'CHANGE_OFF_HISTORY'
  | 'CHANGE_OUT_OF_ORDER'
  | 'RECOVERY_SIGNATURE_INVALID'
  | 'SEED_LINKS_TOO_MANY'
  | 'SEED_LINK_BROKEN'
  | 'SEED_LINK_OFF_HISTORY'
  | 'SEED_LINK_SIGNATURE_INVALID';

/** What every error of this package says beside its code. */
export interface ManifestErrorFields {
  /** Place in the manifest, such as `workloads.web.dnsNames[1]`, or the name of the record. */
  readonly path: string;
  readonly expected: FieldValue;
  readonly found: FieldValue;
}

const MESSAGES: Readonly<Record<ManifestErrorCode, string>> = {
  MANIFEST_TOO_LARGE: 'manifest is larger than the limit in bytes',
  MANIFEST_NOT_JSON: 'manifest is not strict JSON',
  MANIFEST_TOO_DEEP: 'manifest is nested deeper than the limit',
  MANIFEST_DUPLICATE_KEY: 'manifest has an object with the same key twice',
  MANIFEST_UNKNOWN_FIELD: 'manifest has a field that the schema does not know',
  MANIFEST_MISSING_FIELD: 'manifest lacks a required field',
  MANIFEST_WRONG_TYPE: 'manifest has a value of the wrong type',
  MANIFEST_BAD_VALUE: 'manifest has a value outside what is allowed',
  MANIFEST_DUPLICATE_VALUE: 'manifest has a value twice that must be unique',
  MANIFEST_EMPTY_LIST: 'manifest has an empty list where one item is required',
  MANIFEST_TOO_MANY: 'manifest has more items than the limit',
  MANIFEST_BAD_PUBLIC_KEY: 'manifest has an owner key that cannot serve its owner',
  MANIFEST_BAD_REFERENCE_VALUES: 'manifest has malformed reference values',
  MANIFEST_NO_UPDATE_OWNER: 'manifest names no owner who may update it',
  APPROVAL_UNKNOWN_OWNER: 'approval comes from a key that the manifest in force does not list',
  APPROVAL_ROLE_MISSING: 'approval comes from an owner without the role that it takes',
  APPROVAL_MALFORMED: 'approval is no signature of the form and type that this takes',
  APPROVAL_ALGORITHM_UNFIT: 'approval names another algorithm than the owner’s key has',
  APPROVAL_EXPIRED: 'approval has expired',
  APPROVAL_EXPIRY_TOO_FAR: 'approval expires later than is allowed',
  APPROVAL_SIGNATURE_INVALID: 'approval has an invalid signature',
  APPROVALS_TOO_FEW: 'fewer owners approved than the manifest in force demands',
  APPROVALS_TOO_MANY: 'more approvals than the limit',
  UPDATES_NOT_ALLOWED: 'manifest in force allows no updates',
  HISTORY_CLUSTER_DIFFERS: 'history holds a transition of another cluster',
  HISTORY_EPOCH_DECREASES: 'history goes back to an earlier epoch',
  HISTORY_GENERATION_GAP: 'history skips or repeats a generation',
  HISTORY_LINK_BROKEN: 'history holds a transition that does not build on the one before',
  HISTORY_SIGNATURE_INVALID: 'history holds a transition with an invalid signature',
  HISTORY_TOO_LONG: 'history is longer than the limit',
  MARK_SIGNATURE_INVALID: 'high-water mark has an invalid signature',
  MERKLE_INCLUSION_INVALID: 'leaf is not where its proof says',
  MERKLE_INCONSISTENT: 'log does not continue the one that was seen before',
  MERKLE_LOG_SHRANK: 'log is shorter than the one that was seen before',
  MERKLE_OUT_OF_RANGE: 'log has no such leaf or size',
  MERKLE_PROOF_MALFORMED: 'proof has not the form that its sizes demand',
  MERKLE_PRUNED: 'log no longer keeps what the proof would take',
  RECEIPT_MALFORMED: 'file is no receipt',
  RECEIPT_OTHER_CLUSTER: 'receipt is of another cluster',
  RECEIPT_WITHOUT_HEAD: 'receipt has no signed head of the log',
  RECORD_MALFORMED: 'bytes are not the canonical encoding of the record',
  RECOVERIES_TOO_MANY: 'more recoveries than the limit',
  RECOVERY_EPOCH_DIFFERS: 'epoch in force was begun by no recorded recovery',
  RECOVERY_GOES_BACK: 'recovery goes on from an earlier state than the one before it',
  RECOVERY_LINK_BROKEN: 'recovery does not build on the one before',
  CHANGE_OFF_HISTORY: 'change was made under a transition that is not in the history',
  CHANGE_OUT_OF_ORDER: 'changes do not follow each other',
  RECOVERY_OFF_HISTORY: 'recovery did not go on from this history',
  RECOVERY_SIGNATURE_INVALID: 'recovery has an invalid signature',
  SEED_LINKS_TOO_MANY: 'more rotations of the seed than a cluster can have',
  SEED_LINK_BROKEN: 'link between seeds does not follow the one before',
  SEED_LINK_OFF_HISTORY: 'link between seeds is not of this history',
  SEED_LINK_SIGNATURE_INVALID: 'link between seeds is not signed by the former history key',
};

/** A manifest, approval, history or mark that is refused. */
export class ManifestError extends CodedError<ManifestErrorCode> {
  constructor(code: ManifestErrorCode, fields: ManifestErrorFields, cause?: unknown) {
    super(code, MESSAGES[code], { fields: { ...fields }, cause });
  }
}
