/**
 * Evidence with its endorsements, and its encoding for the wire and for disk.
 *
 * One evidence has one encoding. Decoding limits sizes and checks nothing else: what comes out is
 * as untrusted as what went in.
 */
import { CanonicalError, CanonicalReader, CanonicalWriter, concatBytes } from '@witan/core';
import { AttestationError } from './errors.ts';
import {
  CERTIFICATE_BYTES_MAX,
  CERTIFICATE_TABLE_BYTES_MAX,
  CRL_BYTES_MAX,
  EVIDENCE_BYTES_MAX,
} from './limits.ts';
import { SNP_REPORT_BYTES } from './snp/layout.ts';
import type { SnpEndorsements } from './snp/options.ts';

/** A SEV-SNP report as the hardware gave it. */
export interface SnpEvidence {
  readonly kind: 'snp';
  readonly report: Uint8Array;
  readonly endorsements: SnpEndorsements;
}

/** What an attester hands to a verifier. */
export type Evidence = SnpEvidence;

export type EvidenceKind = Evidence['kind'];

/** Bytes on the wire begin with the version of the encoding, then the kind. */
const ENCODING_VERSION = 1;
const KIND_SNP = 1;

/** The endorsements in the order of their encoding. */
const SNP_FIELDS = [
  ['vek', CERTIFICATE_BYTES_MAX],
  ['intermediate', CERTIFICATE_BYTES_MAX],
  ['root', CERTIFICATE_BYTES_MAX],
  ['crl', CRL_BYTES_MAX],
  ['certificateTable', CERTIFICATE_TABLE_BYTES_MAX],
] as const satisfies readonly (readonly [keyof SnpEndorsements, number])[];

/**
 * @returns the canonical bytes of the evidence
 * @throws AttestationError EVIDENCE_TOO_LARGE when a part is above its limit, SNP_REPORT_LENGTH for
 *   a report of another length than every report has
 */
export function encodeEvidence(evidence: Evidence): Uint8Array<ArrayBuffer> {
  if (evidence.report.byteLength !== SNP_REPORT_BYTES) {
    throw new AttestationError('SNP_REPORT_LENGTH', {
      expected: SNP_REPORT_BYTES,
      found: evidence.report.byteLength,
    });
  }
  const parts = SNP_FIELDS.flatMap(([name, bytesMax]) =>
    encodePart(name, evidence.endorsements[name], bytesMax),
  );
  return concatBytes(Uint8Array.of(ENCODING_VERSION, KIND_SNP), evidence.report, ...parts);
}

/** An optional byte string in canonical form: presence byte, then length and bytes. */
function encodePart(
  part: string,
  bytes: Uint8Array | undefined,
  bytesMax: number,
): readonly Uint8Array[] {
  if (bytes === undefined) return [new CanonicalWriter().bool(false).finish()];
  if (bytes.byteLength > bytesMax) {
    throw new AttestationError('EVIDENCE_TOO_LARGE', {
      part,
      expected: bytesMax,
      found: bytes.byteLength,
    });
  }
  return [new CanonicalWriter().bool(true).u32(bytes.byteLength).finish(), bytes];
}

/**
 * The inverse of `encodeEvidence`.
 *
 * @throws AttestationError EVIDENCE_TOO_LARGE or EVIDENCE_MALFORMED
 */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  if (bytes.byteLength > EVIDENCE_BYTES_MAX) {
    throw new AttestationError('EVIDENCE_TOO_LARGE', {
      expected: EVIDENCE_BYTES_MAX,
      found: bytes.byteLength,
    });
  }
  try {
    return readEvidence(new CanonicalReader(bytes));
  } catch (error) {
    if (!(error instanceof CanonicalError)) throw error;
    const code = error.code === 'CANONICAL_TOO_LARGE' ? 'EVIDENCE_TOO_LARGE' : 'EVIDENCE_MALFORMED';
    throw new AttestationError(code, error.fields, error);
  }
}

function readEvidence(reader: CanonicalReader): Evidence {
  const version = reader.u8();
  const kind = reader.u8();
  if (version !== ENCODING_VERSION || kind !== KIND_SNP) {
    throw new AttestationError('EVIDENCE_MALFORMED', {
      expected: `version ${ENCODING_VERSION}, kind ${KIND_SNP}`,
      found: `version ${version}, kind ${kind}`,
    });
  }
  const report = reader.fixed(SNP_REPORT_BYTES);
  const endorsements: { -readonly [Name in keyof SnpEndorsements]: SnpEndorsements[Name] } = {};
  for (const [name, bytesMax] of SNP_FIELDS) {
    const part = reader.optional((r) => r.bytes(bytesMax));
    if (part !== undefined) endorsements[name] = part;
  }
  reader.end();
  return { kind: 'snp', report, endorsements };
}
