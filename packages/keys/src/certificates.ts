/**
 * The cluster's certificates (RFC 5280): root CA, one mesh CA per manifest generation, and leaves
 * for workloads. All keys are P-256; all signatures ECDSA with SHA-256.
 *
 * ECDSA signatures made here are randomised, so making a CA certificate twice gives two different
 * certificates of one key: whoever makes one keeps it (I8). Nothing here looks at a clock.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { Validity as CertificateValidity } from '@peculiar/asn1-x509';
import {
  assert,
  bytesEqual,
  unixMillis,
  type ClusterId,
  type Generation,
  type Sha256Hex,
} from '@witan/core';
import {
  checkCommonName,
  checkDnsNames,
  checkIpAddresses,
  checkSerial,
  checkUri,
  checkValidity,
  dateOf,
  type Validity,
} from './certificate-fields.ts';
import { KeysError } from './errors.ts';
import { isP256Key } from './node-crypto.ts';
import { assertP256, isP256Spki, spkiOf } from './p256.ts';
import {
  alternativeNames,
  caExtensions,
  ECDSA_WITH_SHA256,
  keyIdOf,
  keyIdentifiers,
  signedObject,
  SIMULATED_EXTENSION,
  subjectName,
  encode,
  integer,
  sequence,
  tagged,
  TLS_EXTENSIONS,
  type Der,
} from './certificate-parts.ts';
import { readCertificate } from './read-certificate.ts';
import { marks } from './simulated-marker.ts';

interface CommonRequest extends Validity {
  /** 8 to 20 bytes, positive; see `randomSerial`. */
  readonly serial: Uint8Array;
  /** Whether the cluster accepts the simulated TEE: marks the certificate (I11). */
  readonly simulated: boolean;
}

/** What a root CA certificate says. */
export interface RootCertificateRequest extends CommonRequest {
  readonly rootKey: KeyObject;
  readonly clusterId: ClusterId;
  /** How often the root was rotated; 0 where absent. */
  readonly rotation?: number;
}

/** What a mesh CA certificate says. */
export interface MeshCaCertificateRequest extends CommonRequest {
  readonly root: CertificateAuthority;
  readonly meshCaKey: KeyObject;
  readonly generation: Generation;
  /** Hash of the transition that set the generation. */
  readonly transition: Sha256Hex;
  /** Number of the rotation that made it; 0, where absent, for none. */
  readonly rotation?: number;
}

/** What a workload's certificate says. */
export interface LeafCertificateRequest extends CommonRequest {
  /** DER SubjectPublicKeyInfo of a P-256 key. */
  readonly subjectSpki: Uint8Array;
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** spiffe://<trust domain>/workload/<name>; see `workloadSpiffeId`. */
  readonly uri: string;
}

/** A CA's certificate with its key, ready to sign. Load it once, not for every certificate. */
export interface CertificateAuthority {
  readonly certificateDer: Uint8Array;
  readonly validity: Validity;
  /** A marked CA marks everything that it signs. */
  readonly simulated: boolean;
  readonly signer: CertificateSigner;
}

/** The private side of an authority; of no use to other packages. */
export interface CertificateSigner {
  readonly key: KeyObject;
  /** The issuer's name in DER. */
  readonly name: Uint8Array;
  /** Subject key identifier. */
  readonly keyId: Uint8Array;
}

/**
 * Pairs a CA certificate with its private key.
 *
 * @throws KeysError KEYS_CERTIFICATE_UNREADABLE, KEYS_CERTIFICATE_ISSUER_MISMATCH when the
 *   certificate is not of a CA or not of this key, KEYS_KEY_NOT_P256
 */
