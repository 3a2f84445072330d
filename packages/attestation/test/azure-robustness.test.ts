/** Altered, cut and invented Azure evidence and event logs: nothing is accepted or untyped. */
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AttestationError,
  encodeAzureEvidence,
  parseAzureEvidence,
  parseCcelTable,
  parseEventLog,
  parseHclReport,
  parseRuntimeData,
  parseTpmAttest,
  parseTpmQuoteBincode,
} from '../src/index.ts';
import {
  runtimeDocument,
  serializeCcelTable,
  serializeEventLog,
  serializeTpmAttest,
  testCrypto,
} from '../testing/index.ts';
import { readAzureEvidence } from '../testing/azure-vectors.ts';
import { flipped, key, NONCE, outcomeOf, snpEvidence, tdxEvidence } from './support/azure.ts';

const snp = snpEvidence();
const tdx = tdxEvidence();
const { message, signature } = snp.tpmQuote;
const withQuote = (changes: Partial<typeof snp.tpmQuote>): string =>
  outcomeOf({ ...snp, tpmQuote: { ...snp.tpmQuote, ...changes } });

describe('a bit flip (I10)', () => {
  it('in any bit of the attested structure is refused', { timeout: 60_000 }, () => {
    for (let bit = 0; bit < 8 * message.byteLength; bit += 1) {
      expect(withQuote({ message: flipped(message, bit) })).toMatch(/^AZURE_/);
    }
  });

  it('in any byte of the signature or a register is refused', { timeout: 60_000 }, () => {
    for (let at = 0; at < signature.byteLength; at += 1) {
      const changed = flipped(signature, 8 * at + (at % 8));
      expect(withQuote({ signature: changed })).toBe('AZURE_QUOTE_SIGNATURE');
    }
    const { pcrs } = snp.tpmQuote;
    for (const [index, pcr] of pcrs.entries()) {
      expect(withQuote({ pcrs: pcrs.with(index, flipped(pcr, index)) })).toBe('AZURE_PCR_DIGEST');
    }
  });

  it('in any byte of an HCL report is refused', { timeout: 60_000 }, () => {
    for (const evidence of [snp, tdx]) {
      const step = evidence.kind === 'az-snp' ? 1 : 3;
      // The header, the document and the padding; the hardware's reports have their own tests.
      for (let at = 0; at < 1236 + 900; at += step) {
        // Not everything in a TDREPORT is in the quote as well: its MAC and reserved bytes are not.
        if (evidence.kind === 'az-tdx' && at >= 32 && at < 1056) continue;
        const hclReport = flipped(evidence.hclReport, 8 * at + (at % 8));
        expect(outcomeOf({ ...evidence, hclReport })).toMatch(/^(AZURE|SNP)_/);
      }
    }
  });
});

const PARSERS: readonly (readonly [string, Uint8Array, (bytes: Uint8Array) => unknown])[] = [
  ['an HCL report', snp.hclReport, parseHclReport],
  ['a document', runtimeDocument(key), parseRuntimeData],
  ['an attested structure', serializeTpmAttest({ nonce: NONCE }), parseTpmAttest],
  ['Azure evidence as JSON', encodeAzureEvidence(snp), parseAzureEvidence],
  ['a quote in bincode', new Uint8Array(300).fill(1, 8, 9), parseTpmQuoteBincode],
  ['a CCEL table', serializeCcelTable(1), parseCcelTable],
  [
    'an event log',
    serializeEventLog([
      { register: 1, type: 1, data: new Uint8Array(40) },
      { register: 2, type: 4, data: new Uint8Array(4) },
    ]),
    parseEventLog,
  ],
];

/** The first input for which a parser throws anything but its typed error. */
function firstUntyped(
  seed: Uint8Array,
  parse: (bytes: Uint8Array) => unknown,
  runs: number,
): Uint8Array | undefined {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
  const shapes = fc.tuple(edits, fc.nat(seed.byteLength), fc.uint8Array({ maxLength: 40 }));
  const result = fc.check(
    fc.property(shapes, fc.boolean(), ([changes, length, tail], cut) => {
      const bytes = Uint8Array.from(seed);
      for (const [at, value] of changes) bytes[at % bytes.byteLength] = value;
      const input = cut ? Uint8Array.from([...bytes.subarray(0, length), ...tail]) : bytes;
      try {
        parse(input);
        return true;
      } catch (error) {
        return error instanceof AttestationError;
      }
    }),
    { numRuns: runs, seed: 17 },
  );
  return result.failed ? seed : undefined;
}

describe('a mutated input (I10)', () => {
  it.each(PARSERS)('of %s gives a result or a typed error', (_, seed, parse) => {
    expect(firstUntyped(seed, parse, 1500)).toBeUndefined();
  });

  it.each([
    [
      'a length that is believed',
      serializeTpmAttest({ nonce: NONCE }),
      (bytes: Uint8Array) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const nameBytes = view.getUint16(6);
        return view.getUint16(8 + nameBytes);
      },
    ],
    [
      'a table that goes on to its end',
      serializeEventLog([{ register: 1, type: 1, data: new Uint8Array(4) }]),
      (bytes: Uint8Array) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        return view.getUint8(32 + view.getUint32(28, true));
      },
    ],
  ])('finds a planted bug: %s', (_, seed, planted) => {
    expect(firstUntyped(seed, planted, 1500)).toBeDefined();
  });
});

const VECTORS = new URL('../../../../shared/vectors/attestation/', import.meta.url);

describe.skipIf(!existsSync(VECTORS))('real evidence (I10)', () => {
  it('of Azure has no other quote under its signature than its own', () => {
    const { pathname } = new URL('trustee/az-snp-vtpm/evidence-v2.json', VECTORS);
    const { hclReport, tpmQuote } = readAzureEvidence(pathname);
    const { attestationKey } = parseRuntimeData(parseHclReport(hclReport).runtimeData);
    const isSigned = (data: Uint8Array): boolean =>
      testCrypto.verify({
        algorithm: 'rsa-pkcs1-sha256',
        publicKey: attestationKey.spki,
        data,
        signature: tpmQuote.signature,
      });
    expect(isSigned(tpmQuote.message)).toBe(true);
    for (let bit = 0; bit < 8 * tpmQuote.message.byteLength; bit += 1) {
      expect(isSigned(flipped(tpmQuote.message, bit))).toBe(false);
    }
  });

  it('in a real event log is refused or replayed, byte after byte', () => {
    const log = new Uint8Array(
      readFileSync(new URL('go-tdx-guest/testdata/ccel/ccel_data.dat', VECTORS)),
    ).slice(0, 19_000);
    expect(firstUntyped(log, parseEventLog, 300)).toBeUndefined();
  });
});
