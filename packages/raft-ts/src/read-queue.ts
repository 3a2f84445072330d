/**
 * Reads that wait for proof that the leader still leads (Raft thesis, section 6.4).
 *
 * Leader: each read gets the next position of a counter of this queue; heartbeats carry the newest
 * position, and responses echo it. Callers' contexts never travel in heartbeats: two reads with the
 * same context, or a delayed response to an earlier one, would confirm a later read on a leader
 * that has been deposed (etcd issue 20418).
 * Follower: a forwarded read travels under a token of this node, for the same reason.
 */
import { bytesEqual, numberFromBytes, numberToBytes } from './bytes.ts';
import { jointCommittedIndex, type JointVoters } from './quorum/joint.ts';
import type { Index, NodeId } from './types.ts';

/** A confirmed read: the state machine may answer it once it has applied up to `index`. */
export type ReadState = {
  readonly index: Index;
  /** The context that the caller gave to `readIndex`. */
  readonly requestContext: Uint8Array;
};

/** Who asked: a peer (with its token) or this node itself (with the caller's context). */
export type ReadRequest = { readonly from: NodeId; readonly context: Uint8Array };

export type ConfirmedRead = ReadRequest & { readonly index: Index };

type Forwarded = { readonly token: Uint8Array; readonly context: Uint8Array };

const TOKEN_RANDOM_BOUND = 0x1_0000_0000;

export class ReadQueue {
  readonly #readsMax: number;
  /** Distinguishes tokens of this process from those of an earlier one with the same id. */
  readonly #tokenPrefix: number;
  /** Reads before the leader has committed an entry of its own term. */
  #postponed: ReadRequest[] = [];
  /** Reads that wait for confirmation; the first has position `#confirmed + 1`. */
  #waiting: ConfirmedRead[] = [];
  #confirmed = 0;
  /** Highest position that each peer has echoed. */
  #acks: Map<NodeId, number> = new Map();
  /** Reads sent to the leader, by the counter in their token. */
  #forwarded: Map<number, Forwarded> = new Map();
  #forwardedCount = 0;

  /** @param readsMax most reads of each kind that wait at one time */
  constructor(readsMax: number, randomInt: (boundExclusive: number) => number) {
    this.#readsMax = readsMax;
    this.#tokenPrefix = randomInt(TOKEN_RANDOM_BOUND);
  }

  /** Forgets everything, on any change of term, role or leader. Positions are never reused. */
  reset(): void {
    this.#confirmed += this.#waiting.length;
    this.#postponed = [];
    this.#waiting = [];
    this.#acks = new Map();
    this.#forwarded = new Map();
  }

  /** @returns false if there are too many */
  postpone(request: ReadRequest): boolean {
    if (this.#postponed.length >= this.#readsMax) return false;
    this.#postponed.push(request);
    return true;
  }

  takePostponed(): readonly ReadRequest[] {
    const requests = this.#postponed;
    this.#postponed = [];
    return requests;
  }

  /** Queues a read at the commit index of this moment. @returns false if there are too many */
  wait(request: ReadRequest, commit: Index): boolean {
    if (this.#waiting.length >= this.#readsMax) return false;
    this.#waiting.push({ ...request, index: commit });
    return true;
  }

  /** What the next heartbeats carry: the newest position, or nothing if no read waits. */
  heartbeatContext(): Uint8Array {
    if (this.#waiting.length === 0) return new Uint8Array(0);
    return numberToBytes(this.#confirmed + this.#waiting.length);
  }

  /** Notes an echoed context. @returns false if it is none of ours */
  acknowledge(from: NodeId, context: Uint8Array): boolean {
    const position = numberFromBytes(context);
    if (position === undefined || position > this.#confirmed + this.#waiting.length) return false;
    this.#acks.set(from, Math.max(position, this.#acks.get(from) ?? 0));
    return true;
  }

  /** Takes the reads that a quorum has confirmed, by the rule of the commit index. */
  takeConfirmed(self: NodeId, voters: JointVoters): readonly ConfirmedRead[] {
    const newest = this.#confirmed + this.#waiting.length;
    const position = jointCommittedIndex(voters, (id) =>
      id === self ? newest : this.#acks.get(id),
    );
    const count = Math.min(position, newest) - this.#confirmed;
    if (count <= 0) return [];
    this.#confirmed += count;
    return this.#waiting.splice(0, count);
  }

  /** Makes a token for a read to be forwarded. */
  forward(context: Uint8Array): Uint8Array {
    if (this.#forwarded.size >= this.#readsMax) {
      // An answer may have been lost for good: the oldest makes room.
      const oldest = this.#forwarded.keys().next().value;
      if (oldest !== undefined) this.#forwarded.delete(oldest);
    }
    this.#forwardedCount += 1;
    const token = new Uint8Array(16);
    token.set(numberToBytes(this.#tokenPrefix), 0);
    token.set(numberToBytes(this.#forwardedCount), 8);
    this.#forwarded.set(this.#forwardedCount, { token, context });
    return token;
  }

  /** The caller's context for a token, once; undefined if it is unknown or was answered. */
  takeForwarded(token: Uint8Array): Uint8Array | undefined {
    const count = numberFromBytes(token.subarray(8));
    const known = count === undefined ? undefined : this.#forwarded.get(count);
    if (count === undefined || known === undefined) return undefined;
    if (!bytesEqual(known.token, token)) return undefined;
    this.#forwarded.delete(count);
    return known.context;
  }
}
