/** Evidence below Azure's paravisor: each binding in turn, and each way to break it. */
import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { concatBytes, toHex } from '@witan/core';
import {
  azureExpectationOf,
  parseAzureReferenceValues,
  parseHclReport,
  parseRuntimeData,
  parseTpmAttest,
  type AzSnpEvidence,
  type TpmQuote,
} from '../src/index.ts';
import {
  attestationKey,
  makeTpmQuote,
  QUOTED_PCRS,
  runtimeDocument,
  serializeTpmAttest,
  testCrypto,
} from '../testing/index.ts';
import { codeOf } from './support/code-of.ts';
import { key, NONCE, outcomeOf, snpEvidence, tdxEvidence, verdictOf } from './support/azure.ts';
import { referenceJson } from './support/scene.ts';
import { makeAuthorities } from './support/hierarchy.ts';

const other = attestationKey();
const snp = snpEvidence();
const tdx = tdxEvidence();
const withQuote = (tpmQuote: Partial<TpmQuote>): AzSnpEvidence => ({
  ...snp,
  tpmQuote: { ...snp.tpmQuote, ...tpmQuote },
});
const hex = (byte: string): string => byte.repeat(32);

describe('evidence below a paravisor', () => {
  it('is accepted whole, SEV-SNP and TDX, and says who vouches for what', () => {
    for (const evidence of [snp, tdx]) {
      const verdict = verdictOf(evidence);
      expect(verdict).toMatchObject({
        ok: true,
        claims: {
          simulated: true,
          azure: {
            nonce: toHex(NONCE),
            userData: 'ab'.repeat(64),
            vmConfiguration: { 'secure-boot': true },
            resetCount: 3,
          },
        },
      });
      if (!verdict.ok) continue;
      const { azure, measurements, reportData } = verdict.claims;
      expect(reportData).toBe(`${azure?.runtimeDataDigest}${'00'.repeat(32)}`);
      expect(measurements).toContainEqual({ name: 'pcr8', value: toHex(QUOTED_PCRS[8] ?? NONCE) });
      expect(verdict.findings.map(({ kind }) => kind)).toContain('paravisor');
      expect(verdict.checks.map(({ code }) => code)).toEqual(
        expect.arrayContaining(['AZURE_RUNTIME_DATA', 'AZURE_QUOTE_SIGNATURE', 'AZURE_NONCE']),
      );
    }
  });

  it('has the attestation key of its document as OpenSSL reads it', () => {
    const { spki } = parseRuntimeData(runtimeDocument(key)).attestationKey;
    const read = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    expect(read.equals(key.publicKey)).toBe(true);
  });

  it('takes report data as their digest in the quote and in full in the document', () => {
    const reportData = new Uint8Array(64).fill(0xab);
    const expected = azureExpectationOf(reportData, testCrypto);
    const fresh = snpEvidence({ quote: { nonce: expected.nonce } });
    expect(outcomeOf(fresh, undefined, expected)).toBe('accepted');
    expect(outcomeOf(snp, undefined, expected)).toBe('AZURE_NONCE');
    const stale = snpEvidence({
      quote: { nonce: expected.nonce },
      document: { 'user-data': '00'.repeat(64) },
    });
    expect(outcomeOf(stale, undefined, expected)).toBe('AZURE_USER_DATA');
  });

  it.each<[string, () => string, string]>([
    [
      'of a guest that asked for the report itself (another VMPL)',
      () => outcomeOf(snpEvidence({ report: { vmpl: 2 } })),
      'AZURE_VMPL',
    ],
    [
      'with a document that the hardware did not bind',
      () => outcomeOf(snpEvidence({ report: { reportData: new Uint8Array(64) } })),
      'AZURE_RUNTIME_DATA',
    ],
    [
      'with something behind the digest in REPORT_DATA',
      () => {
        const reportData = verdictOf(snp).claims?.reportData ?? '';
        const bytes = Buffer.from(reportData, 'hex').fill(1, 63);
        return outcomeOf(snpEvidence({ report: { reportData: new Uint8Array(bytes) } }));
      },
      'AZURE_RUNTIME_DATA',
    ],
    [
      'with a quote of another vTPM',
      () => outcomeOf(withQuote(makeTpmQuote(other, { nonce: NONCE }))),
      'AZURE_QUOTE_SIGNATURE',
    ],
    [
      'with registers that were not quoted',
      () => outcomeOf(withQuote({ pcrs: QUOTED_PCRS.toReversed() })),
      'AZURE_PCR_DIGEST',
    ],
    [
      'with a register too few',
      () => outcomeOf(withQuote({ pcrs: QUOTED_PCRS.slice(1) })),
      'AZURE_PCR_SELECTION',
    ],
    [
      'with registers of another bank',
      () => outcomeOf(withQuote(makeTpmQuote(key, { nonce: NONCE, bank: 0x000c }))),
      'AZURE_PCR_SELECTION',
    ],
    [
      'with a certificate of a TPM in the place of a quote',
      () => outcomeOf(withQuote(makeTpmQuote(key, { nonce: NONCE, type: 0x8017 }))),
      'AZURE_QUOTE_TYPE',
    ],
    [
      'with bytes that no TPM made',
      () => outcomeOf(withQuote(makeTpmQuote(key, { nonce: NONCE, magic: 0xff544348 }))),
      'AZURE_QUOTE_TYPE',
    ],
    [
      'for another nonce',
      () => outcomeOf(snp, undefined, { nonce: Uint8Array.of(1) }),
      'AZURE_NONCE',
    ],
    [
      'that is handed to the other verifier',
      () => outcomeOf({ ...snp, kind: 'az-tdx', quote: tdx.quote, endorsements: {} }),
      'AZURE_HCL_TYPE',
    ],
    [
      'of another trust domain than its TDREPORT',
      () => outcomeOf(tdxEvidence({ tdReport: (bytes) => bytes.with(528, 1) })),
      'AZURE_TD_REPORT',
    ],
  ])('%s is refused', (_, run, code) => {
    expect(run()).toBe(code);
  });

  it('compares every field of the TDREPORT with the quote', () => {
    for (const at of [0, 128, 264, 280, 328, 376, 512, 520, 528, 576, 624, 672, 720, 768, 911]) {
      const changed = tdxEvidence({ tdReport: (bytes) => bytes.with(at, (bytes[at] ?? 0) ^ 1) });
      expect(outcomeOf(changed)).toBe('AZURE_TD_REPORT');
    }
  });
});

