/**
 * The cluster's certificates (RFC 5280): root CA, one mesh CA per manifest generation, and leaves
 * for workloads. All keys are P-256; all signatures ECDSA with SHA-256.
 *
 * ECDSA signatures made here are randomised, so making a CA certificate twice gives two different
 * certificates of one key: whoever makes one keeps it (I8). Nothing here looks at a clock.
 */
import { X509Certificate, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import {
  bytesEqual,
  toHex,
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
  wholeSeconds,
  type Validity,
} from './certificate-fields.ts';
import { KeysError } from './errors.ts';
import { assertP256, spkiOf } from './p256.ts';
import {
  caExtensions,
  keyIdOf,
  keyIdentifiers,
  parseCertificate,
  simulatedExtension,
  subjectName,
  tlsExtensions,
} from './certificate-parts.ts';
import { isSimulatedCertificate } from './simulated-marker.ts';
import { ECDSA_SHA256, signingKeyOf, x509 } from './x509.ts';

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
  readonly key: webcrypto.CryptoKey;
  /** DER of the issuer's name. */
  readonly name: ArrayBuffer;
  /** Hex of the subject key identifier. */
  readonly keyId: string;
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
  const parsed = parseCertificate(certificateDer);
  const certificate = new X509Certificate(certificateDer);
  if (!certificate.ca || !certificate.checkPrivateKey(privateKey)) {
    const fields = { ca: certificate.ca, subject: certificate.subject };
    const message = 'certificate is not a CA certificate of this key';
    throw new KeysError('KEYS_CERTIFICATE_ISSUER_MISMATCH', message, { fields });
  }
  return {
    certificateDer: Uint8Array.from(certificateDer),
    validity: {
      notBefore: unixMillis(parsed.notBefore.getTime()),
      notAfter: unixMillis(parsed.notAfter.getTime()),
    },
    simulated: isSimulatedCertificate(certificateDer),
    signer: {
      key: signingKeyOf(privateKey),
      name: parsed.subjectName.toArrayBuffer(),
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
export async function createRootCertificate(
  request: RootCertificateRequest,
): Promise<Uint8Array<ArrayBuffer>> {
  assertP256(request.rootKey);
  const spki = spkiOf(request.rootKey);
  const keyId = keyIdOf(spki);
  const commonName = `Witan root ${request.clusterId.slice(0, 16)}${suffixOf(request.rotation)}`;
  const subject = subjectName(commonName, request.simulated);
  const signer = { key: signingKeyOf(request.rootKey), name: subject.toArrayBuffer(), keyId };
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
export async function createCrossCertificate(
  earlier: CertificateAuthority,
  later: Uint8Array,
  request: CommonRequest,
): Promise<Uint8Array<ArrayBuffer>> {
  const subject = new x509.Name(parseCertificate(later).subjectName.toArrayBuffer());
  const spki = new Uint8Array(
    new X509Certificate(later).publicKey.export({ type: 'spki', format: 'der' }),
  );
  return sign(earlier.signer, earlier.validity, {
    ...request,
    simulated: request.simulated || earlier.simulated,
    subject,
    spki,
    extensions: [...caExtensions(1), ...keyIdentifiers(keyIdOf(spki), earlier.signer.keyId)],
  });
}

type MeshCaPlace = Pick<
  MeshCaCertificateRequest,
  'generation' | 'transition' | 'rotation' | 'simulated'
>;

/** The transition tells apart two clusters' or two histories' CAs of the same generation. */
function meshCaName({ generation, transition, rotation, simulated }: MeshCaPlace): x509.Name {
  const name = `Witan mesh CA ${generation} ${transition.slice(0, 16)}`;
  return subjectName(`${name}${suffixOf(rotation)}`, simulated);
}

/** The signing side of a mesh CA whose certificate is not at hand, for its revocation list. */
export function meshCaSigner(meshCaKey: KeyObject, place: MeshCaPlace): CertificateSigner {
  assertP256(meshCaKey);
  return {
    key: signingKeyOf(meshCaKey),
    name: meshCaName(place).toArrayBuffer(),
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
export async function createMeshCaCertificate(
  request: MeshCaCertificateRequest,
): Promise<Uint8Array<ArrayBuffer>> {
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
export async function issueLeafCertificate(
  meshCa: CertificateAuthority,
  request: LeafCertificateRequest,
): Promise<Uint8Array<ArrayBuffer>> {
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
      ...tlsExtensions(),
      ...keyIdentifiers(keyIdOf(request.subjectSpki), meshCa.signer.keyId),
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: request.uri },
        ...request.dnsNames.map((value) => ({ type: 'dns', value }) as const),
        ...request.ipAddresses.map((value) => ({ type: 'ip', value }) as const),
      ]),
    ],
  });
}

function checkSubjectKey(spki: Uint8Array): void {
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
  readonly subject: x509.Name;
  readonly spki: Uint8Array;
  readonly extensions: readonly x509.Extension[];
}

async function sign(
  signer: CertificateSigner,
  issuerValidity: Validity | undefined,
  contents: Signable,
): Promise<Uint8Array<ArrayBuffer>> {
  checkSerial(contents.serial);
  checkValidity(contents, issuerValidity);
  const marks = contents.simulated ? [simulatedExtension()] : [];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: toHex(contents.serial),
    issuer: new x509.Name(signer.name),
    subject: contents.subject,
    notBefore: new Date(wholeSeconds(contents.notBefore) * 1000),
    notAfter: new Date(wholeSeconds(contents.notAfter) * 1000),
    publicKey: Uint8Array.from(contents.spki),
    signingKey: signer.key,
    signingAlgorithm: ECDSA_SHA256,
    extensions: [...contents.extensions, ...marks],
  });
  return new Uint8Array(certificate.rawData);
}