export function loadCertificateAuthority(
  privateKey: KeyObject,
  certificateDer: Uint8Array,
): CertificateAuthority {
  assertP256(privateKey);
  const read = readCertificate(certificateDer);
  const { certificate } = read;
  if (!certificate.ca || !certificate.checkPrivateKey(privateKey)) {
    const fields = { ca: certificate.ca, subject: certificate.subject };
    const message = 'certificate is not a CA certificate of this key';
    throw new KeysError('KEYS_CERTIFICATE_ISSUER_MISMATCH', message, { fields });
  }
  return {
    certificateDer: Uint8Array.from(certificateDer),
    validity: {
      notBefore: unixMillis(certificate.validFromDate.getTime()),
      notAfter: unixMillis(certificate.validToDate.getTime()),
    },
    simulated: marks(read),
    signer: {
      key: privateKey,
      name: encode(read.parts.subject),
      keyId: keyIdOf(spkiOf(privateKey)),
    },
  };
}

/**
 * Makes the root CA certificate, self-signed.
 *
 * @returns DER
 * @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID, KEYS_CERTIFICATE_VALIDITY, KEYS_KEY_NOT_P256
 */
export function createRootCertificate(request: RootCertificateRequest): Der {
  assertP256(request.rootKey);
  const spki = spkiOf(request.rootKey);
  const keyId = keyIdOf(spki);
  const commonName = `Witan root ${request.clusterId.slice(0, 16)}${suffixOf(request.rotation)}`;
  const subject = subjectName(commonName, request.simulated);
  const signer = { key: request.rootKey, name: subject, keyId };
  return sign(signer, undefined, {
    ...request,
    subject,
    spki,
    extensions: [...caExtensions(undefined), ...keyIdentifiers(keyId, keyId)],
  });
}

/**
 * Makes the link from a root to the one that follows it: the later root's name and key, signed by
 * the earlier. Who trusts the earlier alone accepts what the later one signs (RFC 4210 section
 * 4.4, "new with old").
 *
 * @param earlier the root that is left
 * @param later certificate of the root that follows, DER
 * @param request serial, and a validity inside that of the earlier
 * @returns DER
 * @throws KeysError KEYS_CERTIFICATE_UNREADABLE, KEYS_CERTIFICATE_FIELD_INVALID,
 *   KEYS_CERTIFICATE_VALIDITY
 */
export function createCrossCertificate(
  earlier: CertificateAuthority,
  later: Uint8Array,
  request: CommonRequest,
): Der {
  const { certificate, parts } = readCertificate(later);
  const spki = spkiOf(certificate.publicKey);
  return sign(earlier.signer, earlier.validity, {
    ...request,
    simulated: request.simulated || earlier.simulated,
    subject: encode(parts.subject),
    spki,
    extensions: [...caExtensions(1), ...keyIdentifiers(keyIdOf(spki), earlier.signer.keyId)],
  });
}

type MeshCaPlace = Pick<
  MeshCaCertificateRequest,
  'generation' | 'transition' | 'rotation' | 'simulated'
>;

/** The transition tells apart two clusters' or two histories' CAs of the same generation. */
function meshCaName({ generation, transition, rotation, simulated }: MeshCaPlace): Der {
  const name = `Witan mesh CA ${generation} ${transition.slice(0, 16)}`;
  return subjectName(`${name}${suffixOf(rotation)}`, simulated);
}

/** The signing side of a mesh CA whose certificate is not at hand, for its revocation list. */
export function meshCaSigner(meshCaKey: KeyObject, place: MeshCaPlace): CertificateSigner {
  assertP256(meshCaKey);
  return {
    key: meshCaKey,
    name: meshCaName(place),
    keyId: keyIdOf(spkiOf(meshCaKey)),
  };
}

/** Tells apart the names of what rotations made; what comes without one keeps its name. */
function suffixOf(rotation = 0): string {
  return rotation === 0 ? '' : ` r${rotation}`;
}

/**
 * Makes the certificate of a generation's mesh CA, signed by the root. It may sign leaves only.
 *
 * @returns DER
 * @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID, KEYS_CERTIFICATE_VALIDITY, KEYS_KEY_NOT_P256
 */
