/**
 * The audit log as a client sees it: receipts, leaves with what leads from them to a signed head,
 * and proofs that the log only grew. Whatever is given out was verified (I6).
 */
import { fromHex, type Crypto } from '@witan/core';
import {
  decodeLeaf,
  LEAF_KINDS,
  leafHash,
  ManifestError,
  MerkleLog,
  verifyConsistency,
  verifyFrontier,
  verifyReceipt,
  type HighWaterMark,
  type LeafKind,
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

/** Which leaves are wanted. */
export interface LeafRange {
  /** The first one, from 0; without: the oldest that is kept. */
  readonly from?: number;
  /** Behind the last one; without: up to the newest. */
  readonly to?: number;
  /** No more than so many, the newest of those. */
  readonly limit?: number;
  /**
   * From the head on that `verify` saw last, where it saw one and the leaves are still kept. The
   * log must go on from there.
   */
  readonly sinceSeen?: boolean;
  /** Others are checked as well, and then left out. */
  readonly kinds?: readonly LeafKind[];
}

/** Leaves of a part of the log, every one of them checked against a signed head. */
export interface FetchedLeaves {
  /** All leaves of the part, or those of the kinds asked for. */
  readonly leaves: readonly NumberedLeaf[];
  /** The first leaf that was checked. */
  readonly from: number;
  /** Whether leaves that were asked for are no longer kept: those before `from`. */
  readonly isPruned: boolean;
  /** Behind the last leaf that was checked. */
  readonly to: number;
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
 * Fetches a part of the log, page by page, and checks it against a signed head: the leaves give the
 * root of the log at the end of the part, and that log is a beginning of the signed one. So none of
 * them is left out or made up; nothing is said of leaves outside.
 *
 * @throws ClientError CLIENT_LOG_INCONSISTENT, CLIENT_ANSWER_MALFORMED; RemoteError, TransportError
 */
export async function fetchLeaves(
  attempt: Attempt,
  range: LeafRange,
  anchors: Anchors,
  crypto: Crypto,
): Promise<FetchedLeaves> {
  const { connection } = attempt;
  const reader = new LeafReader(attempt, anchors, crypto);
  const { seen, from, to: end } = await reader.locate(range);
  const part = await reader.read(from, end, new Set(range.kinds ?? LEAF_KINDS));
  const { answer, mark, head } = await reader.vouchFor(part);
  if (seen !== undefined && part.from !== seen.size) {
    await checkLogContinues(attempt, seen, anchors, crypto);
  } else if (seen !== undefined) {
    consistent(() => {
      verifyFrontier(seen, part.frontier, crypto);
    });
  }
  anchors.accept(answer, mark);
  const simulated = connection.peer.claims?.claims.simulated === true;
  const isPruned = part.from > from;
  const to = part.root.size;
  return { leaves: part.leaves, from: part.from, isPruned, to, head, mark, simulated };
}

/** A part of a log by itself. */
interface Part {
  readonly from: number;
  /** Perfect subtrees of what is before it. */
  readonly frontier: readonly Uint8Array[];
  readonly leaves: readonly NumberedLeaf[];
  /** Of the log that ends with this part. */
  readonly root: TreeHead;
  /** What signs for the first page. */
  readonly vouched: ReturnType<typeof vouched>;
}

/** Behind every leaf that can be, so that the answer holds none. */
const NO_LEAF = Number.MAX_SAFE_INTEGER;

/** Reads one part of a log from one replica. */
class LeafReader {
  readonly #attempt: Attempt;
  readonly #anchors: Anchors;
  readonly #crypto: Crypto;
  readonly #floor: Anchors['known']['floor'];

  constructor(attempt: Attempt, anchors: Anchors, crypto: Crypto) {
    this.#attempt = attempt;
    this.#anchors = anchors;
    this.#crypto = crypto;
    this.#floor = anchors.known.floor;
  }

  /** Where the part begins and ends; 0 for an end at the newest leaf. */
  async locate(
    range: LeafRange,
  ): Promise<{ readonly seen: TreeHead | undefined; readonly from: number; readonly to: number }> {
    const { from = 0, to, limit, sinceSeen = false } = range;
    const isWhole = from === 0 && to === undefined && limit === undefined;
    const seenOf = (mark: HighWaterMark): TreeHead | undefined =>
      sinceSeen ? this.#anchors.knownOf(mark.clusterId).log : undefined;
    if (isWhole && !sinceSeen) return { seen: undefined, from, to: 0 };
    const { mark, head } = this.#vouched(await this.#ask(NO_LEAF, 0));
    const seen = seenOf(mark);
    checkGrown(seen, head);
    const end = Math.min(to ?? head.size, head.size);
    const begin = Math.max(from, seen?.size ?? 0, limit === undefined ? 0 : end - limit);
    return { seen, from: Math.min(begin, end), to: end };
  }

  async read(from: number, to: number, kinds: ReadonlySet<LeafKind>): Promise<Part> {
    const first = await this.#ask(from, to);
    const whole = this.#vouched(first);
    const begin = Number(first.from);
    const end = to === 0 ? whole.head.size : to;
    if (begin < from || (begin > end && end > 0)) throw malformed(`leaves from ${from}`, begin);
    const log = consistent(() => MerkleLog.fromFrontier(begin, first.frontier, this.#crypto));
    const leaves: NumberedLeaf[] = [];
    let page = first;
    for (let pages = 0; ; pages += 1) {
      for (const bytes of page.leaves.slice(0, Math.max(0, end - log.size))) {
        const leaf = read('leaf', () => decodeLeaf(bytes));
        if (kinds.has(leaf.kind)) leaves.push({ number: log.size, leaf });
        log.append(leafHash(bytes, this.#crypto));
      }
      if (log.size >= end) break;
      if (page.leaves.length === 0 || pages > PAGES_MAX) throw malformed(`${end} leaves`, log.size);
      page = await this.#ask(log.size, end);
      this.#vouched(page);
    }
    const { frontier } = first;
    return { from: begin, frontier, leaves, root: log.head(), vouched: whole };
  }

  /** Checks that the part is one of the log that a mark signs. @returns that mark */
  async vouchFor({ root, vouched: first }: Part): Promise<ReturnType<typeof vouched>> {
    if (root.size === first.head.size) {
      consistent(() => {
        verifyConsistency(root, first.head, [], this.#crypto);
      });
      return first;
    }
    const { connection, timeoutMs } = this.#attempt;
    const method = AuditService.method.getConsistency;
    const wire = await connection.unary(method, { size: BigInt(root.size) }, { timeoutMs });
    const later = this.#vouched(wire);
    consistent(() => {
      verifyConsistency(root, later.head, wire.path, this.#crypto);
    });
    return later;
  }

  #ask(from: number, size: number) {
    const { connection, timeoutMs } = this.#attempt;
    const request = { from: BigInt(from), size: BigInt(size) };
    return connection.unary(AuditService.method.getLeaves, request, { timeoutMs });
  }

  #vouched(wire: Vouched): ReturnType<typeof vouched> {
    return vouched(wire, this.#anchors, this.#floor);
  }
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
