/**
 * An attestation result for others: EAR claims (draft-ietf-rats-ear, "EAT Attestation Results") in
 * an EAT (RFC 9711), with trustworthiness claims of AR4SI (draft-ietf-rats-ar4si, section 2.3). The
 * whole of Witan's own claims, checks and findings stands beside them under names of its own.
 */
import type { Claims } from '@witan/attestation';
import { fromHex } from '@witan/core';
import type { Json } from '../printer.ts';
import { verificationToJson } from './verdict-json.ts';
import { VERSION } from '../version.ts';
import type { Verification } from './verify.ts';

/** The profile by which verifiers in the field know these claims. */
export const EAR_PROFILE = 'tag:github.com,2023:veraison/ear';

/** Values of trustworthiness claims that are used here (AR4SI section 2.3.4). */
const TRUST = {
  affirming: 2,
  approvedBoot: 3,
  warning: 32,
  unrecognisedExecutables: 33,
  memoryVisible: 96,
  unrecognisedHardware: 97,
} as const;

/** Lower bounds of the tiers (AR4SI section 2.3.2), the worst first. */
const TIERS = [
  [96, 'contraindicated'],
  [32, 'warning'],
  [2, 'affirming'],
] as const;

/** A member of EAR: how far each aspect of the attester is to be trusted. */
export type TrustVector = Readonly<Record<string, number>>;

/**
 * The claims of the token, without those about the token itself (`iss`, `iat`, `exp`).
 *
 * @param policy what the evidence was appraised against; undefined when nothing was
 */
export function earClaims(
  verification: Verification,
  policy: string | undefined,
): Readonly<Record<string, Json>> {
  const { judgement, file, isFresh } = verification;
  const { claims } = judgement;
  const json = verificationToJson(verification);
  const vector = claims === undefined ? {} : trustVector(claims, verification.compared);
  const nonce = nonceOf(claims);
  return {
    eat_profile: EAR_PROFILE,
    'ear.verifier-id': { developer: 'witan', build: `witan ${VERSION}` },
    // Only what the verifier chose is a nonce: otherwise the evidence may be of any age.
    ...(isFresh && nonce !== undefined ? { eat_nonce: nonce } : {}),
    submods: {
      [file.evidence.kind]: {
        'ear.status': earStatus(vector),
        'ear.trustworthiness-vector': vector,
        ...(policy === undefined ? {} : { 'ear.appraisal-policy-id': policy }),
        dbgstat: claims?.debug === false ? 'disabled-since-boot' : 'enabled',
        'witan.appraisal': json['appraisal'] ?? null,
        'witan.simulated': json['simulated'] ?? null,
        'witan.judged-at': json['judgedAt'] ?? null,
        'witan.claims': json['claims'] ?? null,
        'witan.checks': json['checks'] ?? null,
        'witan.entries': json['entries'] ?? null,
        'witan.findings': json['findings'] ?? null,
        'witan.added-roots': json['addedRoots'] ?? null,
      },
    },
  };
}

/**
 * What was accepted, as AR4SI grades it. Whatever nobody compared is not affirmed, and simulated
 * hardware is hardware that nobody knows (I11).
 */
export function trustVector(claims: Claims, compared: boolean): TrustVector {
  const isCurrent =
    claims.tcbStatus === 'UpToDate' || (claims.tcbStatus === 'NotRated' && compared);
  const hardware = claims.simulated
    ? TRUST.unrecognisedHardware
    : isCurrent
      ? TRUST.affirming
      : TRUST.warning;
  return {
    'instance-identity': claims.simulated ? TRUST.unrecognisedHardware : TRUST.affirming,
    configuration: compared ? TRUST.affirming : TRUST.warning,
    executables: compared ? TRUST.approvedBoot : TRUST.unrecognisedExecutables,
    hardware,
    'runtime-opaque': claims.debug ? TRUST.memoryVisible : TRUST.affirming,
  };
}

/** The worst tier of a vector. */
export function earStatus(
  vector: TrustVector,
): 'none' | 'affirming' | 'warning' | 'contraindicated' {
  const worst = Math.max(0, ...Object.values(vector));
  return TIERS.find(([from]) => worst >= from)?.[1] ?? 'none';
}

/** Report data, or the nonce of the vTPM's quote; RFC 9711 has 8 to 64 bytes, base64url. */
function nonceOf(claims: Claims | undefined): string | undefined {
  const hex = claims?.azure?.nonce ?? claims?.reportData;
  if (hex === undefined || hex.length < 16 || hex.length > 128) return undefined;
  return Buffer.from(fromHex(hex)).toString('base64url');
}
