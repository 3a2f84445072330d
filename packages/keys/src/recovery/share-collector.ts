/**
 * Collects owners' shares until the seed can be opened. Shares may come in any order, to any
 * replica; a wrong one is named and changes nothing.
 *
 * The header is unverified until the seed opens. A host that forges one can make honest shares look
 * wrong, which is denial of service, or collect shares for nothing; it never gets a wrong seed
 * accepted, and shares move to attested replicas only (I1).
 */
import type { Secret, Sha256Hex } from '@witan/core';
import type { RecoveryHeader } from '@witan/manifest';
import { KeysError } from '../errors.ts';
import type { Seed } from '../seed.ts';
import { unwrapSeed } from './recovery-header.ts';
import { combineShares } from './shamir.ts';
import { commitmentOf, decodeShare, type RecoveryShare } from './share.ts';

/** How far a recovery is. */
export interface ShareProgress {
  readonly received: number;
  readonly threshold: number;
  /** Fingerprints of owners whose share is here, and of those whose is not. */
  readonly owners: readonly Sha256Hex[];
  readonly missing: readonly Sha256Hex[];
}

/** See the head of this file. */
export class ShareCollector {
  readonly #header: RecoveryHeader;
  readonly #shares = new Map<number, RecoveryShare>();

  constructor(header: RecoveryHeader) {
    this.#header = header;
  }

  get progress(): ShareProgress {
    const { threshold, shares } = this.#header;
    const isHere = ({ index }: { readonly index: number }): boolean => this.#shares.has(index);
    return {
      received: this.#shares.size,
      threshold,
      owners: shares.filter(isHere).map(({ owner }) => owner),
      missing: shares.filter((share) => !isHere(share)).map(({ owner }) => owner),
    };
  }

  /** Whether `open` can be tried. */
  get isComplete(): boolean {
    return this.#shares.size >= this.#header.threshold;
  }

  /**
   * Takes an owner's share.
   *
   * @param bytes as `encodeShare` made them
   * @throws KeysError KEYS_SHARE_MALFORMED, KEYS_SHARE_WRONG_CLUSTER, KEYS_SHARE_WRONG_RESHARING,
   *   KEYS_SHARE_MIXED, KEYS_SHARE_DUPLICATE, KEYS_SHARE_DAMAGED; the collection is unchanged
   */
  add(bytes: Secret): ShareProgress {
    const share = decodeShare(bytes);
    this.#check(share);
    this.#shares.set(share.index, share);
    return this.progress;
  }

  /** The shares so far, for another replica that takes part; to attested peers only (I1). */
  collected(): readonly RecoveryShare[] {
    return [...this.#shares.values()];
  }

  /**
   * Opens the seed.
   *
   * @throws KeysError KEYS_SHARES_TOO_FEW, KEYS_RECOVERY_HEADER_NOT_AUTHENTIC
   */
  open(): Seed {
    const { threshold } = this.#header;
    const needed = [...this.#shares.values()].slice(0, threshold);
    if (needed.length < threshold) {
      throw new KeysError('KEYS_SHARES_TOO_FEW', 'not enough shares yet', {
        fields: { expected: threshold, found: needed.length },
      });
    }
    const key = combineShares(needed.map(({ index, value }) => ({ index, bytes: value.expose() })));
    try {
      return unwrapSeed(this.#header, key);
    } finally {
      key.fill(0);
    }
  }

  /** Overwrites what was collected. */
  wipe(): void {
    for (const { value } of this.#shares.values()) value.wipe();
    this.#shares.clear();
  }

  #check(share: RecoveryShare): void {
    const { clusterId, resharing, threshold, shares } = this.#header;
    if (share.clusterId !== clusterId) {
      throw wrong('KEYS_SHARE_WRONG_CLUSTER', clusterId, share.clusterId);
    }
    if (share.resharing !== resharing) {
      throw wrong('KEYS_SHARE_WRONG_RESHARING', resharing, share.resharing);
    }
    const dealt = shares.find(({ index }) => index === share.index);
    const isSameSet = share.threshold === threshold && share.count === shares.length;
    if (!isSameSet || dealt?.owner !== share.owner) {
      const expected = `${threshold} of ${shares.length}`;
      throw wrong('KEYS_SHARE_MIXED', expected, `${share.threshold} of ${share.count}`);
    }
    if (commitmentOf(share) !== dealt.commitment) {
      throw wrong('KEYS_SHARE_DAMAGED', dealt.commitment, commitmentOf(share), share.owner);
    }
    if (this.#shares.has(share.index)) {
      throw wrong('KEYS_SHARE_DUPLICATE', 'a share that is not here yet', share.index, share.owner);
    }
  }
}

type Refusal =
  | 'KEYS_SHARE_WRONG_CLUSTER'
  | 'KEYS_SHARE_WRONG_RESHARING'
  | 'KEYS_SHARE_MIXED'
  | 'KEYS_SHARE_DAMAGED'
  | 'KEYS_SHARE_DUPLICATE';

const MESSAGES: Readonly<Record<Refusal, string>> = {
  KEYS_SHARE_WRONG_CLUSTER: 'the share is of another cluster',
  KEYS_SHARE_WRONG_RESHARING: 'the share is of an earlier or later set of shares',
  KEYS_SHARE_MIXED: 'the share does not belong to this set of shares',
  KEYS_SHARE_DAMAGED: 'the share is not the one that was dealt to its owner',
  KEYS_SHARE_DUPLICATE: 'this owner’s share is here already',
};

function wrong(
  code: Refusal,
  expected: string | number,
  found: string | number,
  owner?: Sha256Hex,
): KeysError {
  const fields = { expected, found, ...(owner === undefined ? {} : { owner }) };
  return new KeysError(code, MESSAGES[code], { fields });
}
