/**
 * What this client holds a deployment to: its cluster, its trust anchors and the floor. Everything
 * is learnt from the first verified answer, unless it was known before, and never changes or goes
 * down afterwards (I6, I8).
 */
import { bytesEqual, type ClusterId, type Crypto } from '@witan/core';
import {
  ManifestError,
  compareToFloor,
  floorOf,
  verifyHighWaterMark,
  type Floor,
  type FloorVerdict,
  type HistoryKeys,
  type HighWaterMark,
  type SeenRecovery,
  type SignedHighWaterMark,
  type TreeHead,
} from '@witan/manifest';
import { ClientError } from './errors.ts';
import type { Expectations } from './options.ts';
import { leadsTo, type RootLink } from './root-links.ts';
import { clusterIdFromWire } from './wire.ts';

/** What an answer says about its cluster. */
export interface AnswerAnchors {
  readonly clusterId: ClusterId;
  /** Absent where the answer carries none. */
  readonly rootCertificate?: Uint8Array;
  /** How it came from the roots before it; absent where the answer says nothing of them. */
  readonly rootLinks?: readonly RootLink[];
  readonly historyPublicKey: Uint8Array;
  readonly mark: SignedHighWaterMark;
  /** The newest recovery, checked; absent in the first epoch and in answers that carry none. */
  readonly recovery?: SeenRecovery;
}

export class Anchors {
  #known: Expectations;
  readonly #crypto: Crypto;
  #stored: ReadonlyMap<ClusterId, Expectations> = new Map();

  constructor(expected: Expectations, crypto: Crypto) {
    this.#known = expected;
    this.#crypto = crypto;
  }

  get known(): Expectations {
    return this.#known;
  }

  /**
   * What clusters were held to before this client was made. Applies once an answer names one of
   * them; read it before the first request, so that nothing newer is in it.
   */
  recall(stored: ReadonlyMap<ClusterId, Expectations>): void {
    this.#stored = stored;
  }

