/**
 * Where owners' shares come together (see `ShareDesk` in `replica`).
 *
 * Whoever writes a disk can forge a header, so several are looked at side by side and a share goes
 * to each that takes it. A header whose shares are complete and do not open it was altered: it
 * makes room for another, and its shares stay for whichever header they are really of. A header
 * that was made up as a whole, shares included, opens some seed; that seed opens no disk.
 */
import { CodedError, Secret, toHex, type ClusterId, type Sha256Hex } from '@witan/core';
import {
  KeysError,
  SHARES_MAX,
  ShareCollector,
  decodeShare,
  nodeCrypto,
  type KeysErrorCode,
  type RecoveryShare,
} from '@witan/keys';
import { decodeRecoveryHeaderUnverified, type RecoveryHeader } from '@witan/manifest';
import {
  decodeSeeds,
  type Seed,
  type SeedCandidate,
  type ShareCount,
  type ShareDesk,
} from '@witan/replica';

/** Headers at once: one is real, and others may be of older sets of shares. */
export const HEADERS_MAX = 8;
/** Shares at once: a full set for each header. */
export const HELD_SHARES_MAX: number = HEADERS_MAX * SHARES_MAX;
/** Altered headers that are remembered, so that they are not taken up again. */
const ALTERED_MAX = 1024;

interface Sheet {
  readonly digest: string;
  readonly bytes: Uint8Array;
  readonly header: RecoveryHeader;
  readonly collector: ShareCollector;
  /** Once enough shares are here. */
  seed: Seed | undefined;
  /** What this slot's disks said of the seed. */
  verdict: 'untried' | 'opens' | 'opens nothing';
}

/** What says most about a share that no header takes comes first. */
const TELLING: readonly KeysErrorCode[] = [
  'KEYS_SHARE_DAMAGED',
  'KEYS_SHARE_MIXED',
  'KEYS_SHARE_WRONG_RESHARING',
  'KEYS_SHARE_WRONG_CLUSTER',
];

/** See the head of this file. */
export class CollectedShares implements ShareDesk {
  /** By digest of the header. */
  readonly #sheets = new Map<string, Sheet>();
  /** By digest of the share. */
  readonly #shares = new Map<string, Secret>();
  readonly #altered = new Set<string>();
  #seeds: readonly SeedCandidate[] = [];

