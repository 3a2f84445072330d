/**
 * The configuration that was measured at launch: where evidence carries it and in what form. Both
 * TEEs give the host one field for it, of different length.
 */
import { assert } from '@witan/core';
import type { Evidence, EvidenceKind } from './evidence.ts';
import { parseSnpReport } from './snp/report.ts';
import { parseTdxQuote } from './tdx/quote.ts';

const SHA256_BYTES = 32;
const MRCONFIGID_BYTES = 48;

/**
 * What evidence of a kind must carry for a configuration: HOST_DATA is its SHA-256; MRCONFIGID has
 * zeros behind it.
 *
 * @param sha256 SHA-256 of the configuration, 32 bytes
 */
export function configDigestFor(kind: EvidenceKind, sha256: Uint8Array): Uint8Array {
  assert(sha256.byteLength === SHA256_BYTES, 'a configuration is named by its SHA-256');
  if (kind === 'snp') return sha256.slice();
  const id = new Uint8Array(MRCONFIGID_BYTES);
  id.set(sha256);
  return id;
}

/**
 * HOST_DATA or MRCONFIGID as it stands in evidence that nobody has verified: to find the reference
 * values that may fit, and for a guest that looks at its own.
 *
 * @throws AttestationError where report or quote cannot be parsed
 */
export function readConfigDigestUnverified(evidence: Evidence): Uint8Array {
  return evidence.kind === 'snp'
    ? parseSnpReport(evidence.report).hostData
    : parseTdxQuote(evidence.quote).body.mrConfigId;
}

/** The configuration digest that reference values demand, lower-case hex. */
export function wantedConfigDigest(
  values:
    | { readonly tee: 'snp'; readonly hostData: string }
    | { readonly tee: 'tdx'; readonly mrConfigId: string },
): string {
  return values.tee === 'snp' ? values.hostData : values.mrConfigId;
}