describe('the algorithm of a quote', () => {
  const wrapped = (algorithm: number, hash: number, signature: Uint8Array): Uint8Array =>
    concatBytes(
      Uint8Array.of(algorithm >> 8, algorithm & 255, hash >> 8, hash & 255),
      Uint8Array.of(signature.byteLength >> 8, signature.byteLength & 255),
      signature,
    );
  const { signature, message } = snp.tpmQuote;

  it('may be said by TPMT_SIGNATURE around the signature', () => {
    expect(outcomeOf(withQuote({ signature: wrapped(0x14, 0x0b, signature) }))).toBe('accepted');
  });

  it.each([
    ['RSAPSS', wrapped(0x16, 0x0b, signature)],
    ['SHA-1', wrapped(0x14, 0x04, signature)],
    ['ECDSA', wrapped(0x18, 0x0b, signature.slice(0, 64))],
    ['nothing', new Uint8Array()],
    ['a shorter number', signature.slice(1)],
  ])('%s is refused with a code of its own', (_, changed) => {
    expect(outcomeOf(withQuote({ signature: changed }))).toBe('AZURE_QUOTE_ALGORITHM');
  });

  it('is never guessed: PSS and SHA-512 over the same bytes do not verify', () => {
    const pss = sign('sha256', message, { key: key.privateKey, padding: 6 });
    expect(outcomeOf(withQuote({ signature: pss }))).toBe('AZURE_QUOTE_SIGNATURE');
    const sha512 = sign('sha512', message, key.privateKey);
    expect(outcomeOf(withQuote({ signature: sha512 }))).toBe('AZURE_QUOTE_SIGNATURE');
  });
});