  learn(header: Uint8Array): void {
    const digest = digestOf(header);
    if (this.#sheets.has(digest) || this.#altered.has(digest)) return;
    const decoded = headerOf(header);
    if (decoded === undefined) return;
    const collector = new ShareCollector(decoded);
    for (const share of this.#shares.values()) offer(collector, share);
    if (!this.#makeRoom(collector)) {
      collector.wipe();
      return;
    }
    const bytes = Uint8Array.from(header);
    const start = { seed: undefined, verdict: 'untried' } as const;
    const sheet: Sheet = { digest, bytes, header: decoded, collector, ...start };
    this.#sheets.set(digest, sheet);
    this.#tryToOpen(sheet);
  }

  headers(): readonly Uint8Array[] {
    return [...this.#sheets.values()].map(({ bytes }) => bytes);
  }

  add(share: Secret): Pick<RecoveryShare, 'owner' | 'clusterId'> {
    const { owner, clusterId, value } = decodeShare(share);
    value.wipe();
    const refusals: KeysError[] = [];
    let isTaken = false;
    for (const { collector } of this.#sheets.values()) {
      const refusal = offer(collector, share);
      if (refusal === undefined) isTaken = true;
      else refusals.push(refusal);
    }
    if (!isTaken) throw mostTelling(refusals);
    this.#keep(share);
    // A Map allows what it is at to be deleted.
    for (const sheet of this.#sheets.values()) this.#tryToOpen(sheet);
    return { owner, clusterId };
  }

  shares(): readonly Secret[] {
    return [...this.#shares.values()];
  }

  count(): ShareCount {
    const none = { received: 0, threshold: 0, owners: [], missing: [] };
    return this.#inOrder()[0]?.collector.progress ?? none;
  }

  seeds(): readonly SeedCandidate[] {
    const now = this.#inOrder().flatMap(({ seed, header: { clusterId } }) =>
      seed === undefined ? [] : [{ seed, clusterId }],
    );
    const isSame =
      now.length === this.#seeds.length &&
      now.every(({ seed }, at) => this.#seeds[at]?.seed === seed);
    if (!isSame) this.#seeds = now;
    return this.#seeds;
  }

  /** Of several sets of shares that open the same seed, the newest speaks. */
  authorisers(
    seed: Seed,
  ): { readonly threshold: number; readonly owners: readonly Sha256Hex[] } | undefined {
    const [sheet] = [...this.#sheets.values()]
      .filter((candidate) => candidate.seed?.equals(seed) === true)
      .toSorted((left, right) => right.header.resharing - left.header.resharing);
    return sheet?.collector.progress;
  }

  /**
   * What the disks here said of a seed.
   *
   * @param opened whether it opened any of them
   * @param clusters whose disks they say they are
   */
  tried(seed: Seed, opened: boolean, clusters: readonly ClusterId[]): void {
    const { seeds, candidates } = decodeSeeds(seed);
    const of = seeds.at(-1)?.seed ?? candidates[0];
    for (const sheet of this.#sheets.values()) {
      if (of === undefined || sheet.seed?.equals(of) !== true || sheet.verdict === 'opens')
        continue;
      if (opened) sheet.verdict = 'opens';
      // A replica whose disk is empty learns nothing of a seed.
      else if (clusters.includes(sheet.header.clusterId)) sheet.verdict = 'opens nothing';
    }
  }

  wipe(): void {
    for (const share of this.#shares.values()) share.wipe();
    this.#shares.clear();
    for (const { collector, seed } of this.#sheets.values()) {
      collector.wipe();
      seed?.wipe();
    }
    this.#sheets.clear();
  }

  /** Headers by what their seed is worth, then the most shares, then the newest set of them. */
  #inOrder(): readonly Sheet[] {
    return [...this.#sheets.values()].toSorted(
      (left, right) =>
        worthOf(right) - worthOf(left) ||
        right.collector.progress.received - left.collector.progress.received ||
        right.header.resharing - left.header.resharing,
    );
  }

  #tryToOpen(sheet: Sheet): void {
    if (sheet.seed !== undefined || !sheet.collector.isComplete) return;
    try {
      sheet.seed = sheet.collector.open();
    } catch (error) {
      if (!(error instanceof KeysError)) throw error;
      this.#sheets.delete(sheet.digest);
      sheet.collector.wipe();
      if (this.#altered.size < ALTERED_MAX) this.#altered.add(sheet.digest);
    }
  }

  /** A header that takes shares goes before one that takes none. */
  #makeRoom(offered: ShareCollector): boolean {
    if (this.#sheets.size < HEADERS_MAX) return true;
    const isIdle = ({ collector }: { readonly collector: ShareCollector }): boolean =>
      collector.progress.received === 0;
    const idle = [...this.#sheets.values()].find(isIdle);
    if (idle === undefined || isIdle({ collector: offered })) return false;
    this.#sheets.delete(idle.digest);
    return true;
  }

  #keep(share: Secret): void {
    if (this.#shares.size >= HELD_SHARES_MAX) this.#dropUnwanted();
    const digest = digestOf(share.expose());
    if (!this.#shares.has(digest)) this.#shares.set(digest, new Secret(share.expose()));
  }

  /** Shares whose header was altered, and is gone. */
  #dropUnwanted(): void {
    const sheets = [...this.#sheets.values()];
    for (const [digest, share] of this.#shares) {
      const isWanted = sheets.some(({ collector }) => offer(collector, share) === undefined);
      if (isWanted) continue;
      share.wipe();
      this.#shares.delete(digest);
    }
  }
}

function worthOf({ seed, verdict }: Sheet): number {
  if (seed === undefined) return 1;
  return { opens: 3, untried: 2, 'opens nothing': 0 }[verdict];
}

/** @returns undefined when the collector has the share now, or had it before */
function offer(collector: ShareCollector, share: Secret): KeysError | undefined {
  try {
    collector.add(share);
    return undefined;
  } catch (error) {
    if (!(error instanceof KeysError)) throw error;
    return error.code === 'KEYS_SHARE_DUPLICATE' ? undefined : error;
  }
}

function mostTelling(refusals: readonly KeysError[]): KeysError {
  const rank = ({ code }: KeysError): number => TELLING.indexOf(code);
  const [best] = refusals.toSorted((left, right) => rank(left) - rank(right));
  if (best !== undefined) return best;
  const message = 'no recovery header is known here yet, so that no share can be checked';
  return new KeysError('KEYS_SHARE_HEADER_UNKNOWN', message);
}

function headerOf(bytes: Uint8Array): RecoveryHeader | undefined {
  try {
    return decodeRecoveryHeaderUnverified(bytes);
  } catch (error) {
    if (error instanceof CodedError) return undefined;
    throw error;
  }
}

function digestOf(bytes: Uint8Array): string {
  return toHex(nodeCrypto.hash('sha256', bytes));
}
