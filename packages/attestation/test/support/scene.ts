/** A whole verification with one thing changed at a time. */
import {
  parseSnpReferenceValues,
  verifySnp,
  type SnpEndorsements,
  type SnpReport,
  type SnpVerdict,
  type SnpVerifyOptions,
} from '../../src/index.ts';
import { toHex, unixMillis } from '@witan/core';
import {
  makeCertificate,
  makeCrl,
  NOW_MS,
  plainReport,
  signReport,
  tcbOf,
  vekExtensions,
  YEAR_MS,
  type Authorities,
  type CertificatePlan,
  type CrlPlan,
  type VekPlan,
} from '../../testing/snp-hierarchy.ts';
import { testCrypto } from '../../testing/node-crypto.ts';

export interface Changes {
  readonly report?: Partial<SnpReport>;
  /** Replaces the signed report bytes. */
  readonly bytes?: (signed: Uint8Array) => Uint8Array;
  readonly vek?: Partial<VekPlan>;
  readonly vekCertificate?: Partial<CertificatePlan>;
  readonly crl?: Partial<CrlPlan>;
  readonly endorsements?: Partial<Record<keyof SnpEndorsements, Uint8Array | undefined>>;
  readonly options?: Partial<SnpVerifyOptions>;
  readonly reference?: Readonly<Record<string, unknown>>;
}

/** Plain JSON reference values that accept the healthy report of `plainReport`. */
export function referenceJson(
  authorities: Authorities,
  changes: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const report = plainReport(authorities.product);
  return {
    tee: 'snp',
    measurement: [toHex(report.measurement)],
    hostData: toHex(report.hostData),
    products: [authorities.product],
    minimumTcb: tcbOf(authorities.product),
    developmentRoots: [authorities.fingerprint],
    ...changes,
  };
}

export function vekCertificate(
  authorities: Authorities,
  vlek: boolean,
  vek: Partial<VekPlan> = {},
  certificate: Partial<CertificatePlan> = {},
): Uint8Array {
  const { product } = authorities;
  const plan: VekPlan = {
    product,
    productName: product === 'Milan' && !vlek ? 'Milan-B0' : product,
    structVersion: product === 'Turin' ? 1 : 0,
    tcb: tcbOf(product),
    ...(vlek
      ? { cspId: 'CN=cloud.invalid' }
      : { hardwareId: plainReport(product).chipId.slice(0, product === 'Turin' ? 8 : 64) }),
    ...vek,
  };
  return makeCertificate({
    subject: vlek ? 'SEV-VLEK' : 'SEV-VCEK',
    issuer: vlek ? `SEV-VLEK-${product}` : `SEV-${product}`,
    key: authorities.vekKey,
    signer: authorities.askKey,
    serial: 0,
    notBefore: NOW_MS - YEAR_MS / 2,
    notAfter: NOW_MS + 6 * YEAR_MS,
    extensions: vekExtensions(plan),
    ...certificate,
  });
}

export function goodCrl(authorities: Authorities, changes: Partial<CrlPlan> = {}): Uint8Array {
  return makeCrl({
    issuer: `ARK-${authorities.product}`,
    signer: authorities.arkKey,
    thisUpdate: NOW_MS - 1000,
    nextUpdate: NOW_MS + YEAR_MS / 12,
    revoked: [0x424242],
    extensions: [],
    ...changes,
  });
}

export interface Scene {
  readonly report: Uint8Array;
  readonly endorsements: SnpEndorsements;
  readonly options: SnpVerifyOptions;
}

export function scene(authorities: Authorities, changes: Changes = {}): Scene {
  const vlek = changes.report?.signingKey === 1;
  const report = { ...plainReport(authorities.product), ...changes.report };
  const signed = signReport(report, authorities.vekKey);
  const endorsements = {
    vek: vekCertificate(authorities, vlek, changes.vek, changes.vekCertificate),
    intermediate: vlek ? authorities.asvk : authorities.ask,
    root: authorities.ark,
    crl: goodCrl(authorities, changes.crl),
    ...changes.endorsements,
  };
  return {
    report: changes.bytes?.(signed) ?? signed,
    endorsements: Object.fromEntries(
      Object.entries(endorsements).filter(([, bytes]) => bytes !== undefined),
    ),
    options: {
      now: unixMillis(NOW_MS),
      crypto: testCrypto,
      roots: { production: [], development: [authorities.fingerprint] },
      revocation: 'required',
      expectedReportData: report.reportData,
      referenceValues: parseSnpReferenceValues(
        referenceJson(authorities, changes.reference),
        'reference',
      ),
      ...changes.options,
    },
  };
}

export function judge(authorities: Authorities, changes: Changes = {}): SnpVerdict {
  return verifySnp(scene(authorities, changes));
}

/** The code of a verdict, or `accepted`. */
export function outcome(verdict: SnpVerdict): string {
  return verdict.ok ? 'accepted' : verdict.code;
}
