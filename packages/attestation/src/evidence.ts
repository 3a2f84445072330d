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
  COLLATERAL_DOCUMENT_BYTES_MAX,
  CRL_BYTES_MAX,
  EVIDENCE_BYTES_MAX,
  PEM_BYTES_MAX,
  TDX_QUOTE_BYTES_MAX,
} from './limits.ts';
import { SNP_REPORT_BYTES } from './snp/layout.ts';
import type { SnpEndorsements } from './snp/options.ts';
import { P256_PAIR_BYTES } from './tdx/layout.ts';
import type { TdxEndorsements } from './tdx/options.ts';

/** A SEV-SNP report as the hardware gave it. */
export interface SnpEvidence {
  readonly kind: 'snp';
  readonly report: Uint8Array;
  readonly endorsements: SnpEndorsements;
}

/** A TDX quote as the quoting enclave gave it. */
export interface TdxEvidence {
  readonly kind: 'tdx';
  readonly quote: Uint8Array;
  readonly endorsements: TdxEndorsements;
}

/** What an attester hands to a verifier. */
export type Evidence = SnpEvidence | TdxEvidence;

/** Name of a kind of evidence, as on the wire. */
export type EvidenceKind = Evidence['kind'];

/** Bytes on the wire begin with the version of the encoding, then the kind. */
const ENCODING_VERSION = 1;
const KIND_SNP = 1;
const KIND_TDX = 2;

/** The endorsements in the order of their encoding, with their limits in bytes. */
const SNP_PARTS = [
  ['vek', CERTIFICATE_BYTES_MAX],
  ['intermediate', CERTIFICATE_BYTES_MAX],
  ['root', CERTIFICATE_BYTES_MAX],
  ['crl', CRL_BYTES_MAX],
  ['certificateTable', CERTIFICATE_TABLE_BYTES_MAX],
] as const satisfies readonly (readonly [keyof SnpEndorsements, number])[];

const TDX_PARTS = [
  ['rootCrl', CRL_BYTES_MAX],
  ['pckCrl', CRL_BYTES_MAX],
  ['tcbInfoIssuerChain', PEM_BYTES_MAX],
  ['tcbInfo', COLLATERAL_DOCUMENT_BYTES_MAX],
  ['tcbInfoSignature', P256_PAIR_BYTES],
  ['qeIdentityIssuerChain', PEM_BYTES_MAX],
  ['qeIdentity', COLLATERAL_DOCUMENT_BYTES_MAX],
  ['qeIdentitySignature', P256_PAIR_BYTES],
] as const satisfies readonly (readonly [keyof TdxEndorsements, number])[];

type Parts<Name extends string> = { readonly [Part in Name]?: Uint8Array };

/**
 * @returns the canonical bytes of the evidence
 * @throws AttestationError EVIDENCE_TOO_LARGE when a part is above its limit, SNP_REPORT_LENGTH for
 *   a report of another length than every report has
 */
export function encodeEvidence(evidence: Evidence): Uint8Array<ArrayBuffer> {
  if (evidence.kind === 'tdx') {
    const { quote, endorsements } = evidence;
    const head = encodeBytes('quote', quote, TDX_QUOTE_BYTES_MAX);
    const parts = encodeParts(endorsements, TDX_PARTS);
    return concatBytes(Uint8Array.of(ENCODING_VERSION, KIND_TDX), head, parts);
  }
  const { report, endorsements } = evidence;
  if (report.byteLength !== SNP_REPORT_BYTES) {
    throw new AttestationError('SNP_REPORT_LENGTH', {
      expected: SNP_REPORT_BYTES,
      found: report.byteLength,
    });
  }
  const parts = encodeParts(endorsements, SNP_PARTS);
  return concatBytes(Uint8Array.of(ENCODING_VERSION, KIND_SNP), report, parts);
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
    const reader = new CanonicalReader(bytes);
    const evidence = readEvidence(reader);
    reader.end();
    return evidence;
  } catch (error) {
    if (!(error instanceof CanonicalError)) throw error;
    const code = error.code === 'CANONICAL_TOO_LARGE' ? 'EVIDENCE_TOO_LARGE' : 'EVIDENCE_MALFORMED';
    throw new AttestationError(code, error.fields, error);
  }
}

function readEvidence(reader: CanonicalReader): Evidence {
  const version = reader.u8();
  const kind = reader.u8();
  if (version === ENCODING_VERSION && kind === KIND_SNP) {
    const report = reader.fixed(SNP_REPORT_BYTES);
    return { kind: 'snp', report, endorsements: readParts(reader, SNP_PARTS) };
  }
  if (version === ENCODING_VERSION && kind === KIND_TDX) {
    const quote = reader.bytes(TDX_QUOTE_BYTES_MAX);
    return { kind: 'tdx', quote, endorsements: readParts(reader, TDX_PARTS) };
  }
  throw new AttestationError('EVIDENCE_MALFORMED', {
    expected: `version ${ENCODING_VERSION}, kind ${KIND_SNP} or ${KIND_TDX}`,
    found: `version ${version}, kind ${kind}`,
  });
}

function encodeParts<Name extends string>(
  values: Parts<Name>,
  parts: readonly (readonly [Name, number])[],
): Uint8Array {
  return concatBytes(
    ...parts.map(([name, bytesMax]) => {
      const bytes = values[name];
      const present = new CanonicalWriter().bool(bytes !== undefined).finish();
      return bytes === undefined
        ? present
        : concatBytes(present, encodeBytes(name, bytes, bytesMax));
    }),
  );
}

function encodeBytes(part: string, bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (bytes.byteLength > bytesMax) {
    throw new AttestationError('EVIDENCE_TOO_LARGE', {
      part,
      expected: bytesMax,
      found: bytes.byteLength,
    });
  }
  return new CanonicalWriter().bytes(bytes).finish();
}

function readParts<Name extends string>(
  reader: CanonicalReader,
  parts: readonly (readonly [Name, number])[],
): Parts<Name> {
  const values: { [Part in Name]?: Uint8Array } = {};
  for (const [name, bytesMax] of parts) {
    const part = reader.optional((inner) => inner.bytes(bytesMax));
    if (part !== undefined) values[name] = part;
  }
  return values;
}
