/**
 * Vendors made in memory, with their services in the shape of AMD's KDS and Intel's PCS: the same
 * paths, parameters, headers and encodings, and roots of their own.
 */
import {
  NOW_MS,
  YEAR_MS,
  createTdxHierarchy,
  makeAuthorities,
  makeCertificate,
  makeCrl,
  pemOf,
  plainReport,
  signReport,
  vekExtensions,
  type Authorities,
  type CrlPlan,
  type TdxHierarchy,
  type TdxHierarchyOptions,
} from '@witan/attestation/testing';
import {
  SNP_TCB_PARTS,
  parseCertificateTable,
  parseSnpReport,
  tcbParts,
  type SnpEvidence,
  type SnpProduct,
  type SnpReport,
  type SnpTcb,
} from '@witan/attestation';
import { fromHex, toHex } from '@witan/core';
import type { MirrorAnswer, MirrorAnswers } from './mirror.ts';

const DAY_MS = 24 * 3600 * 1000;
const SPL = {
  fmc: 'fmcSPL',
  bootloader: 'blSPL',
  tee: 'teeSPL',
  snp: 'snpSPL',
  microcode: 'ucodeSPL',
};

/** A service of AMD for one product. */
export interface AmdVendor {
  readonly authorities: Authorities;
  readonly answers: MirrorAnswers;
  readonly crl: (changes?: Partial<CrlPlan>) => Uint8Array;
  readonly vcek: (chipId: Uint8Array, tcb: SnpTcb) => Uint8Array;
  /** PEM as the service sends it. */
  readonly chain: Uint8Array;
  /** Signed evidence of a healthy guest, without endorsements. */
  readonly evidence: (changes?: Partial<SnpReport>) => SnpEvidence;
}

/** Takes seconds: two RSA keys of 4096 bits, unless they are given. */
export function createAmdVendor(
  product: SnpProduct,
  keys?: Pick<Authorities, 'arkKey' | 'askKey' | 'vekKey'>,
): AmdVendor {
  const authorities = makeAuthorities(product, keys);
  const { ark, ask, asvk } = authorities;
  const crl = (changes: Partial<CrlPlan> = {}): Uint8Array =>
    makeCrl({
      issuer: `ARK-${product}`,
      signer: authorities.arkKey,
      thisUpdate: NOW_MS - DAY_MS,
      nextUpdate: NOW_MS + 30 * DAY_MS,
      revoked: [],
      extensions: [],
      ...changes,
    });
  const vcek = (chipId: Uint8Array, tcb: SnpTcb): Uint8Array =>
    makeCertificate({
      subject: 'SEV-VCEK',
      issuer: `SEV-${product}`,
      key: authorities.vekKey,
      signer: authorities.askKey,
      serial: 0,
      notBefore: NOW_MS - YEAR_MS / 2,
      notAfter: NOW_MS + 6 * YEAR_MS,
      extensions: vekExtensions({
        product,
        productName: product === 'Milan' ? 'Milan-B0' : product,
        structVersion: product === 'Turin' ? 1 : 0,
        tcb,
        hardwareId: chipId,
      }),
    });
  const list = crl();
  const chain = pemOf(ask, ark);
  const answers: MirrorAnswers = (path) => {
    const [where = '', query = ''] = path.split('?', 2);
    if (where === `/vcek/v1/${product}/cert_chain`) return pem(chain);
    if (where === `/vlek/v1/${product}/cert_chain`) return pem(pemOf(asvk, ark));
    if (/^\/v[cl]ek\/v1\/[A-Za-z]+\/crl$/.test(where) && where.includes(product)) return der(list);
    const [, chipId] = new RegExp(`^/vcek/v1/${product}/([0-9a-f]+)$`).exec(where) ?? [];
    const tcb = tcbOfQuery(product, query);
    if (chipId === undefined || tcb === undefined) return undefined;
    return chipId.length === (product === 'Turin' ? 16 : 128)
      ? der(vcek(fromHex(chipId), tcb))
      : undefined;
  };
  const evidence = (changes: Partial<SnpReport> = {}): SnpEvidence => ({
    kind: 'snp',
    report: signReport({ ...plainReport(product), ...changes }, authorities.vekKey),
    endorsements: {},
  });
  return { authorities, answers, crl, vcek, chain, evidence };
}