describe("the paravisor's document", () => {
  const keyOf = (changes: Readonly<Record<string, unknown>>): Record<string, unknown> => ({
    kid: 'HCLAkPub',
    kty: 'RSA',
    ...key.publicKey.export({ format: 'jwk' }),
    ...changes,
  });
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    ['without keys', { keys: undefined }, 'AZURE_RUNTIME_DATA_MALFORMED'],
    ['with too many keys', { keys: Array(17).fill({}) }, 'AZURE_RUNTIME_DATA_MALFORMED'],
    ['without the attestation key', { keys: [keyOf({ kid: 'x' })] }, 'AZURE_ATTESTATION_KEY'],
    ['with two attestation keys', { keys: [keyOf({}), keyOf({})] }, 'AZURE_ATTESTATION_KEY'],
    ['with an EC key', { keys: [keyOf({ kty: 'EC' })] }, 'AZURE_ATTESTATION_KEY'],
    ['with the exponent 1', { keys: [keyOf({ e: 'AQ' })] }, 'AZURE_ATTESTATION_KEY'],
    [
      'with a short key',
      { keys: [keyOf({ n: short.export({ format: 'jwk' }).n })] },
      'AZURE_ATTESTATION_KEY',
    ],
    ['with a modulus of zeros', { keys: [keyOf({ n: 'A'.repeat(342) })] }, 'AZURE_ATTESTATION_KEY'],
    ['with a modulus that is no base64', { keys: [keyOf({ n: '%' })] }, 'AZURE_ATTESTATION_KEY'],
    ['with short user data', { 'user-data': 'ab' }, 'AZURE_RUNTIME_DATA_MALFORMED'],
    ['with a list as configuration', { 'vm-configuration': [] }, 'AZURE_RUNTIME_DATA_MALFORMED'],
  ])('%s is refused', (_, document, code) => {
    expect(outcomeOf(snpEvidence({ document }))).toBe(code);
  });

  it('may lack user data and have members that nobody knows', () => {
    const document = {
      'user-data': undefined,
      later: { deep: [1] },
      'vm-configuration': { a: [] },
    };
    expect(verdictOf(snpEvidence({ document }), { pcrs: 'any', secureBoot: false })).toMatchObject({
      ok: true,
      claims: { azure: { userData: undefined, vmConfiguration: {} } },
    });
  });

  it('is no JSON at all', () => {
    expect(codeOf(() => parseRuntimeData(Uint8Array.of(0xff)))).toBe(
      'AZURE_RUNTIME_DATA_MALFORMED',
    );
    expect(codeOf(() => parseRuntimeData(Buffer.from('[]')))).toBe('AZURE_RUNTIME_DATA_MALFORMED');
  });
});

describe('an HCL report', () => {
  const put = (at: number, value: number): Uint8Array => {
    const changed = Buffer.from(snp.hclReport);
    changed.writeUInt32LE(value, at);
    return new Uint8Array(changed);
  };
  it.each([
    ['another magic', put(0, 0)],
    ['version 3', put(4, 3)],
    ['another size', put(8, 2600)],
    ['another request', put(12, 1)],
    ['a status', put(16, 1)],
    ['reserved bytes', put(28, 1)],
    ['another size of its data', put(1216, 1)],
    ['another version of its data', put(1220, 2)],
    ['another report type', put(1224, 3)],
    ['another hash', put(1228, 2)],
    ['a document beyond its end', put(1232, 0xffffffff)],
    ['something behind the document', snp.hclReport.with(-1, 1)],
    ['no document', snp.hclReport.slice(0, 1235)],
    ['more bytes than any', new Uint8Array(20_000)],
  ])('with %s is refused', (_, bytes) => {
    expect(codeOf(() => parseHclReport(bytes))).toBe('AZURE_HCL_MALFORMED');
  });

  it('of TDX with something behind the TDREPORT is refused', () => {
    const bytes = tdx.hclReport.with(32 + 1030, 1);
    expect(codeOf(() => parseHclReport(bytes))).toBe('AZURE_HCL_MALFORMED');
  });
});

