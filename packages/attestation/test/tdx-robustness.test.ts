/**
 * Altered quotes and collateral: nothing is accepted that says something else, nothing throws.
 * Needs the published vectors for a quote to start from.
 */
import fc from 'fast-check';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { unixMillis } from '@witan/core';
import {
  appraise,
  decodeEvidence,
  encodeEvidence,
  parseReferenceValues,
  parseSnpReferenceValues,
  parseQeIdentity,
  parseTcbInfo,
  parseTdxQuote,
  parseTdxReferenceValues,
  verifyTdx,
  type TdxEndorsements,
  type TdxVerifyRequest,
} from '../src/index.ts';
import { readCollateral } from '../testing/tdx-collateral-file.ts';
import { referenceJsonFor } from '../testing/tdx-vectors.ts';
import { codeOf } from './support/code-of.ts';
import { testCrypto } from '../testing/node-crypto.ts';

const folder = fileURLToPath(
  new URL('../../../../shared/vectors/attestation/synthetic-devroot/', import.meta.url),
);
const ROOT = '4bda104914c4eb2aa17c7b6ba2bcb5ed4270966e529d39792743060e96aad732';

function load(): TdxVerifyRequest & { readonly json: object } {
  const quote = new Uint8Array(readFileSync(`${folder}tdx/ok-v5-td15-body/quote.bin`));
  const json = { ...referenceJsonFor(quote), developmentRoots: [ROOT] };
  return {
    quote,
    json,
    endorsements: readCollateral(`${folder}tdx/common/collateral.json`),
    options: {
      now: unixMillis(Date.UTC(2026, 5, 1)),
      crypto: testCrypto,
      roots: { production: [], development: [ROOT] },
      expectedReportData: parseTdxQuote(quote).body.reportData,
      referenceValues: parseTdxReferenceValues(json, 'reference'),
    },
  };
}