/** Exactly the parameters that the service takes, each once, with at least two digits. */
function tcbOfQuery(product: SnpProduct, query: string): SnpTcb | undefined {
  const wanted = SNP_TCB_PARTS.filter((part) => product === 'Turin' || part !== 'fmc');
  const found = new Map(query.split('&').map((pair) => pair.split('=', 2) as [string, string]));
  if (found.size !== wanted.length || query.split('&').length !== wanted.length) return undefined;
  const levels = wanted.map((part) => found.get(SPL[part]) ?? '');
  if (!levels.every((text) => /^\d{2,3}$/.test(text))) return undefined;
  return Object.fromEntries(wanted.map((part, index) => [part, Number(levels[index])])) as never;
}

/** Chip id and TCB as they stand in a request. */
export function vcekRequestOf(product: SnpProduct, changes: Partial<SnpReport> = {}) {
  const { chipId, reportedTcb } = { ...plainReport(product), ...changes };
  return {
    kind: 'amd-vcek',
    product,
    chipId: toHex(chipId.subarray(0, product === 'Turin' ? 8 : 64)),
    tcb: tcbParts(product, reportedTcb),
  } as const;
}

/** A service of Intel for one platform, with the certificates host in the same place. */
export interface IntelVendor {
  readonly hierarchy: TdxHierarchy;
  readonly answers: MirrorAnswers;
}

/** Answers as Intel sends them: chains in headers, URL-encoded. */
export function createIntelVendor(options: TdxHierarchyOptions = {}): IntelVendor {
  const hierarchy = createTdxHierarchy(options);
  const { endorsements: all, certificates, platform } = hierarchy;
  const documents = pemOf(certificates.tcbSigner, certificates.root);
  const lists = pemOf(certificates.authority, certificates.root);
  const signed = (
    name: string,
    document: Uint8Array | undefined,
    signature: Uint8Array | undefined,
    header: string,
  ): MirrorAnswer => ({
    body: Buffer.concat([
      Buffer.from(`{"${name}":`),
      document ?? new Uint8Array(),
      Buffer.from(`,"signature":"${toHex(signature ?? new Uint8Array())}"}`),
    ]),
    headers: { 'content-type': 'application/json', [header]: encoded(documents) },
  });
  const answers: MirrorAnswers = (path) => {
    switch (path) {
      case `/tdx/certification/v4/tcb?fmspc=${platform.fmspc}`:
        return signed('tcbInfo', all.tcbInfo, all.tcbInfoSignature, 'TCB-Info-Issuer-Chain');
      case '/tdx/certification/v4/qe/identity': {
        const header = 'SGX-Enclave-Identity-Issuer-Chain';
        return signed('enclaveIdentity', all.qeIdentity, all.qeIdentitySignature, header);
      }
      case '/sgx/certification/v4/pckcrl?ca=platform&encoding=der': {
        const headers = { 'SGX-PCK-CRL-Issuer-Chain': encoded(lists) };
        return { body: all.pckCrl ?? new Uint8Array(), headers };
      }
      case '/IntelSGXRootCA.der':
        return { body: all.rootCrl ?? new Uint8Array() };
      default:
        return undefined;
    }
  };
  return { hierarchy, answers };
}

/** Several vendors behind one address. */
export function together(...all: readonly MirrorAnswers[]): MirrorAnswers {
  return (path) => {
    for (const answers of all) {
      const answer = answers(path);
      if (answer !== undefined) return answer;
    }
    return undefined;
  };
}

function encoded(pemBytes: Uint8Array): string {
  return encodeURIComponent(new TextDecoder().decode(pemBytes));
}

/**
 * AMD's service for guests whose complete evidence is there already, such as simulated ones: it
 * serves what their certificate tables hold, and the list of the first.
 */
export function amdAnswersOf(
  product: SnpProduct,
  guests: readonly Pick<SnpEvidence, 'report' | 'endorsements'>[],
): MirrorAnswers {
  const base = `/vcek/v1/${product}/`;
  const answers = new Map<string, MirrorAnswer>();
  for (const { report, endorsements } of guests) {
    const { certificateTable, root, crl } = endorsements;
    if (certificateTable === undefined || root === undefined || crl === undefined) continue;
    const { vcek, intermediate } = parseCertificateTable(certificateTable);
    if (vcek === undefined || intermediate === undefined) continue;
    answers.set(`${base}cert_chain`, pem(pemOf(intermediate, root)));
    answers.set(`${base}crl`, der(crl));
    answers.set(`${base}${toHex(parseSnpReport(report).chipId)}`, der(vcek));
  }
  return (path) => answers.get(path.replace(/\?.*$/, ''));
}

function pem(body: Uint8Array): MirrorAnswer {
  return { body, headers: { 'content-type': 'application/x-pem-file' } };
}

function der(body: Uint8Array): MirrorAnswer {
  return { body, headers: { 'content-type': 'application/pkix-cert' } };
}