describe('an attested structure', () => {
  const message = serializeTpmAttest({ nonce: NONCE });
  it.each([
    ['is cut', message.slice(0, -1), 'AZURE_QUOTE_MALFORMED'],
    ['goes on', concatBytes(message, Uint8Array.of(0)), 'AZURE_QUOTE_MALFORMED'],
    ['is larger than any', new Uint8Array(1025), 'AZURE_QUOTE_MALFORMED'],
    ['is empty', new Uint8Array(), 'AZURE_QUOTE_MALFORMED'],
    [
      'has a long nonce',
      serializeTpmAttest({ nonce: new Uint8Array(67) }),
      'AZURE_QUOTE_MALFORMED',
    ],
    [
      'has a digest of SHA-1',
      serializeTpmAttest({ nonce: NONCE, pcrDigest: new Uint8Array(20) }),
      'AZURE_QUOTE_MALFORMED',
    ],
    [
      'selects nothing',
      serializeTpmAttest({ nonce: NONCE, selection: new Uint8Array(3) }),
      'AZURE_PCR_SELECTION',
    ],
    [
      'selects more registers than any TPM has',
      serializeTpmAttest({ nonce: NONCE, selection: new Uint8Array(5).fill(1) }),
      'AZURE_PCR_SELECTION',
    ],
  ])('that %s is refused', (_, bytes, code) => {
    expect(codeOf(() => parseTpmAttest(bytes))).toBe(code);
  });

  it('may select a part of the registers, which then are all that is proven', () => {
    const pcrs = [QUOTED_PCRS[4], QUOTED_PCRS[8]].filter((pcr) => pcr !== undefined);
    const selection = Uint8Array.of(0x10, 0x01, 0);
    const quote = makeTpmQuote(key, { nonce: NONCE, pcrs, selection });
    const demands = { pcrs: { 4: [toHex(QUOTED_PCRS[4] ?? NONCE)] } };
    expect(outcomeOf(withQuote(quote), demands)).toBe('accepted');
    const more = { pcrs: { 5: [toHex(QUOTED_PCRS[5] ?? NONCE)] } };
    expect(outcomeOf(withQuote(quote), more)).toBe('AZURE_PCR');
    expect(outcomeOf(withQuote({ ...quote, pcrs: QUOTED_PCRS }), demands)).toBe(
      'AZURE_PCR_SELECTION',
    );
  });
});

describe('reference values of Azure', () => {
  const values = { tee: 'az-snp', hardware: referenceJson(makeAuthorities('Genoa')), pcrs: 'any' };

  it('compare registers, init data and secure boot', () => {
    const pcr4 = toHex(QUOTED_PCRS[4] ?? NONCE);
    expect(outcomeOf(snp, { pcrs: { 4: [hex('00'), pcr4] } })).toBe('accepted');
    expect(outcomeOf(snp, { pcrs: { 4: [hex('00')] } })).toBe('AZURE_PCR');
    const initData = hex('5a');
    const extended = createHash('sha256')
      .update(concatBytes(new Uint8Array(32), Buffer.from(initData, 'hex')))
      .digest();
    const pcrs = QUOTED_PCRS.map((pcr, index) => (index === 8 ? new Uint8Array(extended) : pcr));
    const started = snpEvidence({ quote: { pcrs } });
    expect(outcomeOf(started, { pcrs: 'any', initData })).toBe('accepted');
    expect(outcomeOf(snp, { pcrs: 'any', initData })).toBe('AZURE_INIT_DATA');
    const insecure = snpEvidence({ document: { 'vm-configuration': { 'secure-boot': false } } });
    expect(outcomeOf(insecure)).toBe('AZURE_SECURE_BOOT');
    expect(outcomeOf(insecure, { pcrs: 'any', secureBoot: false })).toBe('accepted');
  });

  it('are the same after a second reading', () => {
    const parsed = parseAzureReferenceValues({ ...values, pcrs: { 11: [hex('11')] } }, '');
    expect(parseAzureReferenceValues(parsed, '')).toEqual(parsed);
  });

  it.each([
    ['leave the registers out', { ...values, pcrs: undefined }],
    ['name no register', { ...values, pcrs: {} }],
    ['name a register that is none', { ...values, pcrs: { 99: [hex('00')] } }],
    ['name a value of another length', { ...values, pcrs: { 4: ['00'] } }],
    ['want another VMPL', { ...values, hardware: { ...values.hardware, vmpl: 1 } }],
    ['have values of the other hardware', { ...values, tee: 'az-tdx' }],
    ['have a member more', { ...values, console: true }],
  ])('that %s are refused', (_, invalid) => {
    expect(codeOf(() => parseAzureReferenceValues(invalid, ''))).toBe('REFERENCE_VALUES_INVALID');
  });
});
