/**
 * What full recovery needs from outside: the owners' shares, the disks of earlier incarnations, the
 * history key, and the way to the other replicas. See docs/decisions/0050-full-recovery.md.
 */
import type { ClusterId, Epoch, IncarnationId, Secret, Sha256Hex, SlotName } from '@witan/core';
import type { Recovery, SignedRecovery } from '@witan/manifest';
import type { Keyring, Seed } from '../ports.ts';
import type { DurableState } from '../raft/durable-records.ts';
import type { PeerIdentity } from '../standing.ts';
import type { Authorisation, HeldState } from './decide-recovery.ts';

/** How many shares are here. */
export interface ShareCount {
  readonly received: number;
  /** 0 where no recovery header is known. */
  readonly threshold: number;
  /** Fingerprints of owners whose share is here, and of those whose is not. */
  readonly owners: readonly Sha256Hex[];
  readonly missing: readonly Sha256Hex[];
}

/**
 * Collects shares over the recovery headers that are known. Nothing in a header is trusted before
 * the seed opens and, with it, a disk.
 */
export interface ShareDesk {
  /** Takes up a header from a disk or a peer. One that is malformed or one too many is left out. */
  learn(header: Uint8Array): void;
  headers(): readonly Uint8Array[];
  /**
   * Takes a share; once more the same one changes nothing.
   *
   * @param share as its owner opened it; see `keys`, encodeShare
   * @returns whose it is
   * @throws KeysError KEYS_SHARE_* naming what is wrong with it; nothing has changed then
   */
  add(share: Secret): { readonly owner: Sha256Hex; readonly clusterId: ClusterId };
  /** For attested replicas that take part, and nobody else (I1). */
  shares(): readonly Secret[];
  count(): ShareCount;
  /**
   * What opens with the shares: one for each header with enough of them. More than one where a host
   * forged a header; a disk that opens tells which is true. The same list until there are others.
   * Their bytes are the desk's.
   */
  seeds(): readonly SeedCandidate[];
  /**
   * Whose word counts where this seed is the cluster's: the owners of a set of shares that opens
   * it. Whoever made up a header has made up its owners too, and they open another seed.
   *
   * @returns undefined while no set of shares opens it
   */
  authorisers(seed: Secret): Pick<ShareCount, 'threshold' | 'owners'> | undefined;
  /** Overwrites what was collected. */
  wipe(): void;
}

/** A seed that may be the cluster's: it is when it opens a disk. */
export interface SeedCandidate {
  /** One seed alone, of whatever number. */
  readonly seed: Secret;
  readonly clusterId: ClusterId;
}

/** The log of an earlier incarnation, opened with the seed: authentic, but perhaps old (I4). */
export interface FormerLog {
  readonly incarnation: IncarnationId;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly state: DurableState;
  /** All seeds that opening it took or gave: the log names the former ones. */
  readonly seed: Seed;
  /** Opens what is inside. Not shared with anybody. */
  readonly keyring: Keyring;
}

/** What a disk claims in the clear. The host's word, for people to look at. */
export interface ClaimedLog {
  readonly held: HeldState;
  /** Empty where there is none. */
  readonly header: Uint8Array;
}

/** What earlier incarnations of this slot left on disk. */
export interface FormerDisks {
  /** Unreadable ones are left out, and reported as events. */
  claims(): Promise<readonly ClaimedLog[]>;
  /** Those that open with this seed; others are left out, and reported as events. */
  open(seed: Seed): Promise<readonly FormerLog[]>;
}

/** Everything of the above. */
export interface RecoveryPorts {
  readonly shares: ShareDesk;
  readonly disks: FormerDisks;
  /**
   * Candidates that a sealing provider opened, the same list until there are others; their bytes
   * are the provider's. Absent where there is none. Never rejects.
   */
  readonly providerSeeds?: () => Promise<readonly SeedCandidate[]>;
  /** Signs with the history key of the seed in force. */
  readonly sign: (seed: Seed, recovery: Recovery) => SignedRecovery;
  /** The wall clock, for the record. Informative. */
  readonly nowMs: () => number;
}

/** Where the seed of a recovery came from. */
export type SeedSource = 'memory' | 'shares' | 'provider';

/**
 * What a replica without a working cluster tells the others, and is told by them. Over attested
 * channels only: it may hold shares and the seed (I1).
 */
export interface RecoveryNotice {
  readonly self: PeerIdentity;
  /** Whether `held` was read with the seed; otherwise it is what the disk claims. */
  readonly opened: boolean;
  readonly held: readonly HeldState[];
  readonly headers: readonly Uint8Array[];
  readonly shares: readonly Secret[];
  readonly authorisations: readonly Authorisation[];
  /** See `RecoveryReport.promised`. */
  readonly promised: Epoch;
  readonly seed?: {
    readonly seed: Secret;
    readonly clusterId: ClusterId;
    readonly source: SeedSource;
  };
}

/** An owner's word in a recovery, together with the share that proves it. */
export interface ShareSubmission {
  readonly share: Secret;
  readonly floor: Authorisation['floor'];
  readonly acceptMissing: readonly SlotName[];
}
