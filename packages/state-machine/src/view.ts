/** The read-only side of the state machine: what may be asked, and in what form. */
import type { ClusterId, Epoch, Generation, Sha256Hex, SlotName } from '@witan/core';
import type {
  Floor,
  HistoryKeys,
  SignedRecovery,
  SignedTransition,
  ValidatedManifest,
} from '@witan/manifest';
import type { AuditLogView } from './audit-log.ts';
import type { RequestKey } from './commands.ts';
import type { HeldView } from './held-certificates.ts';
import type {
  Configuration,
  ConfigurationViolation,
  MemberRecord,
  MembershipChange,
} from './members.ts';
import type { Proposal, Withdrawal } from './proposals.ts';
import type { GivenShares } from './recovery-shares.ts';
import type { SlotChange } from './slot-changes.ts';
import type { Revocation } from './revocations.ts';
import type { RotationsView } from './rotations.ts';
import type { CommandResult, IssuedIdentity, RememberedResult } from './results.ts';
import type { VersionsView } from './versions.ts';

/** What applying one log entry did. */
export interface ApplyResult {
  readonly index: number;
  /** The command's key, where the bytes were a command that has one. */
  readonly requestKey: RequestKey | undefined;
  readonly result: CommandResult;
  /** True where the key was known and `result` is the first one again. */
  readonly repeated: boolean;
  /** Whether owners want a new generation of sealing keys from here on. */
  readonly rekeys: boolean;
  /** Whether another seed is in force from here on, or the former one is retired. */
  readonly isSeedNew: boolean;
}

/** What a membership change did. */
export interface MembershipResult {
  readonly added: readonly MemberRecord[];
  readonly removed: readonly MemberRecord[];
}

/**
 * The state at `appliedIndex`. Whether it is current is not known here (I5). Everything handed out
 * belongs to the state machine and must not be changed.
 */
export interface StateView<ReferenceValues> {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** The slots that owners approved, first the founding's: no newcomer gets another one (I2). */
  readonly slots: readonly SlotName[];
  /** Every change of the slots, oldest first; their number is the number of the list in force. */
  readonly slotChanges: readonly SlotChange[];
  /** Log index of the newest entry applied. */
  readonly appliedIndex: number;
  /** The manifest in force; undefined before the first. */
  readonly manifest: ValidatedManifest<ReferenceValues> | undefined;
  /** Number of the manifest in force, 0 before the first. */
  readonly generation: Generation;
  /** Hash of the newest transition; `NO_TRANSITION` before the first. */
  readonly head: Sha256Hex;
  /** The whole history; generation n is at index n-1. */
  readonly transitions: readonly SignedTransition[];
  /** Every full recovery, oldest first (I7). */
  readonly recoveries: readonly SignedRecovery[];
  /** DER SubjectPublicKeyInfo; set with the first manifest, and with each later seed. */
  readonly historyPublicKey: Uint8Array | undefined;
  /** Each with its time; set with the first manifest. */
  readonly historyKeys: HistoryKeys | undefined;
  /** DER; set with the first manifest. */
  readonly rootCertificate: Uint8Array | undefined;
  /** DER; of the manifest in force. */
  readonly meshCaCertificate: Uint8Array | undefined;
  /** What was rotated, and where each rotation stands. */
  readonly rotations: RotationsView;
  /** Grows with every change of what is revoked. */
  readonly revocationNumber: number;
  /** Which recovery shares are given out, encrypted to their owners. */
  readonly shares: GivenShares;
  /** What the cluster did, as an append-only Merkle log. */
  readonly log: AuditLogView;
  /** The state version in use, and what the members announced. */
  readonly versions: VersionsView;
  /** In ascending order of node ids. */
  readonly members: readonly MemberRecord[];
  /** Who votes and who learns, each list in ascending order. */
  readonly configuration: Configuration;
  /** Changes that wait for more approvals, in the order of the log. */
  readonly proposals: readonly Proposal[];
  /** Approvals that owners took back under the manifest in force. */
  readonly withdrawals: readonly Withdrawal[];
  /** Number of certificate records kept. */
  readonly issuedCount: number;
  /**
   * Whether a workload has so many of them, of which none goes with the next one.
   *
   * @param notBeforeMs where the next certificate begins, in milliseconds since 1970
   */
  isIssuedFullFor(workload: string, recordsMax: number, notBeforeMs: number): boolean;
  /** The bytes of a manifest; undefined for one that was never set or is no longer kept. */
  manifestBytes(generation: Generation): Uint8Array | undefined;
  /** Certificate records in the order of the log. */
  issued(): Iterable<IssuedIdentity>;
  /** When and why a certificate stopped to count; undefined where it counts. */
  revocationOf(record: IssuedIdentity): Revocation | undefined;
  /** Answers about certificates that take no look at all records. */
  readonly held: HeldView;
  /** @param serial 32 lower-case hex digits */
  issuedBySerial(serial: string): IssuedIdentity | undefined;
  /** The result remembered under a request key. */
  resultOf(key: RequestKey): RememberedResult | undefined;
  /** What a high-water mark states about this state, apart from the time. */
  floor(): Floor;
  /** Why a membership change may not be proposed now; undefined where it may. */
  checkMembership(change: MembershipChange): ConfigurationViolation | undefined;
}