export function createMeshCaCertificate(request: MeshCaCertificateRequest): Der {
  assertP256(request.meshCaKey);
  const { root } = request;
  const simulated = request.simulated || root.simulated;
  const spki = spkiOf(request.meshCaKey);
  return sign(root.signer, root.validity, {
    ...request,
    simulated,
    subject: meshCaName({ ...request, simulated }),
    spki,
    extensions: [...caExtensions(0), ...keyIdentifiers(keyIdOf(spki), root.signer.keyId)],
  });
}

/**
 * Issues a workload's certificate for TLS in both directions.
 *
 * @returns DER
 * @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID, KEYS_CERTIFICATE_VALIDITY when it would outlast
 *   the CA, KEYS_KEY_NOT_P256
 */
export function issueLeafCertificate(
  meshCa: CertificateAuthority,
  request: LeafCertificateRequest,
): Der {
  checkCommonName(request.commonName);
  checkDnsNames(request.dnsNames);
  checkIpAddresses(request.ipAddresses);
  checkUri(request.uri);
  checkSubjectKey(request.subjectSpki);
  const simulated = request.simulated || meshCa.simulated;
  return sign(meshCa.signer, meshCa.validity, {
    ...request,
    simulated,
    subject: subjectName(request.commonName, simulated),
    spki: request.subjectSpki,
    extensions: [
      ...TLS_EXTENSIONS,
      ...keyIdentifiers(keyIdOf(request.subjectSpki), meshCa.signer.keyId),
      alternativeNames(request.uri, request.dnsNames, request.ipAddresses),
    ],
  });
}

function checkSubjectKey(spki: Uint8Array): void {
  // As a rule it has just proved its possession.
  if (isP256Key(spki)) return;
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    const fields = { field: 'subjectSpki', byteLength: spki.byteLength };
    const message = 'certificate field is not acceptable';
    throw new KeysError('KEYS_CERTIFICATE_FIELD_INVALID', message, { fields, cause });
  }
  assertP256(key);
  if (!bytesEqual(spkiOf(key), spki)) {
    const fields = { field: 'subjectSpki', expected: 'canonical DER, uncompressed point' };
    const message = 'certificate field is not acceptable';
    throw new KeysError('KEYS_CERTIFICATE_FIELD_INVALID', message, { fields });
  }
}

interface Signable extends CommonRequest {
  /** DER. */
  readonly subject: Uint8Array;
  /** In the one form of `isP256Spki`. */
  readonly spki: Uint8Array;
  /** Each in DER. */
  readonly extensions: readonly Uint8Array[];
}

/** The number of version 3 (RFC 5280 section 4.1.2.1). */
const VERSION: Der = tagged(0, integer(2));

/** TBSCertificate of RFC 5280 section 4.1, signed. */
function sign(
  signer: CertificateSigner,
  issuerValidity: Validity | undefined,
  contents: Signable,
): Der {
  checkSerial(contents.serial);
  checkValidity(contents, issuerValidity);
  assert(isP256Spki(contents.spki), 'certificates are of P-256 keys in one form');
  const { notBefore, notAfter, simulated } = contents;
  const extensions = simulated
    ? [...contents.extensions, SIMULATED_EXTENSION]
    : contents.extensions;
  const validity = { notBefore: dateOf(notBefore), notAfter: dateOf(notAfter) };
  const certificate = sequence(
    VERSION,
    integer(contents.serial),
    ECDSA_WITH_SHA256,
    signer.name,
    encode(new CertificateValidity(validity)),
    contents.subject,
    contents.spki,
    tagged(3, sequence(...extensions)),
  );
  return signedObject(certificate, signer.key);
}

/** A self-signed certificate for TLS alone, whose names and dates carry no trust. */
export function selfSignedTls(
  name: Der,
  privateKey: KeyObject,
  request: Omit<CommonRequest, 'simulated'>,
): Der {
  const signer = { key: privateKey, name, keyId: new Uint8Array(0) };
  const spki = spkiOf(privateKey);
  const contents = { ...request, simulated: false, subject: name, spki };
  return sign(signer, undefined, { ...contents, extensions: TLS_EXTENSIONS });
}
