/**
 * The audit log as a client sees it: receipts, leaves with what leads from them to a signed head,
 * and proofs that the log only grew. Whatever is given out was verified (I6).
 */
import { fromHex, toHex, type Crypto } from '@witan/core';
import {
  decodeLeaf,
  leafHash,
  ManifestError,
  MerkleLog,
  verifyConsistency,
  verifyFrontier,
  verifyReceipt,
  type HighWaterMark,
  type LogLeaf,
  type Receipt,
  type TreeHead,
} from '@witan/manifest';
import { AuditService } from '@witan/protocol';
import type { AnswerAnchors, Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import { ClientError } from './errors.ts';
import { markFromWire, read } from './wire.ts';

/** Which leaf a receipt is wanted of. */
export type ReceiptOf =
  /** 32 hex digits. */
  | { readonly kind: 'serial'; readonly serial: string }
  | { readonly kind: 'generation'; readonly generation: number }
  | { readonly kind: 'recovery'; readonly epoch: number }
  | { readonly kind: 'index'; readonly index: number };

/** A leaf with its number in the log. */
export interface NumberedLeaf {
  readonly number: number;
  readonly leaf: LogLeaf;
}

/** Leaves up to a signed head, without a gap. */
export interface FetchedLeaves {
  readonly leaves: readonly NumberedLeaf[];
  /** The oldest leaf that was given; older ones are no longer kept. */
  readonly from: number;
  readonly head: TreeHead;
  readonly mark: HighWaterMark;
  /** No hardware protects the replica that answered (I11). */
  readonly simulated: boolean;
}

/** Answers that all leaves may take; each holds as many as the replica puts in. */
const PAGES_MAX = 10_000;

interface Vouched {
  readonly highWaterMark?: Parameters<typeof markFromWire>[0];
  readonly historyPublicKey: Uint8Array;
}

/** @throws ClientError; RemoteError, TransportError */
export async function fetchReceipt(
  attempt: Attempt,
  wanted: ReceiptOf,
  anchors: Anchors,
  crypto: Crypto,
): Promise<{ readonly receipt: Receipt; readonly leaf: LogLeaf; readonly answer: AnswerAnchors }> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const request = { leaf: leafToWire(wanted) };
  const wire = await connection.unary(AuditService.method.getReceipt, request, { timeoutMs });
  const { answer } = vouched(wire, anchors, floor);
  const { historyPublicKey } = wire;
  const index = Number(wire.index);
  const receipt = { leaf: wire.leaf, index, path: wire.path, mark: answer.mark, historyPublicKey };
  const trust = { clusterId: answer.clusterId, historyPublicKey };
  const { leaf } = consistent(() => verifyReceipt(receipt, trust, crypto));
  checkAsked(wanted, index, leaf);
  return { receipt, leaf, answer };
}

/**
 * Fetches all leaves from a number on, or from the oldest that is kept, and checks them against one
 * signed head.
 *
 * @param seen the head that was seen last: `from` is its size, and the log must go on from it
 * @throws ClientError CLIENT_LOG_INCONSISTENT; RemoteError, TransportError
 */
export async function fetchLeaves(
  attempt: Attempt,
  seen: TreeHead | undefined,
  anchors: Anchors,
  crypto: Crypto,
): Promise<FetchedLeaves> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const ask = (from: number, size: number) => {
    const request = { from: BigInt(from), size: BigInt(size) };
    return connection.unary(AuditService.method.getLeaves, request, { timeoutMs });
  };
  const first = await ask(seen?.size ?? 0, 0);
  const { answer, mark, head } = vouched(first, anchors, floor);
  const from = Number(first.from);
  checkGrown(seen, head);
  const bytes: Uint8Array[] = [];
  let page = first;
  for (let pages = 0; ; pages += 1) {
    bytes.push(...page.leaves);
    if (from + bytes.length >= head.size) break;
    if (page.leaves.length === 0 || pages > PAGES_MAX) {
      throw malformed(`${head.size} leaves`, from + bytes.length);
    }
    page = await ask(from + bytes.length, head.size);
    vouched(page, anchors, floor);
  }
  consistent(() => {
    const isSeen = seen !== undefined && from === seen.size;
    if (isSeen) verifyFrontier(seen, first.frontier, crypto);
    const hashes = bytes.map((leaf) => leafHash(leaf, crypto));
    const root = rootOf(from, first.frontier, hashes, crypto);
    if (toHex(root) === toHex(head.root)) return;
    const fields = { path: 'leaves', expected: toHex(head.root), found: toHex(root) };
    throw new ManifestError('MERKLE_INCONSISTENT', fields);
  });
  const leaves = bytes.map((leaf, at) => ({
    number: from + at,
    leaf: read('leaf', () => decodeLeaf(leaf)),
  }));
  anchors.accept(answer, mark);
  const simulated = connection.peer.claims?.claims.simulated === true;
  return { leaves, from, head, mark, simulated };
}

