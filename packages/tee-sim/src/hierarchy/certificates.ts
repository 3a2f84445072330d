/**
 * Certificates and the revocation list of the development hierarchy, shaped like AMD's (VCEK
 * certificate and KDS interface specification, document 57230), but under another organisation, so
 * that nobody can take one for the other.
 */
import { constants, createHash, sign, type KeyObject } from 'node:crypto';
import { tcbBytes, type SnpProduct, type SnpTcb } from '@witan/attestation';
import * as der from './der.ts';

/** Organisation in every name of the hierarchy. */
export const DEVELOPMENT_ORGANISATION = 'Witan Development Root';

const OID = {
  commonName: '2.5.4.3',
  country: '2.5.4.6',
  locality: '2.5.4.7',
  state: '2.5.4.8',
  organisation: '2.5.4.10',
  organisationalUnit: '2.5.4.11',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  crlDistributionPoints: '2.5.29.31',
  authorityKeyIdentifier: '2.5.29.35',
  rsassaPss: '1.2.840.113549.1.1.10',
  mgf1: '1.2.840.113549.1.1.8',
  sha384: '2.16.840.1.101.3.4.2.2',
  /** AMD's arc for VCEK extensions. */
  amd: '1.3.6.1.4.1.3704.1',
} as const;

const DAY_MS = 24 * 3600 * 1000;
const YEAR_MS = 365.25 * DAY_MS;
const SALT_BYTES = 48;
/** Certificates begin a day before they are made, for verifiers whose clock is behind. */
const BACKDATE_MS = DAY_MS;

interface Serials {
  readonly ark: number;
  readonly ask: number;
}

const SERIALS: Readonly<Record<SnpProduct, Serials>> = {
  Milan: { ark: 0x01_00_00, ask: 0x01_00_01 },
  Genoa: { ark: 0x02_00_00, ask: 0x02_00_02 },
  Turin: { ark: 0x03_00_00, ask: 0x03_00_01 },
};

const PRODUCT_NAMES: Readonly<Record<SnpProduct, string>> = {
  Milan: 'Milan-B0',
  Genoa: 'Genoa',
  Turin: 'Turin',
};