  /** What a cluster is held to by now. */
  knownOf(cluster: ClusterId): Expectations {
    const { clusterId } = this.#known;
    return clusterId === undefined ? { ...this.#stored.get(cluster), ...this.#known } : this.#known;
  }

  /**
   * Checks an answer against everything known, without keeping anything.
   *
   * @param floor the floor when the request was sent: answers that cross may come in any order
   * @param keys links that lead here from a pinned key; whoever gives them checks approvals too
   * @returns the mark, verified
   * @throws ClientError CLIENT_OTHER_CLUSTER, CLIENT_PIN_MISMATCH, CLIENT_MARK_INVALID,
   *   CLIENT_BELOW_FLOOR, CLIENT_HISTORY_FORKED
   */
  check(answer: AnswerAnchors, floor: Floor | undefined, keys?: HistoryKeys): HighWaterMark {
    const known = this.knownOf(answer.clusterId);
    this.checkCluster(answer.clusterId);
    const pinned = known.historyPublicKey;
    const isLed = keys?.all.some((key) => pinned !== undefined && bytesEqual(key, pinned)) === true;
    checkPin('history key', isLed ? keys.newest : pinned, answer.historyPublicKey);
    if (answer.rootCertificate !== undefined) {
      checkRoot(known.rootCertificate, answer.rootCertificate, answer.rootLinks ?? []);
    }
    const mark = this.#verifyMark(answer);
    if (mark.clusterId !== answer.clusterId) throw otherCluster(answer.clusterId, mark.clusterId);
    const lowest = floor ?? known.floor;
    if (lowest !== undefined) refuseBelow(compareToFloor(mark, lowest));
    return mark;
  }

  /** @throws ClientError CLIENT_OTHER_CLUSTER */
  checkCluster(found: ClusterId): void {
    const expected = this.#known.clusterId;
    if (expected !== undefined && found !== expected) throw otherCluster(expected, found);
  }

  /**
   * An answer without any manifest. @throws ClientError CLIENT_BELOW_FLOOR, CLIENT_OTHER_CLUSTER
   */
  checkEmpty(found: ClusterId): void {
    this.checkCluster(found);
    const { floor } = this.knownOf(found);
    if (floor === undefined || floor.generation === 0) return;
    const fields = { check: 'lower-generation', expected: floor.generation, found: 0 };
    throw new ClientError('CLIENT_BELOW_FLOOR', fields);
  }

  /** Keeps what a checked answer said. */
  accept(answer: AnswerAnchors, mark: HighWaterMark): void {
    const { log, formerHistoryKeys } = this.knownOf(answer.clusterId);
    this.#known = {
      ...this.#known,
      ...(log && { log }),
      ...(formerHistoryKeys && { formerHistoryKeys }),
      clusterId: answer.clusterId,
      historyPublicKey: answer.historyPublicKey,
      ...(answer.rootCertificate === undefined ? {} : { rootCertificate: answer.rootCertificate }),
      ...later(this.#known.recovery, answer.recovery),
      floor: this.#higher(floorOf(mark)),
    };
  }

  /** The owners have replaced the history key that was known, by links that were checked. */
  follow(cluster: ClusterId, keys: HistoryKeys): void {
    const historyPublicKey = keys.newest;
    const formerHistoryKeys = keys.all.slice(0, -1);
    const known = { ...this.knownOf(cluster), historyPublicKey, formerHistoryKeys };
    this.#stored = new Map(this.#stored).set(cluster, known);
    if (this.#known.clusterId === cluster) this.#known = known;
    else if (this.#known.historyPublicKey !== undefined) {
      this.#known = { ...this.#known, historyPublicKey, formerHistoryKeys };
    }
  }

  /** Keeps a head that was proved to go on from the one known. */
  acceptLog(log: TreeHead): void {
    this.#known = { ...this.#known, log };
  }

  /** Answers may come in another order than they were made in. */
  #higher(floor: Floor): Floor {
    const { floor: known } = this.#known;
    return known === undefined || compareToFloor(floor, known).kind === 'ok' ? floor : known;
  }

  #verifyMark(answer: AnswerAnchors): HighWaterMark {
    try {
      return verifyHighWaterMark(answer.mark, answer.historyPublicKey, this.#crypto);
    } catch (cause) {
      if (!(cause instanceof ManifestError)) throw cause;
      throw new ClientError('CLIENT_MARK_INVALID', cause.fields, cause);
    }
  }
}

/**
 * The cluster of an answer that carries no mark: a genuine replica of somebody else's cluster
 * answers as well, and its word is worth nothing here.
 *
 * @throws ClientError CLIENT_OTHER_CLUSTER, CLIENT_ANSWER_MALFORMED
 */
export function clusterOfAnswer(bytes: Uint8Array, anchors: Anchors): ClusterId {
  const clusterId = clusterIdFromWire(bytes);
  anchors.checkCluster(clusterId);
  return clusterId;
}

function later(
  known: SeenRecovery | undefined,
  found: SeenRecovery | undefined,
): { readonly recovery?: SeenRecovery } {
  if (found === undefined || (known !== undefined && known.epoch >= found.epoch)) return {};
  return { recovery: found };
}

/**
 * @param of what was compared: the whole answer or history, or its recoveries
 * @throws ClientError for every verdict but `ok`
 */
export function refuseBelow(
  verdict: FloorVerdict,
  of: 'transitions' | 'recoveries' = 'transitions',
): void {
  switch (verdict.kind) {
    case 'ok':
      return;
    case 'other-cluster':
      throw otherCluster(verdict.expected, verdict.found);
    case 'fork':
      throw new ClientError('CLIENT_HISTORY_FORKED', {
        check: of,
        expected: verdict.expected,
        found: verdict.found,
      });
    case 'lower-epoch':
    case 'lower-index':
    case 'lower-generation':
      throw new ClientError('CLIENT_BELOW_FLOOR', {
        check: of === 'recoveries' ? `recovered-from-${verdict.kind}` : verdict.kind,
        expected: verdict.expected,
        found: verdict.found,
      });
  }
}

function otherCluster(expected: string, found: string): ClientError {
  return new ClientError('CLIENT_OTHER_CLUSTER', { expected, found });
}

/** The pinned root, or one that it leads to by links that each root has signed for the next. */
function checkRoot(
  pinned: Uint8Array | undefined,
  found: Uint8Array,
  links: readonly RootLink[],
): void {
  if (pinned !== undefined && !bytesEqual(pinned, found) && leadsTo(pinned, found, links)) return;
  checkPin('root certificate', pinned, found);
}

function checkPin(what: string, expected: Uint8Array | undefined, found: Uint8Array): void {
  if (expected === undefined || bytesEqual(expected, found)) return;
  throw new ClientError('CLIENT_PIN_MISMATCH', { anchor: what });
}