/** @throws ClientError CLIENT_LOG_INCONSISTENT; RemoteError, TransportError */
export async function checkLogContinues(
  attempt: Attempt,
  seen: TreeHead,
  anchors: Anchors,
  crypto: Crypto,
): Promise<TreeHead> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const request = { size: BigInt(seen.size) };
  const method = AuditService.method.getConsistency;
  const wire = await connection.unary(method, request, { timeoutMs });
  const { head } = vouched(wire, anchors, floor);
  consistent(() => {
    verifyConsistency(seen, head, wire.path, crypto);
  });
  return head;
}

/** Checks the anchors of an answer, and that its mark has the head of the log. */
function vouched(wire: Vouched, anchors: Anchors, floor: Anchors['known']['floor']) {
  const signed = markFromWire(wire.highWaterMark);
  const { historyPublicKey } = wire;
  const answer = { clusterId: signed.mark.clusterId, historyPublicKey, mark: signed };
  const mark = anchors.check(answer, floor);
  if (mark.log === undefined) {
    throw new ClientError('CLIENT_MARK_INVALID', { expected: 'head of the log', found: 'none' });
  }
  return { answer, mark, head: mark.log };
}

/** The root of a log of which the first leaves are known by their perfect subtrees alone. */
function rootOf(
  from: number,
  frontier: readonly Uint8Array[],
  hashes: readonly Uint8Array[],
  crypto: Crypto,
): Uint8Array {
  const log = MerkleLog.fromFrontier(from, frontier, crypto);
  for (const hash of hashes) log.append(hash);
  return log.head().root;
}

/** @throws ClientError CLIENT_LOG_INCONSISTENT */
export function checkGrown(seen: TreeHead | undefined, head: TreeHead): void {
  if (seen === undefined || head.size >= seen.size) return;
  const fields = { check: 'MERKLE_LOG_SHRANK', expected: seen.size, found: head.size };
  throw new ClientError('CLIENT_LOG_INCONSISTENT', fields);
}

function checkAsked(wanted: ReceiptOf, index: number, leaf: LogLeaf): void {
  const isAsked =
    (wanted.kind === 'index' && wanted.index === index) ||
    (wanted.kind === 'serial' && leaf.kind === 'issuance' && leaf.serial === wanted.serial) ||
    (wanted.kind === 'generation' &&
      leaf.kind === 'update' &&
      leaf.generation === wanted.generation) ||
    (wanted.kind === 'recovery' && leaf.kind === 'recovery' && leaf.epoch === wanted.epoch);
  if (isAsked) return;
  const fields = { part: 'receipt', expected: wanted.kind, found: `${leaf.kind} ${index}` };
  throw new ClientError('CLIENT_ANSWER_INCONSISTENT', fields);
}

function leafToWire(wanted: ReceiptOf) {
  switch (wanted.kind) {
    case 'serial':
      return { case: 'serial', value: fromHex(wanted.serial) } as const;
    case 'generation':
      return { case: 'generation', value: BigInt(wanted.generation) } as const;
    case 'recovery':
      return { case: 'recovery', value: BigInt(wanted.epoch) } as const;
    case 'index':
      return { case: 'index', value: BigInt(wanted.index) } as const;
  }
}

/** A proof that fails means that somebody shows another log. */
function consistent<Value>(check: () => Value): Value {
  try {
    return check();
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    const fields = { check: cause.code, ...cause.fields };
    throw new ClientError('CLIENT_LOG_INCONSISTENT', fields, cause);
  }
}

function malformed(expected: string, found: number): ClientError {
  return new ClientError('CLIENT_ANSWER_MALFORMED', { part: 'leaves', expected, found });
}