describe.skipIf(!existsSync(folder))('a healthy quote', () => {
  const healthy = existsSync(folder) ? load() : (undefined as never);
  const outcome = (changes: Partial<TdxVerifyRequest>): string => {
    const verdict = verifyTdx({ ...healthy, ...changes });
    return verdict.ok ? 'accepted' : verdict.code;
  };
  const withReference = (changes: object): string => {
    const referenceValues = parseTdxReferenceValues({ ...healthy.json, ...changes }, '');
    return outcome({ options: { ...healthy.options, referenceValues } });
  };
  const withPart = (name: keyof TdxEndorsements, bytes: Uint8Array): string =>
    outcome({ endorsements: { ...healthy.endorsements, [name]: bytes } });

  it('is accepted before it is altered, and says that it is simulated (I11)', () => {
    const verdict = verifyTdx(healthy);
    expect(verdict.ok).toBe(true);
    expect(verdict.claims).toMatchObject({ tee: 'tdx', simulated: true, tcbStatus: 'UpToDate' });
  });

  it('is refused after a bit flip in any signed byte', { timeout: 60_000 }, () => {
    const signedBytes = parseTdxQuote(healthy.quote).signed.byteLength;
    const accepted: number[] = [];
    for (let at = 0; at < signedBytes; at += 1) {
      const flipped = healthy.quote.with(at, (healthy.quote[at] ?? 0) ^ (1 << (at & 7)));
      if (outcome({ quote: flipped }) === 'accepted') accepted.push(at);
    }
    expect(accepted).toEqual([]);
  });

  it('means the same whenever a change behind the signed bytes is accepted', () => {
    const from = parseTdxQuote(healthy.quote).signed.byteLength;
    const places = fc.integer({ min: from, max: healthy.quote.byteLength - 1 });
    fc.assert(
      fc.property(places, fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const quote = healthy.quote.with(at, (healthy.quote[at] ?? 0) ^ mask);
        const verdict = verifyTdx({ ...healthy, quote });
        const claims = verdict.ok ? verdict.claims : undefined;
        expect([undefined, JSON.stringify(verifyTdx(healthy).claims)]).toContain(
          claims === undefined ? undefined : JSON.stringify(claims),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('is refused when cut anywhere, without an error that has no code (I10)', () => {
    fc.assert(
      fc.property(fc.nat(healthy.quote.byteLength - 1), (length) => {
        expect(outcome({ quote: healthy.quote.slice(0, length) })).toMatch(/^TDX_/);
      }),
      { numRuns: 300 },
    );
  });

  it('is accepted with zeros behind it, and with other bytes only as a finding', () => {
    const padded = new Uint8Array(healthy.quote.byteLength + 100);
    padded.set(healthy.quote);
    const plain = verifyTdx({ ...healthy, quote: padded });
    padded.fill(1, healthy.quote.byteLength);
    const noisy = verifyTdx({ ...healthy, quote: padded });
    const kinds = (verdict: typeof plain): readonly string[] =>
      verdict.ok ? verdict.findings.map(({ kind }) => kind) : ['refused'];
    expect(kinds(plain)).not.toContain('unsigned-bytes');
    expect(kinds(noisy)).toContain('unsigned-bytes');
  });

  it('is refused above the size limit', () => {
    expect(outcome({ quote: new Uint8Array(16 * 1024 + 1) })).toBe('TDX_QUOTE_LENGTH');
  });

  it.each(['rootCrl', 'pckCrl', 'tcbInfo', 'qeIdentity', 'tcbInfoSignature'] as const)(
    'is refused without %s',
    (name) => {
      const { [name]: _, ...endorsements } = healthy.endorsements;
      expect(outcome({ endorsements })).toBe('TDX_COLLATERAL_MISSING');
    },
  );

  it('is refused with any change to the signed documents, even a space', () => {
    const text = Buffer.from(healthy.endorsements.tcbInfo ?? []).toString();
    const spaced = new Uint8Array(Buffer.from(text.replace(':', ': ')));
    expect(withPart('tcbInfo', spaced)).toBe('TDX_TCB_INFO_SIGNATURE');
    expect(withPart('qeIdentity', spaced)).toBe('TDX_QE_IDENTITY_SIGNATURE');
  });

  it('is refused with documents signed by a PCK instead of the TCB signer', () => {
    const { pckChain } = parseTdxQuote(healthy.quote);
    expect(withPart('tcbInfoIssuerChain', pckChain)).toBe('TDX_TCB_SIGNER');
  });

  it('is refused with garbage in the place of any collateral (I10)', () => {
    const names = ['rootCrl', 'pckCrl', 'tcbInfoIssuerChain', 'tcbInfo', 'qeIdentity'] as const;
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.uint8Array({ maxLength: 300 }), (name, bytes) => {
        expect(withPart(name, bytes)).toMatch(/^TDX_/);
      }),
    );
  });

  it('is refused outside the validity of its collateral', () => {
    const at = (millis: number): string =>
      outcome({ options: { ...healthy.options, now: unixMillis(millis) } });
    const verdict = verifyTdx(healthy);
    const end = verdict.ok ? verdict.validUntil : 0;
    expect(at(end)).toBe('accepted');
    expect(at(end + 1000)).toMatch(/_VALIDITY$/);
    expect(at(Date.UTC(2026, 4, 14))).toMatch(/_VALIDITY$/);
  });

  const other = '77'.repeat(48);
  const refusals: readonly (readonly [string, object])[] = [
    ['TDX_DEVELOPMENT_ROOT', { developmentRoots: undefined }],
    ['TDX_TCB_STATUS', { tcbStatuses: ['OutOfDate'] }],
    ['TDX_TCB_EVALUATION_NUMBER', { minimumTcbEvaluationDataNumber: 1000 }],
    ['TDX_PLATFORM_NOT_ALLOWED', { platformInstanceIds: ['77'.repeat(16)] }],
    ['TDX_MRTD', { mrTd: [other] }],
    ['TDX_RTMR', { rtmr2: [other] }],
    ['TDX_MRSEAM', { mrSeam: [other] }],
    ['TDX_CONFIG_ID', { mrConfigId: other }],
    ['TDX_OWNER', { mrOwner: other }],
    ['TDX_OWNER', { mrOwnerConfig: other }],
    ['TDX_SERVICE_TD', { mrServiceTd: [other] }],
  ];

  it.each(refusals)('%s: is refused by reference values that want %j', (code, changes) => {
    expect(withReference(changes)).toBe(code);
  });

  it('TDX_REPORT_DATA: is refused for another challenge', () => {
    const expectedReportData = new Uint8Array(64).fill(1);
    const options = { ...healthy.options, expectedReportData };
    expect(outcome({ options })).toBe('TDX_REPORT_DATA');
  });

  it('TDX_ROOT_UNTRUSTED: is refused with production roots (I11)', () => {
    const roots = { production: [], development: [] };
    expect(outcome({ options: { ...healthy.options, roots } })).toBe('TDX_ROOT_UNTRUSTED');
  });

  it('is appraised by entries of its own TEE only', () => {
    const { quote, endorsements, options } = healthy;
    const snp = parseSnpReferenceValues(
      {
        tee: 'snp',
        measurement: [other],
        hostData: '00'.repeat(32),
        products: ['Milan'],
        minimumTcb: { bootloader: 0, tee: 0, snp: 0, microcode: 0 },
      },
      '',
    );
    const context = {
      now: options.now,
      crypto: testCrypto,
      expectedReportData: options.expectedReportData,
      revocation: 'required',
      developmentRoots: 'as-listed',
    } as const;
    const evidence = { kind: 'tdx', quote, endorsements } as const;
    const tdx = parseReferenceValues(healthy.json, '');
    expect(appraise(evidence, [snp, tdx], context)).toMatchObject({
      kind: 'accepted',
      entryIndex: 1,
    });
    expect(appraise(evidence, [snp], context)).toMatchObject({
      kind: 'refused',
      code: 'APPRAISAL_TEE_MISMATCH',
    });
    const wrong = parseReferenceValues({ ...healthy.json, mrTd: [other] }, '');
    expect(appraise(evidence, [snp, wrong], context)).toMatchObject({ code: 'TDX_MRTD' });
  });

  it('comes back from its encoding', () => {
    const { quote, endorsements } = healthy;
    const evidence = { kind: 'tdx', quote, endorsements } as const;
    const bytes = encodeEvidence(evidence);
    expect(decodeEvidence(bytes)).toEqual(evidence);
    expect(codeOf(() => decodeEvidence(bytes.slice(0, -1)))).toBe('EVIDENCE_MALFORMED');
    const large = { ...evidence, quote: new Uint8Array(16 * 1024 + 1) };
    expect(codeOf(() => encodeEvidence(large))).toBe('EVIDENCE_TOO_LARGE');
  });
});

describe('a document of more names than any has (I10)', () => {
  it.each([parseTcbInfo, parseQeIdentity])('is refused before it is parsed: %o', (parse) => {
    const names = Array.from({ length: 20_000 }, (_, at) => `"n${at}":0`);
    const document = new Uint8Array(Buffer.from(`{${names.join()}}`));
    const fields = { expected: 'less nesting and fewer fields' };
    expect(() => parse(document)).toThrow(
      expect.objectContaining({
        code: 'TDX_COLLATERAL_MALFORMED',
        fields: expect.objectContaining(fields) as object,
      }),
    );
  });
});

describe('garbage as a quote (I10)', () => {
  it('is refused with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
        expect(codeOf(() => parseTdxQuote(bytes))).toMatch(/^TDX_/);
      }),
    );
  });
});
