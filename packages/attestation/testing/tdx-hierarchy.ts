/**
 * A TDX hierarchy made in memory: root, platform authority, PCK certificate, TCB signer, revocation
 * lists, TCB info and identity of the quoting enclave. What it signs differs from what Intel signs
 * only in the root, which nobody accepts who does not list it (invariant I11). Every part can be
 * made wrong.
 */
import { createHash } from 'node:crypto';
import type { TdReport, TdxEndorsements } from '../src/index.ts';
import { fromHex } from '@witan/core';
import { der, extension, integer, octets, oid, boolean, sequence } from './der-writer.ts';
import {
  authority,
  endEntity,
  makeP256Certificate,
  makeP256Crl,
  p256Key,
  pemOf,
  signP256,
  type P256CertificatePlan,
  type P256CrlPlan,
  type P256Key,
} from './p256.ts';
import {
  healthyQuotePlan,
  serializeTdxQuote,
  type QuotingEnclavePlan,
  type TdxQuotePlan,
} from './tdx-quote.ts';
import { qeIdentityOf, tcbInfoOf, type JsonObject } from './tdx-documents.ts';

/** The platform that a PCK certificate speaks of. */
export interface TdxPlatform {
  /** 6 bytes in hex. */
  readonly fmspc: string;
  /** 2 bytes in hex. */
  readonly pceId: string;
  /** 16 component SVNs. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** 16 bytes in hex. */
  readonly platformInstanceId: string;
  readonly dynamicPlatform: boolean;
  readonly cachedKeys: boolean;
  readonly smtEnabled: boolean;
}

/** The keys of a hierarchy, to be kept where its root must outlive the process. */
export interface TdxKeys {
  readonly root: P256Key;
  readonly authority: P256Key;
  readonly pck: P256Key;
  readonly tcbSigner: P256Key;
}

export type TdxCertificateName = keyof TdxKeys;

/** What is not as in a healthy hierarchy. */
export interface TdxHierarchyOptions {
  /** Time around which everything is valid, milliseconds since 1970. */
  readonly nowMs?: number;
  readonly organisation?: string;
  readonly keys?: Partial<TdxKeys>;
  /** Certificates made before, in DER: used as they are, so that a root stays the same. */
  readonly issued?: { readonly [Name in TdxCertificateName]?: Uint8Array };
  readonly platform?: Partial<TdxPlatform>;
  readonly certificates?: { readonly [Name in TdxCertificateName]?: Partial<P256CertificatePlan> };
  readonly rootCrl?: Partial<P256CrlPlan>;
  readonly pckCrl?: Partial<P256CrlPlan>;
  /** Fields that replace those of the healthy TCB info. */
  readonly tcbInfo?: JsonObject;
  /** Fields that replace those of the healthy quoting enclave identity. */
  readonly qeIdentity?: JsonObject;
}

/** A hierarchy of one platform. */
export interface TdxHierarchy {
  readonly keys: TdxKeys;
  readonly platform: TdxPlatform;
  /** The certificates in DER. */
  readonly certificates: Readonly<Record<TdxCertificateName, Uint8Array>>;
  /** SHA-256 of the root certificate in hex: what reference values list as a development root. */
  readonly fingerprint: string;
  readonly endorsements: TdxEndorsements;
  /** A signed quote over a report; `changes` are for quotes that no hardware would make. */
  readonly quote: (report: TdReport, changes?: Partial<TdxQuotePlan>) => Uint8Array;
}

/** Time around which a hierarchy is valid by default. */
export const TDX_NOW_MS: number = Date.UTC(2026, 5, 1);

const DAY_MS = 24 * 3600 * 1000;
const YEAR_MS = 365 * DAY_MS;
const SGX = '1.2.840.113741.1.13.1';

/** The platform of a healthy hierarchy. */
export const TDX_PLATFORM: TdxPlatform = {
  fmspc: '00806f050000',
  pceId: '0000',
  components: [7, 7, 2, 2, 3, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0],
  pceSvn: 11,
  platformInstanceId: 'a1'.repeat(16),
  dynamicPlatform: true,
  cachedKeys: false,
  smtEnabled: true,
};

/** The quoting enclave of a healthy quote. */
export const QUOTING_ENCLAVE: QuotingEnclavePlan = {
  miscSelect: 0,
  attributes: fromHex('11000000000000000000000000000000'),
  mrSigner: fromHex('dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5'),
  isvProdId: 2,
  isvSvn: 6,
};

/**
 * Makes a hierarchy. Takes a few milliseconds: all keys are on P-256.
 *
 * The collateral is valid from a day before to 30 days after the time; certificates for years.
 */
