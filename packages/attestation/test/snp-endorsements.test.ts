/** Where the certificates of a report come from, and what is remembered of them. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { concatBytes, unixMillis, type Crypto } from '@witan/core';
import {
  AMD_ROOTS,
  amdRootCertificate,
  parseSnpReferenceValues,
  RecentSnpChains,
  SNP_PRODUCTS,
  splitExtendedReport,
  verifySnp,
  type SnpVerifyOptions,
} from '../src/index.ts';
import { testCrypto } from '../testing/node-crypto.ts';
import { makeAuthorities, NOW_MS, tcbOf, YEAR_MS } from './support/hierarchy.ts';
import { codeOf } from './support/code-of.ts';
import { goodCrl, judge, outcome, referenceJson, scene } from './support/scene.ts';

const milan = makeAuthorities('Milan');
const genoa = makeAuthorities('Genoa', milan);

describe("AMD's root certificates", () => {
  it.each(SNP_PRODUCTS)('are at hand and are the pinned ones: %s', (product) => {
    const sha256 = createHash('sha256').update(amdRootCertificate(product)).digest('hex');
    expect(AMD_ROOTS).toContainEqual({ product, sha256 });
  });

  it('stand in for a root that did not come along, and bring no trust to another chain', () => {
    const roots = { production: AMD_ROOTS, development: [milan.fingerprint] };
    const verdict = judge(milan, { endorsements: { root: undefined }, options: { roots } });
    expect(outcome(verdict)).toBe('SNP_INTERMEDIATE_ISSUER');
    expect(verdict.checks.find(({ code }) => code === 'SNP_ROOT_UNTRUSTED')?.passed).toBe(true);
  });
});

describe('an extended report', () => {
  it('is a report with a certificate table behind it', () => {
    const { report } = scene(milan);
    const table = Uint8Array.of(1, 2, 3);
    expect(splitExtendedReport(concatBytes(report, table))).toEqual({
      report,
      certificateTable: table,
    });
    expect(splitExtendedReport(report)).toEqual({ report });
    expect(splitExtendedReport(report.slice(1))).toEqual({ report: report.slice(1) });
  });
});

describe('a report without a revocation list', () => {
  it('may be genuine, and is refused only because a list is demanded', () => {
    const verdict = judge(milan, { endorsements: { crl: undefined } });
    expect(outcome(verdict)).toBe('SNP_CRL_MISSING');
    expect(verdict.claims?.product).toBe('Milan');
    const failed = verdict.checks.filter(({ passed }) => !passed);
    expect(failed.map(({ code }) => code)).toEqual(['SNP_CRL_MISSING']);
  });
});

describe('an author key', () => {
  const digest = '33'.repeat(48);
  const report = { authorKeyDigest: new Uint8Array(48).fill(0x33) };
  const reference = { authorKeyDigest: [digest] };

  it('counts only where the firmware says that it took part', () => {
    expect(outcome(judge(milan, { report, reference }))).toBe('SNP_AUTHOR_KEY');
    const enabled = { ...report, authorKeyEnabled: true };
    expect(outcome(judge(milan, { report: enabled, reference }))).toBe('accepted');
  });
});

describe('a minimum TCB for each product', () => {
  const low = { bootloader: 0, tee: 0, snp: 0, microcode: 0 };
  const both = { products: ['Milan', 'Genoa'] };
  const demand = (minimumTcb: object): object => ({ ...both, minimumTcb });

  it('is that of the product of the report', () => {
    const reference = demand({ Milan: { ...tcbOf('Milan'), snp: 25 }, Genoa: low });
    expect(outcome(judge(milan, { reference: { ...reference } }))).toBe('SNP_TCB_BELOW_MINIMUM');
    expect(outcome(judge(genoa, { reference: { ...reference } }))).toBe('accepted');
  });

  it('must be there for every product that is accepted, and for no other', () => {
    const parse = (minimumTcb: object): string =>
      codeOf(() => parseSnpReferenceValues(referenceJson(milan, { ...demand(minimumTcb) }), ''));
    expect(parse({ Milan: low, Genoa: low })).toBe('accepted');
    expect(parse({ Milan: low })).toBe('REFERENCE_VALUES_INVALID');
    expect(parse({ Milan: low, Genoa: low, Turin: low })).toBe('REFERENCE_VALUES_INVALID');
    expect(parse({ ...low, Milan: low, Genoa: low })).toBe('REFERENCE_VALUES_INVALID');
  });

  it('does not change when it is validated again', () => {
    const once = parseSnpReferenceValues(
      referenceJson(milan, { ...demand({ Milan: low, Genoa: tcbOf('Genoa') }) }),
      '',
    );
    expect(parseSnpReferenceValues(once, '')).toEqual(once);
  });

  it('refuses a product that was left out of values made in code', () => {
    const { referenceValues } = scene(milan).options;
    const options = { referenceValues: { ...referenceValues, minimumTcb: { Genoa: low } } };
    expect(outcome(judge(milan, { options }))).toBe('SNP_TCB_BELOW_MINIMUM');
  });
});

describe('a chain that was verified before', () => {
  let verifications = 0;
  const counting: Crypto = {
    hash: (algorithm, ...parts) => testCrypto.hash(algorithm, ...parts),
    verify: (check) => {
      verifications += 1;
      return testCrypto.verify(check);
    },
  };
  const countFor = (run: () => unknown): number => {
    verifications = 0;
    run();
    return verifications;
  };
  const withCache = (chainsMax = 4): { crypto: Crypto; chainCache: RecentSnpChains } => ({
    crypto: counting,
    chainCache: new RecentSnpChains(chainsMax),
  });
  const good = scene(milan);
  const verify = (options: Partial<SnpVerifyOptions>, endorsements = good.endorsements): string =>
    outcome(verifySnp({ ...good, endorsements, options: { ...good.options, ...options } }));

  it('costs only the signature of the report, and gives the same verdict', () => {
    const options = { ...good.options, ...withCache() };
    const first = verifySnp({ ...good, options });
    expect(countFor(() => expect(verifySnp({ ...good, options })).toEqual(first))).toBe(1);
    expect(first.ok).toBe(true);
  });

  it('is still judged by its validity, its root and its revocation', () => {
    const cache = withCache();
    expect(verify(cache)).toBe('accepted');
    const at = (millis: number): SnpVerifyOptions['now'] => unixMillis(millis);
    expect(verify({ ...cache, now: at(NOW_MS + 7 * YEAR_MS) })).toBe('SNP_VEK_VALIDITY');
    expect(verify({ ...cache, now: at(NOW_MS + YEAR_MS) })).toBe('SNP_CRL_VALIDITY');
    expect(verify({ ...cache, roots: { production: [], development: [] } })).toBe(
      'SNP_ROOT_UNTRUSTED',
    );
    const revoked = goodCrl(milan, { revoked: [0x10001] });
    expect(verify(cache, { ...good.endorsements, crl: revoked })).toBe('SNP_CA_REVOKED');
    expect(verify(cache, { ...good.endorsements, crl: revoked })).toBe('SNP_CA_REVOKED');
  });

  it('does not change with the message that it came in', () => {
    const cache = withCache();
    const { vek = new Uint8Array() } = good.endorsements;
    const message = Buffer.from(vek);
    expect(verify(cache, { ...good.endorsements, vek: message })).toBe('accepted');
    message.fill(0);
    expect(verify(cache)).toBe('accepted');
  });

  it('is not mistaken for one that differs in a byte', () => {
    const cache = withCache();
    expect(verify(cache)).toBe('accepted');
    for (const name of ['vek', 'intermediate', 'root', 'crl'] as const) {
      const bytes = good.endorsements[name] ?? new Uint8Array();
      const at = bytes.byteLength - 1;
      const changed = { ...good.endorsements, [name]: bytes.with(at, (bytes[at] ?? 0) ^ 1) };
      expect(verify(cache, changed)).toMatch(/^SNP_(VEK|INTERMEDIATE|CRL)_SIGNATURE|SNP_ROOT/);
    }
    expect(cache.chainCache.size).toBe(1);
  });

  it('says nothing about the report itself', () => {
    const cache = withCache();
    expect(verify(cache)).toBe('accepted');
    const report = Uint8Array.from(good.report);
    report[0x90] = 0;
    const options = { ...good.options, ...cache };
    expect(outcome(verifySnp({ ...good, report, options }))).toBe('SNP_REPORT_SIGNATURE');
  });

  it('is remembered with its list and without it separately', () => {
    const cache = { ...withCache(), revocation: 'if-present' } as const;
    const { crl: _, ...without } = good.endorsements;
    expect(verify(cache)).toBe('accepted');
    expect(countFor(() => verify(cache, without))).toBe(4);
    expect(cache.chainCache.size).toBe(2);
  });

  it('is forgotten when others were used since, so that memory stays bounded', () => {
    const cache = withCache(2);
    const lists = [1, 2, 3].map((serial) => goodCrl(milan, { revoked: [serial] }));
    const use = (at: number): number =>
      countFor(() => verify(cache, { ...good.endorsements, crl: lists[at] as Uint8Array }));
    expect([use(0), use(1), use(0), use(2), use(0), use(1)]).toEqual([5, 5, 1, 5, 1, 5]);
    expect(cache.chainCache.size).toBe(2);
  });
});

describe('report version 2', () => {
  const report = { version: 2, cpuid: undefined, launchMitigations: 0n, currentMitigations: 0n };

  it.each(['Milan', 'Genoa', 'Turin'] as const)(
    'is of the product of its certificate: %s',
    (product) => {
      const verdict = judge(makeAuthorities(product, milan), { report });
      expect(verdict.claims?.product).toBe(product);
      expect(outcome(verdict)).toBe('accepted');
    },
  );

  it('is refused where the certificate names no product', () => {
    const issuer = 'SEV-Venice';
    const verdict = judge(milan, { report, vekCertificate: { issuer } });
    expect(outcome(verdict)).toBe('SNP_PRODUCT_UNKNOWN');
  });
});
