/**
 * A development hierarchy made in memory: ARK, ASK, ASVK, endorsement keys, revocation lists and
 * reports. Every part can be made wrong.
 */
import { constants, createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import {
  serializeSnpReport,
  signedRangeOf,
  tcbBytes,
  type SnpProduct,
  type SnpReport,
  type SnpTcb,
} from '../src/index.ts';
import {
  bits,
  boolean,
  der,
  extension,
  ia5,
  integer,
  name,
  oid,
  sequence,
  time,
} from './der-writer.ts';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface CertificatePlan {
  readonly subject: string;
  readonly issuer: string;
  readonly key: KeyPair;
  readonly signer: KeyPair;
  readonly serial: number;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly Uint8Array[];
}

const ORGANISATION = 'Test Development Root';
const AMD = '1.3.6.1.4.1.3704.1';
const SHA384 = sequence(oid('2.16.840.1.101.3.4.2.2'), der(0x05));
const PSS = sequence(
  oid('1.2.840.113549.1.1.10'),
  sequence(
    der(0xa0, SHA384),
    der(0xa1, sequence(oid('1.2.840.113549.1.1.8'), SHA384)),
    der(0xa2, integer(48)),
    der(0xa3, integer(1)),
  ),
);

export const YEAR_MS: number = 365 * 24 * 3600 * 1000;
export const NOW_MS: number = Date.UTC(2026, 5, 1);

export const rsaKey = (modulusLength = 4096): KeyPair =>
  generateKeyPairSync('rsa', { modulusLength });
export const p384Key = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-384' });

export const authorityExtensions = (ca: boolean, pathLength?: number): readonly Uint8Array[] => [
  extension(
    '2.5.29.19',
    sequence(
      ...(ca ? [boolean(true)] : []),
      ...(pathLength === undefined ? [] : [integer(pathLength)]),
    ),
    true,
  ),
  extension('2.5.29.15', Uint8Array.of(0x03, 0x02, 0x01, 0x06), true),
];

export function signPss(data: Uint8Array, { privateKey }: KeyPair): Uint8Array {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return new Uint8Array(sign('sha384', data, { key: privateKey, padding, saltLength: 48 }));
}

export function makeCertificate(plan: CertificatePlan): Uint8Array {
  const tbs = sequence(
    der(0xa0, integer(2)),
    integer(plan.serial),
    PSS,
    name(plan.issuer, ORGANISATION),
    sequence(time(plan.notBefore), time(plan.notAfter)),
    name(plan.subject, ORGANISATION),
    new Uint8Array(plan.key.publicKey.export({ format: 'der', type: 'spki' })),
    der(0xa3, sequence(...plan.extensions)),
  );
  return sequence(tbs, PSS, bits(signPss(tbs, plan.signer)));
}

export interface CrlPlan {
  readonly issuer: string;
  readonly signer: KeyPair;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly number[];
  readonly extensions: readonly Uint8Array[];
}

export function makeCrl(plan: CrlPlan): Uint8Array {
  const entries = plan.revoked.map((serial) => sequence(integer(serial), time(plan.thisUpdate)));
  const tbs = sequence(
    integer(1),
    PSS,
    name(plan.issuer, ORGANISATION),
    time(plan.thisUpdate),
    time(plan.nextUpdate),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    ...(plan.extensions.length === 0 ? [] : [der(0xa0, sequence(...plan.extensions))]),
  );
  return sequence(tbs, PSS, bits(signPss(tbs, plan.signer)));
}

export interface VekPlan {
  readonly product: SnpProduct;
  readonly productName: string;
  readonly structVersion: number;
  readonly tcb: SnpTcb;
  readonly hardwareId?: Uint8Array;
  readonly cspId?: string;
}

export function vekExtensions(plan: VekPlan): readonly Uint8Array[] {
  const part = (number: number, value: number): Uint8Array =>
    extension(`${AMD}.3.${number}`, integer(value));
  const { tcb } = plan;
  return [
    extension(`${AMD}.1`, integer(plan.structVersion)),
    extension(`${AMD}.2`, ia5(plan.productName)),
    part(1, tcb.bootloader),
    part(2, tcb.tee),
    part(3, tcb.snp),
    ...(tcb.fmc === undefined ? [part(4, 0)] : [part(9, tcb.fmc)]),
    part(8, tcb.microcode),
    ...(plan.hardwareId === undefined ? [] : [extension(`${AMD}.4`, plan.hardwareId)]),
    ...(plan.cspId === undefined ? [] : [extension(`${AMD}.5`, ia5(plan.cspId))]),
  ];
}

/** Roots and intermediates of one product with their keys, reused by all tests of a file. */
export interface Authorities {
  readonly product: SnpProduct;
  readonly arkKey: KeyPair;
  readonly askKey: KeyPair;
  readonly vekKey: KeyPair;
  readonly ark: Uint8Array;
  readonly ask: Uint8Array;
  readonly asvk: Uint8Array;
  readonly arkPlan: CertificatePlan;
  readonly askPlan: CertificatePlan;
  readonly fingerprint: string;
}

export function makeAuthorities(
  product: SnpProduct,
  keys?: Pick<Authorities, 'arkKey' | 'askKey' | 'vekKey'>,
): Authorities {
  const arkKey = keys?.arkKey ?? rsaKey();
  const askKey = keys?.askKey ?? rsaKey();
  const validity = { notBefore: NOW_MS - YEAR_MS, notAfter: NOW_MS + 25 * YEAR_MS };
  const issuer = `ARK-${product}`;
  const arkPlan: CertificatePlan = {
    subject: issuer,
    issuer,
    key: arkKey,
    signer: arkKey,
    serial: 0x10000,
    ...validity,
    extensions: authorityExtensions(true),
  };
  const askPlan: CertificatePlan = {
    ...arkPlan,
    subject: `SEV-${product}`,
    key: askKey,
    serial: 0x10001,
    extensions: authorityExtensions(true, 0),
  };
  const ark = makeCertificate(arkPlan);
  return {
    product,
    arkKey,
    askKey,
    vekKey: keys?.vekKey ?? p384Key(),
    ark,
    ask: makeCertificate(askPlan),
    asvk: makeCertificate({ ...askPlan, subject: `SEV-VLEK-${product}`, serial: 0x10101 }),
    arkPlan,
    askPlan,
    fingerprint: createHash('sha256').update(ark).digest('hex'),
  };
}

const CPUIDS = {
  Milan: { family: 0x19, model: 0x01, stepping: 1 },
  Genoa: { family: 0x19, model: 0x11, stepping: 1 },
  Turin: { family: 0x1a, model: 0x02, stepping: 1 },
} as const;

export const TCB: SnpTcb = { bootloader: 4, tee: 0, snp: 24, microcode: 219 };
export const TURIN_TCB: SnpTcb = { fmc: 1, bootloader: 1, tee: 1, snp: 4, microcode: 81 };
export const tcbOf = (product: SnpProduct): SnpTcb => (product === 'Turin' ? TURIN_TCB : TCB);

/** A healthy report, unsigned. */
export function plainReport(product: SnpProduct): SnpReport {
  const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
  const tcb = tcbBytes(product, tcbOf(product));
  const chipId = new Uint8Array(64);
  chipId.set(filled(product === 'Turin' ? 8 : 64, 0xc1));
  return {
    version: 5,
    guestSvn: 3,
    policy: 0x30000n,
    familyId: filled(16, 0xf1),
    imageId: filled(16, 0x1d),
    vmpl: 0,
    signatureAlgorithm: 1,
    currentTcb: tcb,
    platformInfo: 0x25n,
    authorKeyEnabled: false,
    chipKeyMasked: false,
    signingKey: 0,
    reportData: filled(64, 0xda),
    measurement: filled(48, 0x3e),
    hostData: filled(32, 0x40),
    idKeyDigest: new Uint8Array(48),
    authorKeyDigest: new Uint8Array(48),
    reportId: filled(32, 0x1f),
    reportIdMigrationAgent: filled(32, 0xff),
    reportedTcb: tcb,
    cpuid: CPUIDS[product],
    chipId,
    committedTcb: tcb,
    currentFirmware: { major: 1, minor: 55, build: 29 },
    committedFirmware: { major: 1, minor: 55, build: 29 },
    launchTcb: tcb,
    launchMitigations: 0xbn,
    currentMitigations: 0xbn,
    signature: new Uint8Array(96),
  };
}

/** Serialises and signs as the firmware does. */
export function signReport(report: SnpReport, { privateKey }: KeyPair): Uint8Array {
  const bytes = serializeSnpReport(report);
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  const signature = new Uint8Array(sign('sha384', signedRangeOf(bytes), key));
  return serializeSnpReport({ ...report, signature });
}

/** Signs raw report bytes, for reports that the serializer cannot write. */
export function resignBytes(bytes: Uint8Array, { privateKey }: KeyPair): Uint8Array {
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  const signature = new Uint8Array(sign('sha384', signedRangeOf(bytes), key));
  const signed = Uint8Array.from(bytes);
  signed.set(signature.slice(0, 48).reverse(), 0x2a0);
  signed.set(signature.slice(48).reverse(), 0x2e8);
  return signed;
}