export function createTdxHierarchy(options: TdxHierarchyOptions = {}): TdxHierarchy {
  const nowMs = options.nowMs ?? TDX_NOW_MS;
  const organisation = options.organisation ?? 'Test Development Root';
  const platform: TdxPlatform = { ...TDX_PLATFORM, ...options.platform };
  const keys: TdxKeys = {
    root: options.keys?.root ?? p256Key(),
    authority: options.keys?.authority ?? p256Key(),
    pck: options.keys?.pck ?? p256Key(),
    tcbSigner: options.keys?.tcbSigner ?? p256Key(),
  };
  const certificates = certificatesOf(keys, platform, nowMs, organisation, options);
  const list = { organisation, thisUpdate: nowMs - DAY_MS, nextUpdate: nowMs + 30 * DAY_MS };
  const rootCrl = { ...list, issuer: ROOT, signer: keys.root, revoked: [], ...options.rootCrl };
  const pckCrl = {
    ...list,
    issuer: AUTHORITY,
    signer: keys.authority,
    revoked: [],
    ...options.pckCrl,
  };
  const period = { issueMs: list.thisUpdate, nextUpdateMs: list.nextUpdate };
  const tcbInfo = jsonBytes({ ...tcbInfoOf(platform, period), ...options.tcbInfo });
  const qeIdentity = jsonBytes({ ...qeIdentityOf(QUOTING_ENCLAVE, period), ...options.qeIdentity });
  const issuerChain = pemOf(certificates.tcbSigner, certificates.root);
  return {
    keys,
    platform,
    certificates,
    fingerprint: createHash('sha256').update(certificates.root).digest('hex'),
    endorsements: {
      rootCrl: makeP256Crl(rootCrl),
      pckCrl: makeP256Crl(pckCrl),
      tcbInfoIssuerChain: issuerChain,
      tcbInfo,
      tcbInfoSignature: signP256(tcbInfo, keys.tcbSigner),
      qeIdentityIssuerChain: issuerChain,
      qeIdentity,
      qeIdentitySignature: signP256(qeIdentity, keys.tcbSigner),
    },
    quote: (report, changes = {}) =>
      serializeTdxQuote(report, {
        ...healthyQuotePlan({
          version: report.teeTcbSvn2 === undefined ? 4 : 5,
          pckKey: keys.pck,
          pckChain: pemOf(certificates.pck, certificates.authority, certificates.root),
          quotingEnclave: QUOTING_ENCLAVE,
        }),
        ...changes,
      }),
  };
}

const ROOT = 'Intel SGX Root CA';
const AUTHORITY = 'Intel SGX PCK Platform CA';

function certificatesOf(
  keys: TdxKeys,
  platform: TdxPlatform,
  nowMs: number,
  organisation: string,
  { certificates: changes = {}, issued = {} }: TdxHierarchyOptions,
): Readonly<Record<TdxCertificateName, Uint8Array>> {
  const common = { organisation, notBefore: nowMs - YEAR_MS, notAfter: nowMs + 7 * YEAR_MS };
  const byRoot = { ...common, issuer: ROOT, signer: keys.root };
  const root: P256CertificatePlan = {
    ...byRoot,
    subject: ROOT,
    key: keys.root,
    serial: 1,
    notAfter: nowMs + 30 * YEAR_MS,
    extensions: authority(1),
  };
  const platformAuthority: P256CertificatePlan = {
    ...byRoot,
    subject: AUTHORITY,
    key: keys.authority,
    serial: 2,
    extensions: authority(0),
  };
  const tcbSigner: P256CertificatePlan = {
    ...byRoot,
    subject: 'Intel SGX TCB Signing',
    key: keys.tcbSigner,
    serial: 3,
    extensions: endEntity(),
  };
  const pck: P256CertificatePlan = {
    ...common,
    issuer: AUTHORITY,
    signer: keys.authority,
    subject: 'Intel SGX PCK Certificate',
    key: keys.pck,
    serial: 4,
    extensions: [...endEntity(), pckExtension(platform)],
  };
  return {
    root: issued.root ?? makeP256Certificate({ ...root, ...changes.root }),
    authority:
      issued.authority ?? makeP256Certificate({ ...platformAuthority, ...changes.authority }),
    tcbSigner: issued.tcbSigner ?? makeP256Certificate({ ...tcbSigner, ...changes.tcbSigner }),
    pck: issued.pck ?? makeP256Certificate({ ...pck, ...changes.pck }),
  };
}

/** The SGX extension of a PCK certificate. */
export function pckExtension(platform: TdxPlatform): Uint8Array {
  const pair = (suffix: string, value: Uint8Array): Uint8Array =>
    sequence(oid(`${SGX}.${suffix}`), value);
  const hex = (text: string): Uint8Array => octets(fromHex(text));
  const svns = platform.components.map((svn, index) => pair(`2.${index + 1}`, integer(svn)));
  const cpuSvn = octets(Uint8Array.from(platform.components));
  return extension(
    SGX,
    sequence(
      pair('1', hex('00'.repeat(16))),
      pair('2', sequence(...svns, pair('2.17', integer(platform.pceSvn)), pair('2.18', cpuSvn))),
      pair('3', hex(platform.pceId)),
      pair('4', hex(platform.fmspc)),
      pair('5', der(0x0a, Uint8Array.of(1))),
      pair('6', hex(platform.platformInstanceId)),
      pair(
        '7',
        sequence(
          pair('7.1', boolean(platform.dynamicPlatform)),
          pair('7.2', boolean(platform.cachedKeys)),
          pair('7.3', boolean(platform.smtEnabled)),
        ),
      ),
    ),
  );
}

/** The report of a healthy trust domain; with the fields of TDX 1.5 unless they are left out. */
export function healthyTdReport(changes: Partial<TdReport> = {}): TdReport {
  const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
  const svn = Uint8Array.from({ length: 16 }, (_, index) => [6, 1, 3][index] ?? 0);
  return {
    teeTcbSvn: svn,
    mrSeam: filled(48, 0x5e),
    mrSignerSeam: new Uint8Array(48),
    seamAttributes: 0n,
    tdAttributes: 0x1000_0000n,
    xfam: 0x602e7n,
    mrTd: filled(48, 0x3e),
    mrConfigId: filled(48, 0x40),
    mrOwner: new Uint8Array(48),
    mrOwnerConfig: new Uint8Array(48),
    rtmrs: [0xb0, 0xb1, 0xb2, 0xb3].map((value) => filled(48, value)),
    reportData: filled(64, 0xda),
    teeTcbSvn2: svn,
    mrServiceTd: new Uint8Array(48),
    ...changes,
  };
}

function jsonBytes(value: JsonObject): Uint8Array {
  return new Uint8Array(Buffer.from(JSON.stringify(value)));
}
