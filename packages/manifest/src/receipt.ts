/**
 * Receipts: a leaf of the audit log, the path from it to the root, and the signed mark that holds
 * this root. Whoever knows the history key can check one without asking anybody.
 */
import {
  BytesError,
  bytesEqual,
  fromBase64,
  fromHex,
  toBase64,
  toHex,
  utf8,
  type ClusterId,
  type Crypto,
} from '@witan/core';
import { ManifestError } from './errors.ts';
import {
  badValue,
  readInteger,
  readList,
  readObject,
  readString,
  requiredField,
} from './fields.ts';
import type { Located } from './fields.ts';
import {
  decodeSignedHighWaterMark,
  encodeSignedHighWaterMark,
  verifyHighWaterMark,
  type HighWaterMark,
  type SignedHighWaterMark,
} from './high-water-mark.ts';
import { readJson } from './json.ts';
import { RECEIPT_BYTES_MAX } from './limits.ts';
import { decodeLeaf, type LogLeaf } from './log-leaf.ts';
import { leafHash, MERKLE_PROOF_HASHES_MAX, verifyInclusion } from './merkle/index.ts';
import type { TreeHead } from './merkle/index.ts';
import { ROOT_PATH } from './path.ts';

const API_VERSION = 'witan.dev/v1';
const KIND = 'Receipt';
const FIELDS = ['apiVersion', 'kind', 'index', 'leaf', 'path', 'mark', 'historyPublicKey'];

/** What is checked offline. */
export interface Receipt {
  /** Canonical bytes of the leaf. */
  readonly leaf: Uint8Array;
  /** Its number in the log, from 0. */
  readonly index: number;
  /** Audit path, from the leaf upwards. */
  readonly path: readonly Uint8Array[];
  readonly mark: SignedHighWaterMark;
  /** DER SubjectPublicKeyInfo, for whoever knows it by its digest; proves nothing itself. */
  readonly historyPublicKey: Uint8Array;
}

/** By what a receipt is judged. */
export interface ReceiptTrust {
  readonly clusterId: ClusterId;
  /** DER SubjectPublicKeyInfo, obtained over an attested channel. */
  readonly historyPublicKey: Uint8Array;
  /** Those before it: see `VerifiedReceipt.isUnderFormerKey`. */
  readonly formerHistoryKeys?: readonly Uint8Array[];
  /** The head seen last, where one was. */
  readonly log?: TreeHead;
}

/** What a good receipt says. */
export interface VerifiedReceipt {
  readonly leaf: LogLeaf;
  readonly mark: HighWaterMark;
  readonly log: TreeHead;
  /** Signed before the seed was rotated, or by somebody who has stolen the seed of then. */
  readonly isUnderFormerKey: boolean;
}

/** Strict JSON for a file. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  const { leaf, index, path, mark, historyPublicKey } = receipt;
  const value = {
    apiVersion: API_VERSION,
    kind: KIND,
    index,
    leaf: toBase64(leaf),
    path: path.map(toHex),
    mark: toBase64(encodeSignedHighWaterMark(mark)),
    historyPublicKey: toBase64(historyPublicKey),
  };
  return utf8(`${JSON.stringify(value, null, 2)}\n`);
}

/** @throws ManifestError RECEIPT_MALFORMED */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  if (bytes.byteLength > RECEIPT_BYTES_MAX) {
    const fields = { path: 'receipt', expected: RECEIPT_BYTES_MAX, found: bytes.byteLength };
    throw new ManifestError('RECEIPT_MALFORMED', fields);
  }
  try {
    return readReceipt(bytes);
  } catch (cause) {
    if (!(cause instanceof ManifestError || cause instanceof BytesError)) throw cause;
    const { path = 'receipt', expected = 'base64 or hex', found = cause.code } = cause.fields;
    throw new ManifestError('RECEIPT_MALFORMED', { path: String(path), expected, found }, cause);
  }
}

function readReceipt(bytes: Uint8Array): Receipt {
  const object = readObject({ value: readJson(bytes), path: ROOT_PATH }, FIELDS);
  expectText(requiredField(object, 'apiVersion'), API_VERSION);
  expectText(requiredField(object, 'kind'), KIND);
  const base64 = (name: string) => fromBase64(readString(requiredField(object, name)).value);
  const path = readList(requiredField(object, 'path'), 0, MERKLE_PROOF_HASHES_MAX);
  return {
    index: readInteger(requiredField(object, 'index'), 0, Number.MAX_SAFE_INTEGER),
    leaf: base64('leaf'),
    path: path.map((item) => fromHex(readString(item).value)),
    mark: decodeSignedHighWaterMark(base64('mark')),
    historyPublicKey: base64('historyPublicKey'),
  };
}

function expectText(located: Located, expected: string): void {
  if (readString(located).value !== expected) throw badValue(located, expected);
}

/**
 * Checks a receipt offline: the mark's signature, the cluster, and the path to the root in it.
 *
 * @throws ManifestError MARK_SIGNATURE_INVALID, RECEIPT_OTHER_CLUSTER, RECEIPT_WITHOUT_HEAD,
 *   RECORD_MALFORMED, MERKLE_PROOF_MALFORMED, MERKLE_INCLUSION_INVALID, MERKLE_INCONSISTENT where
 *   its log of the same size is another than the one seen
 */
export function verifyReceipt(
  receipt: Receipt,
  trust: ReceiptTrust,
  crypto: Crypto,
): VerifiedReceipt {
  const key = keyFor(receipt, trust);
  const mark = verifyHighWaterMark(receipt.mark, key, crypto);
  if (mark.clusterId !== trust.clusterId) {
    const fields = { path: 'receipt.mark', expected: trust.clusterId, found: mark.clusterId };
    throw new ManifestError('RECEIPT_OTHER_CLUSTER', fields);
  }
  const { log } = mark;
  if (log === undefined) {
    const fields = { path: 'receipt.mark', expected: 'head of the log', found: 'none' };
    throw new ManifestError('RECEIPT_WITHOUT_HEAD', fields);
  }
  const leaf = decodeLeaf(receipt.leaf);
  const hash = leafHash(receipt.leaf, crypto);
  verifyInclusion(hash, receipt.index, log, receipt.path, crypto);
  checkSameSize(log, trust.log);
  const isUnderFormerKey = !bytesEqual(key, trust.historyPublicKey);
  return { leaf, mark, log, isUnderFormerKey };
}

/** A former key vouches for what was signed in its time, also by whoever may have stolen it. */
function keyFor({ historyPublicKey: named }: Receipt, trust: ReceiptTrust): Uint8Array {
  const isIt = (key: Uint8Array): boolean => bytesEqual(key, named);
  return trust.formerHistoryKeys?.find(isIt) ?? trust.historyPublicKey;
}

function checkSameSize(found: TreeHead, seen: TreeHead | undefined): void {
  if (seen === undefined || seen.size !== found.size) return;
  if (toHex(seen.root) === toHex(found.root)) return;
  const fields = { path: 'receipt.root', expected: toHex(seen.root), found: toHex(found.root) };
  throw new ManifestError('MERKLE_INCONSISTENT', fields);
}
