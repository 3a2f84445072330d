/**
 * What verified evidence says, in one form for every TEE, and the record of how it was verified.
 *
 * Claims come into being only after the vendor's signature was checked. They say what the hardware
 * said, not that anybody wants it: that is decided against reference values.
 */
import type { ErrorFields, UnixMillis } from '@witan/core';
import type { AzureClaims } from './azure/claims.ts';
import type { AttestationErrorCode } from './errors.ts';
import type { SnpClaims } from './snp/claims.ts';
import type { TdxClaims } from './tdx/claims.ts';

/** One register of the measured guest, lower-case hex. */
export interface Measurement {
  /** `launchDigest` for SEV-SNP; `mrTd`, `rtmr0` … `rtmr3` for TDX; `pcr0`… behind a vTPM. */
  readonly name: string;
  readonly value: string;
}

/**
 * The vendor's rating of the platform's TCB. AMD publishes none, so SEV-SNP evidence is `NotRated`
 * and the minimum of the reference values decides alone. The others are Intel's names.
 */
export type TcbStatus =
  | 'NotRated'
  | 'UpToDate'
  | 'SWHardeningNeeded'
  | 'ConfigurationNeeded'
  | 'ConfigurationAndSWHardeningNeeded'
  | 'OutOfDate'
  | 'OutOfDateConfigurationNeeded'
  | 'TDRelaunchAdvised'
  | 'TDRelaunchAdvisedConfigurationNeeded'
  | 'Revoked';

/** The part of the claims that every TEE has. All byte strings are lower-case hex. */
export interface CommonClaims {
  readonly measurements: readonly Measurement[];
  /** HOST_DATA (32 bytes) or MRCONFIGID (48 bytes). */
  readonly configDigest: string;
  /** The 64 bytes that the guest chose; below a paravisor, the digest of its document. */
  readonly reportData: string;
  /** Whether the host may read and change the guest's memory. */
  readonly debug: boolean;
  /** The TCB that signed, part by part. */
  readonly tcb: Readonly<Record<string, number>>;
  readonly tcbStatus: TcbStatus;
  /** Vendor advisories that apply at this TCB, sorted. */
  readonly advisories: readonly string[];
  /** Chip id or platform instance id; undefined when the host masks it. */
  readonly hardwareId: string | undefined;
  /** True when the chain ends in a development root: no hardware stands behind it (I11). */
  readonly simulated: boolean;
  /** SHA-256 of the root certificate in which the chain ends. */
  readonly rootFingerprint: string;
  /** What Azure's paravisor and vTPM add; undefined for evidence without them. */
  readonly azure?: AzureClaims;
}

/** Claims of one TEE: the common ones and the TEE's own. */
export type Claims = SnpClaims | TdxClaims;

/** One check that was made, passed or not. */
export interface Check {
  /** The code that this check gives when it fails; it also names the check. */
  readonly code: AttestationErrorCode;
  readonly passed: boolean;
  readonly expected?: string;
  readonly found?: string;
}

/** Kinds of findings; each names one thing that a person may want to know. */
export type FindingKind =
  | 'revocation-unknown'
  | 'reported-tcb-below-current'
  | 'provisional-firmware'
  | 'debug-permitted'
  | 'migration-permitted'
  | 'vmpl-not-zero'
  | 'chip-id-masked'
  | 'tcb-not-up-to-date'
  | 'register-unchecked'
  | 'unsigned-bytes'
  | 'paravisor'
  | 'simulated';

/** Something that an accepted verdict lets pass and that a person may want to know. */
export interface Finding {
  readonly kind: FindingKind;
  readonly detail: string;
}

/** Evidence that is genuine and meets the reference values. */
export interface AcceptedVerdict<OfTee extends Claims = Claims> {
  readonly ok: true;
  readonly claims: OfTee;
  readonly checks: readonly Check[];
  readonly findings: readonly Finding[];
  /** The earliest end of validity of a certificate or revocation list that was used. */
  readonly validUntil: UnixMillis;
}

/** Evidence that is refused. */
export interface RefusedVerdict<OfTee extends Claims = Claims> {
  readonly ok: false;
  /** The first check that failed. */
  readonly code: AttestationErrorCode;
  /** Expected and found values of that check; never a secret. */
  readonly detail: ErrorFields;
  /** The checks that had passed before it. */
  readonly established: readonly AttestationErrorCode[];
  /** Every check that was made. Only policy goes on after a failure. */
  readonly checks: readonly Check[];
  /** Present when the evidence is genuine and only the reference values refuse it. */
  readonly claims?: OfTee;
}

/** The outcome for one set of reference values. */
export type Verdict<OfTee extends Claims = Claims> = AcceptedVerdict<OfTee> | RefusedVerdict<OfTee>;
