/** The forms in which Azure evidence is written. */
import { describe, expect, it } from 'vitest';
import { concatBytes } from '@witan/core';
import {
  azureEvidenceOf,
  encodeAzureEvidence,
  parseAzureEvidence,
  parseTpmQuoteBincode,
} from '../src/index.ts';
import { codeOf } from './support/code-of.ts';
import { snpEvidence, tdxEvidence } from './support/azure.ts';

const snp = snpEvidence();
const tdx = tdxEvidence();

describe('evidence as JSON', () => {
  it('comes back as it was written', () => {
    const { crl: _, certificateTable: __, ...chain } = snp.endorsements;
    expect(parseAzureEvidence(encodeAzureEvidence(snp))).toEqual({ ...snp, endorsements: chain });
    expect(parseAzureEvidence(encodeAzureEvidence(tdx))).toEqual({ ...tdx, endorsements: {} });
  });

  const json = JSON.parse(Buffer.from(encodeAzureEvidence(tdx)).toString()) as Record<
    string,
    Record<string, unknown>
  >;
  it.each<[string, unknown]>([
    ['is a list', []],
    ['is of a later version', { ...json, version: 3 }],
    ['has no report', { ...json, hcl_report: undefined }],
    ['has no quote of the vTPM', { ...json, tpm_quote: undefined }],
    ['has no quote of the hardware', { ...json, td_quote: undefined }],
    ['has a message of text', { ...json, tpm_quote: { ...json['tpm_quote'], message: '-' } }],
    ['has a number as signature', { ...json, tpm_quote: { ...json['tpm_quote'], signature: 1 } }],
    ['has a register of 31 bytes', { ...json, tpm_quote: { ...json['tpm_quote'], pcrs: ['00'] } }],
    [
      'has a thousand registers',
      { ...json, tpm_quote: { ...json['tpm_quote'], pcrs: Array(1000).fill('00') } },
    ],
    ['has a byte above 255', { ...json, td_quote: [256] }],
  ])('that %s is refused', (_, value) => {
    expect(codeOf(() => azureEvidenceOf(value))).toBe('AZURE_EVIDENCE_MALFORMED');
  });

  it('is refused above its limit and when it is no JSON', () => {
    expect(codeOf(() => parseAzureEvidence(new Uint8Array(600_000)))).toBe(
      'AZURE_EVIDENCE_MALFORMED',
    );
    expect(codeOf(() => parseAzureEvidence(Buffer.from('{')))).toBe('AZURE_EVIDENCE_MALFORMED');
  });

  it('may hold a quote in bincode, read with limits', () => {
    const { message, signature, pcrs } = snp.tpmQuote;
    const u64 = (value: number): Uint8Array => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes;
    };
    const parts = [signature, message].flatMap((each) => [u64(each.byteLength), each]);
    const bincode = concatBytes(...parts, u64(pcrs.length), ...pcrs);
    expect(parseTpmQuoteBincode(bincode)).toEqual(snp.tpmQuote);
    const huge = concatBytes(new Uint8Array(8).fill(255), bincode);
    for (const bytes of [huge, bincode.slice(1), bincode.slice(0, -1), new Uint8Array(3)]) {
      expect(codeOf(() => parseTpmQuoteBincode(bytes))).toBe('AZURE_EVIDENCE_MALFORMED');
    }
  });
});
