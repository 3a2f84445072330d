/**
 * Evidence of Azure's confidential VMs: the paravisor's report, a quote of the vTPM, and what the
 * hardware's report needs. And the forms in which others write it: the JSON of Confidential
 * Containers' attesters (versions 0 to 2), with byte strings as lists, hex, base64 or base64url;
 * and a quote alone as bincode (u64 length and signature, u64 length and message, u64 count and
 * registers of 32 bytes, little-endian).
 */
import { BytesError, fromBase64, fromHex, fromUtf8, toBase64, toHex, utf8 } from '@witan/core';
import { AttestationError } from '../errors.ts';
import {
  AZURE_EVIDENCE_BYTES_MAX,
  CERTIFICATE_BYTES_MAX,
  HCL_REPORT_BYTES_MAX,
  PEM_BYTES_MAX,
  TDX_QUOTE_BYTES_MAX,
  TPM_ATTEST_BYTES_MAX,
} from '../limits.ts';
import type { SnpEndorsements } from '../snp/options.ts';
import type { TdxEndorsements } from '../tdx/options.ts';
import { parsePemCertificates, toPem } from '../x509/pem.ts';
import { parseHclReport } from './hcl-report.ts';
import { TPM_PCR_BYTES, TPM_PCR_COUNT_MAX, type TpmQuote } from './tpm-quote.ts';

/** Evidence of an SEV-SNP guest below Azure's paravisor. */
export interface AzSnpEvidence {
  readonly kind: 'az-snp';
  readonly hclReport: Uint8Array;
  readonly tpmQuote: TpmQuote;
  readonly endorsements: SnpEndorsements;
}

/** Evidence of a TDX guest below Azure's paravisor. */
export interface AzTdxEvidence {
  readonly kind: 'az-tdx';
  readonly hclReport: Uint8Array;
  /** The host's quote over the same report data as the TDREPORT in the HCL report. */
  readonly quote: Uint8Array;
  readonly tpmQuote: TpmQuote;
  readonly endorsements: TdxEndorsements;
}

/** Evidence of either kind. */
export type AzureEvidence = AzSnpEvidence | AzTdxEvidence;

const SIGNATURE_BYTES_MAX = 1024;
const HEX = /^(?:[0-9a-fA-F]{2})+$/;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;
const VERSION_MAX = 2;

/**
 * Reads the JSON of an attester of Confidential Containers; members with other names are ignored,
 * as hints that nobody here knows.
 *
 * @throws AttestationError AZURE_EVIDENCE_MALFORMED, AZURE_HCL_MALFORMED or PEM_MALFORMED
 */
export function parseAzureEvidence(bytes: Uint8Array): AzureEvidence {
  if (bytes.byteLength > AZURE_EVIDENCE_BYTES_MAX) {
    throw malformed('length', `at most ${AZURE_EVIDENCE_BYTES_MAX} bytes`);
  }
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    const fields = { what: 'evidence', expected: 'JSON' };
    throw new AttestationError('AZURE_EVIDENCE_MALFORMED', fields, cause);
  }
  return azureEvidenceOf(value);
}

/** The same from parsed JSON. @throws AttestationError like `parseAzureEvidence` */
export function azureEvidenceOf(value: unknown): AzureEvidence {
  if (!isObject(value)) throw malformed('evidence', 'an object');
  const { version } = value;
  const isKnown = typeof version === 'number' && version >= 0 && version <= VERSION_MAX;
  if (version !== undefined && !isKnown) throw malformed('version', `0 to ${VERSION_MAX}`);
  const hclReport = bytesOf(value['hcl_report'] ?? value['report'], HCL_REPORT_BYTES_MAX);
  if (hclReport === undefined) throw malformed('hcl_report', 'bytes');
  const tpmQuote = tpmQuoteOf(value['tpm_quote'] ?? value['quote']);
  if (parseHclReport(hclReport).tee === 'snp') {
    return { kind: 'az-snp', hclReport, tpmQuote, endorsements: snpEndorsementsOf(value) };
  }
  const quote = bytesOf(value['td_quote'], TDX_QUOTE_BYTES_MAX);
  if (quote === undefined) throw malformed('td_quote', 'bytes');
  return { kind: 'az-tdx', hclReport, quote, tpmQuote, endorsements: {} };
}

/**
 * A quote with its registers, from parsed JSON.
 *
 * @throws AttestationError AZURE_EVIDENCE_MALFORMED
 */