/** A signing certificate authority. */
export interface Authority {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/**
 * @param explicitTrailer write trailerField 1 although it is the default, as AMD does in its CAs
 */
function pssAlgorithm(explicitTrailer: boolean): der.Der {
  const sha384 = der.sequence(der.objectIdentifier(OID.sha384), der.NULL);
  const trailer = explicitTrailer ? [der.explicit(3, der.integer(1))] : [];
  return der.sequence(
    der.objectIdentifier(OID.rsassaPss),
    der.sequence(
      der.explicit(0, sha384),
      der.explicit(1, der.sequence(der.objectIdentifier(OID.mgf1), sha384)),
      der.explicit(2, der.integer(SALT_BYTES)),
      ...trailer,
    ),
  );
}

function name(commonName: string): der.Der {
  const part = (oid: string, value: der.Der): der.Der =>
    der.setOf(der.sequence(der.objectIdentifier(oid), value));
  return der.sequence(
    part(OID.organisationalUnit, der.utf8String('Engineering')),
    part(OID.country, der.printableString('US')),
    part(OID.locality, der.utf8String('Santa Clara')),
    part(OID.state, der.utf8String('CA')),
    part(OID.organisation, der.utf8String(DEVELOPMENT_ORGANISATION)),
    part(OID.commonName, der.utf8String(commonName)),
  );
}

function spkiOf(key: KeyObject): Uint8Array {
  return key.export({ type: 'spki', format: 'der' });
}

/** RFC 7093 section 2 method 1, over the whole SubjectPublicKeyInfo. */
function keyId(key: KeyObject): Uint8Array {
  return createHash('sha256').update(spkiOf(key)).digest().subarray(0, 20);
}

function extension(oid: string, value: Uint8Array, critical = false): der.Der {
  const flag = critical ? [der.TRUE] : [];
  return der.sequence(der.objectIdentifier(oid), ...flag, der.octetString(value));
}

function signed(tbs: der.Der, algorithm: der.Der, key: KeyObject): der.Der {
  const signature = sign('sha384', tbs, {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: SALT_BYTES,
  });
  return der.sequence(tbs, algorithm, der.bitString(signature));
}

interface CertificateFields {
  readonly serial: number;
  readonly issuer: string;
  readonly subject: string;
  readonly subjectKey: KeyObject;
  readonly issuerKey: KeyObject;
  readonly nowMs: number;
  readonly lifetimeMs: number;
  readonly extensions: readonly der.Der[];
  readonly explicitTrailer: boolean;
}

function certificate(fields: CertificateFields): der.Der {
  const algorithm = pssAlgorithm(fields.explicitTrailer);
  const notBefore = fields.nowMs - BACKDATE_MS;
  const tbs = der.sequence(
    der.explicit(0, der.integer(2)),
    der.integer(fields.serial),
    algorithm,
    name(fields.issuer),
    der.sequence(der.time(notBefore), der.time(notBefore + fields.lifetimeMs)),
    name(fields.subject),
    spkiOf(fields.subjectKey),
    der.explicit(3, der.sequence(...fields.extensions)),
  );
  return signed(tbs, algorithm, fields.issuerKey);
}

function authorityExtensions(
  product: SnpProduct,
  subjectKey: KeyObject,
  issuerKey: KeyObject,
  isRoot: boolean,
): readonly der.Der[] {
  const pathLength = isRoot ? [] : [der.integer(0)];
  // Bits 5 (keyCertSign) and 6 (cRLSign); the list is signed by the root alone.
  const usage = isRoot ? der.bitString(Uint8Array.of(0x06), 1) : der.bitString(Uint8Array.of(4), 2);
  const uri = new TextEncoder().encode(`https://kds.invalid/vcek/v1/${product}/crl`);
  const point = der.explicit(0, der.explicit(0, der.implicit(6, uri)));
  return [
    extension(OID.subjectKeyIdentifier, der.octetString(keyId(subjectKey))),
    extension(OID.authorityKeyIdentifier, der.sequence(der.implicit(0, keyId(issuerKey)))),
    extension(OID.basicConstraints, der.sequence(der.TRUE, ...pathLength), true),
    extension(OID.keyUsage, usage, true),
    extension(OID.crlDistributionPoints, der.sequence(der.sequence(point))),
  ];
}

/** The self-signed root (ARK). */
export function makeRoot(product: SnpProduct, root: Authority, nowMs: number): Uint8Array {
  return certificate({
    serial: SERIALS[product].ark,
    issuer: `ARK-${product}`,
    subject: `ARK-${product}`,
    subjectKey: root.publicKey,
    issuerKey: root.privateKey,
    nowMs,
    lifetimeMs: 25 * YEAR_MS,
    extensions: authorityExtensions(product, root.publicKey, root.publicKey, true),
    explicitTrailer: true,
  });
}

/** The signer of chip certificates (ASK). */
export function makeIntermediate(
  product: SnpProduct,
  root: Authority,
  intermediate: Authority,
  nowMs: number,
): Uint8Array {
  return certificate({
    serial: SERIALS[product].ask,
    issuer: `ARK-${product}`,
    subject: `SEV-${product}`,
    subjectKey: intermediate.publicKey,
    issuerKey: root.privateKey,
    nowMs,
    lifetimeMs: 25 * YEAR_MS,
    extensions: authorityExtensions(product, intermediate.publicKey, root.publicKey, false),
    explicitTrailer: true,
  });
}

/** What a chip certificate vouches for. */
export interface ChipCertificateFields {
  readonly product: SnpProduct;
  readonly intermediate: Authority;
  readonly chipKey: KeyObject;
  /** 64 bytes as in reports. */
  readonly chipId: Uint8Array;
  /** The TCB that the key belongs to. */
  readonly tcb: SnpTcb;
  readonly nowMs: number;
}

/** How long a chip certificate is valid. */
export const CHIP_CERTIFICATE_LIFETIME_MS: number = 7 * YEAR_MS;

/** The certificate of one chip at one TCB (VCEK), with every extension that KDS writes. */
export function makeChipCertificate(fields: ChipCertificateFields): Uint8Array {
  const { product } = fields;
  return certificate({
    serial: 0,
    issuer: `SEV-${product}`,
    subject: 'SEV-VCEK',
    subjectKey: fields.chipKey,
    issuerKey: fields.intermediate.privateKey,
    nowMs: fields.nowMs,
    lifetimeMs: CHIP_CERTIFICATE_LIFETIME_MS,
    extensions: chipExtensions(product, fields.chipId, fields.tcb),
    explicitTrailer: false,
  });
}

function chipExtensions(product: SnpProduct, chipId: Uint8Array, tcb: SnpTcb): readonly der.Der[] {
  const amd = (suffix: string, value: Uint8Array): der.Der =>
    extension(`${OID.amd}.${suffix}`, value);
  const turin = product === 'Turin';
  // Through the report's form and back, so that certificate and report cannot disagree on a part.
  const parts = tcbBytes(product, tcb);
  const at = (offset: number): der.Der => der.integer(parts[offset] ?? 0);
  const reserved = der.integer(0);
  const [bl, tee, snp] = turin ? [at(1), at(2), at(3)] : [at(0), at(1), at(6)];
  return [
    amd('1', der.integer(turin ? 1 : 0)),
    amd('2', der.ia5String(PRODUCT_NAMES[product])),
    ...(turin ? [amd('3.9', at(0))] : []),
    amd('3.1', bl),
    amd('3.2', tee),
    amd('3.3', snp),
    ...(turin ? [] : [amd('3.4', reserved)]),
    amd('3.5', reserved),
    amd('3.6', reserved),
    amd('3.7', reserved),
    amd('3.8', at(7)),
    // The raw bytes without an inner DER value, as in every real certificate seen.
    amd('4', turin ? chipId.subarray(0, 8) : chipId),
  ];
}

/** How long a revocation list is current. */
export const CRL_LIFETIME_MS: number = YEAR_MS;

/**
 * The root's revocation list (version 2).
 *
 * @param number serial number of the list
 * @param intermediateRevoked whether it lists the signer of chip certificates; else it is empty
 */
export function makeRevocationList(
  product: SnpProduct,
  root: Authority,
  number: number,
  nowMs: number,
  intermediateRevoked = false,
): Uint8Array {
  const algorithm = pssAlgorithm(true);
  const thisUpdate = nowMs - BACKDATE_MS;
  const tbs = der.sequence(
    der.integer(1),
    algorithm,
    name(`ARK-${product}`),
    der.time(thisUpdate),
    der.time(thisUpdate + CRL_LIFETIME_MS),
    ...(intermediateRevoked
      ? [der.sequence(der.sequence(der.integer(SERIALS[product].ask), der.time(thisUpdate)))]
      : []),
    der.explicit(
      0,
      der.sequence(
        extension(OID.crlNumber, der.integer(number)),
        extension(OID.authorityKeyIdentifier, der.sequence(der.implicit(0, keyId(root.publicKey)))),
      ),
    ),
  );
  return signed(tbs, algorithm, root.privateKey);
}