export function tpmQuoteOf(value: unknown): TpmQuote {
  if (!isObject(value)) throw malformed('tpm_quote', 'an object');
  const { pcrs } = value;
  const message = bytesOf(value['message'], TPM_ATTEST_BYTES_MAX);
  const signature = bytesOf(value['signature'], SIGNATURE_BYTES_MAX);
  if (message === undefined) throw malformed('tpm_quote.message', 'bytes');
  if (signature === undefined) throw malformed('tpm_quote.signature', 'bytes');
  if (!Array.isArray(pcrs) || pcrs.length > TPM_PCR_COUNT_MAX) {
    throw malformed('tpm_quote.pcrs', `a list of at most ${TPM_PCR_COUNT_MAX} registers`);
  }
  const registers = pcrs.map((pcr: unknown) => {
    const bytes = bytesOf(pcr, TPM_PCR_BYTES);
    if (bytes?.byteLength === TPM_PCR_BYTES) return bytes;
    throw malformed('tpm_quote.pcrs', `registers of ${TPM_PCR_BYTES} bytes`);
  });
  return { message, signature, pcrs: registers };
}

/** A quote as bincode writes it. @throws AttestationError AZURE_EVIDENCE_MALFORMED */
export function parseTpmQuoteBincode(bytes: Uint8Array): TpmQuote {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  const take = (length: number): Uint8Array => {
    const left = bytes.byteLength - offset;
    if (length > left) throw malformed('quote', `${length} bytes at offset ${offset}`);
    offset += length;
    return bytes.slice(offset - length, offset);
  };
  const count = (what: string, max: number): number => {
    take(8);
    const value = view.getBigUint64(offset - 8, true);
    if (value > BigInt(max)) throw malformed(what, `at most ${max}`);
    return Number(value);
  };
  const signature = take(count('signature', SIGNATURE_BYTES_MAX));
  const message = take(count('message', TPM_ATTEST_BYTES_MAX));
  const registers = count('pcrs', TPM_PCR_COUNT_MAX);
  const pcrs = Array.from({ length: registers }, () => take(TPM_PCR_BYTES));
  if (offset !== bytes.byteLength) throw malformed('quote', 'no more bytes');
  return { message, signature, pcrs };
}

/**
 * Writes evidence as version 1 of the same JSON. The certificates of the chain travel in one
 * member more, `cert_chain` (PEM), which other readers ignore; TDX collateral does not travel.
 */
export function encodeAzureEvidence(evidence: AzureEvidence): Uint8Array<ArrayBuffer> {
  const { hclReport, tpmQuote } = evidence;
  const common = {
    version: 1,
    hcl_report: base64Url(hclReport),
    tpm_quote: {
      message: toHex(tpmQuote.message),
      signature: toHex(tpmQuote.signature),
      pcrs: tpmQuote.pcrs.map(toHex),
    },
  };
  if (evidence.kind === 'az-tdx') {
    return utf8(`${JSON.stringify({ ...common, td_quote: base64Url(evidence.quote) })}\n`);
  }
  const { vek, intermediate, root } = evidence.endorsements;
  const chain = [intermediate, root]
    .filter((each) => each !== undefined)
    .map((der) => toPem('CERTIFICATE', der));
  const own = {
    ...common,
    ...(vek === undefined ? {} : { vcek: base64Url(vek) }),
    ...(chain.length === 0 ? {} : { cert_chain: chain.join('') }),
  };
  return utf8(`${JSON.stringify(own)}\n`);
}

/** Hints: a certificate of another form than expected is as good as none. */
function snpEndorsementsOf({ vcek, cert_chain: chain }: JsonObject): SnpEndorsements {
  const [vek] = typeof vcek === 'string' && isPem(vcek) ? pemCertificates(vcek) : [];
  const bare = vek ?? bytesOf(vcek, CERTIFICATE_BYTES_MAX);
  const [intermediate, root] =
    typeof chain === 'string' && isPem(chain) ? pemCertificates(chain) : [];
  return {
    ...(bare === undefined ? {} : { vek: bare }),
    ...(intermediate === undefined ? {} : { intermediate }),
    ...(root === undefined ? {} : { root }),
  };
}

function isPem(text: string): boolean {
  return text.length <= PEM_BYTES_MAX && text.includes('-----BEGIN');
}

function pemCertificates(text: string): readonly Uint8Array[] {
  try {
    return parsePemCertificates(text);
  } catch (error) {
    if (error instanceof AttestationError) return [];
    throw error;
  }
}

function bytesOf(value: unknown, bytesMax: number): Uint8Array | undefined {
  if (Array.isArray(value)) {
    if (value.length > bytesMax || !value.every(isByte)) return undefined;
    return Uint8Array.from(value);
  }
  if (typeof value !== 'string' || value.length > 2 * bytesMax + 4) return undefined;
  const bytes = HEX.test(value) ? fromHex(value) : base64Bytes(value);
  return bytes !== undefined && bytes.byteLength <= bytesMax ? bytes : undefined;
}

function isByte(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255;
}

/** Either alphabet, padded or not. */
function base64Bytes(text: string): Uint8Array | undefined {
  if (!BASE64.test(text)) return undefined;
  const standard = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  try {
    return fromBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, '='));
  } catch (error) {
    if (error instanceof BytesError) return undefined;
    throw error;
  }
}

function base64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(what: string, expected: string): AttestationError {
  return new AttestationError('AZURE_EVIDENCE_MALFORMED', { what, expected });
}
