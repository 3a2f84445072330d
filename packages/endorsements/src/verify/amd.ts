/**
 * Verifies what AMD's key distribution service gives: chains, endorsement key certificates and
 * revocation lists.
 *
 * The report itself plays no part here. These checks keep wrong objects out of the cache; whether
 * evidence is genuine is decided by `@witan/attestation`, which repeats them and makes more.
 */
import {
  isSignedBy,
  parseCertificate,
  parseCrl,
  readVekExtensions,
  tcbBytes,
  tcbText,
  type Certificate,
  type SnpProduct,
  type SnpSigner,
} from '@witan/attestation';
import { bytesEqual, toHex, type UnixMillis } from '@witan/core';
import type { Content } from '../content.ts';
import type { AmdChainRequest, AmdCrlRequest, AmdVcekRequest } from '../request.ts';
import {
  acceptedRoot,
  demand,
  isIssuedBy,
  readChain,
  reading,
  type Findings,
  type Trust,
} from './trust.ts';

const NO_VERSION = { issuedAt: undefined, tcbEvaluationDataNumber: undefined } as const;
const CA_MODULUS_BITS = 4096;

/** Authorities of a product, verified up to an accepted root. */
export interface AmdAuthorities {
  readonly root: Certificate;
  readonly intermediate: Certificate;
  readonly rootFingerprint: string;
}

/**
 * Verifies ASK or ASVK, and ARK.
 *
 * @throws EndorsementsError ENDORSEMENTS_ANSWER_UNUSABLE or ENDORSEMENTS_UNVERIFIED
 */
export function verifyAmdAuthorities(
  pem: Uint8Array,
  product: SnpProduct,
  signer: SnpSigner,
  trust: Trust,
): AmdAuthorities {
  const { root, rootFingerprint } = verifyAmdRoot(pem, product, trust);
  const name = signer === 'VCEK' ? `SEV-${product}` : `SEV-VLEK-${product}`;
  const intermediate = readChain('chain', pem).find(({ subject }) => subject.commonName === name);
  demand(intermediate !== undefined, 'intermediate name', name);
  const { crypto } = trust;
  const good =
    intermediate !== undefined &&
    isIssuedBy(intermediate, root, crypto) &&
    intermediate.basicConstraints?.ca === true &&
    isAuthorityKey(intermediate);
  demand(good, 'intermediate');
  return { root, intermediate: intermediate ?? root, rootFingerprint };
}

/** The chain of `/vcek/v1/{product}/cert_chain` or `/vlek/…`. */
export function verifyAmdChain(
  request: AmdChainRequest,
  { body }: Content,
  trust: Trust,
): Findings {
  const { root, intermediate, rootFingerprint } = verifyAmdAuthorities(
    body,
    request.product,
    request.signer,
    trust,
  );
  return {
    parts: { kind: 'chain', intermediate: intermediate.der, root: root.der },
    ...common([root, intermediate]),
    version: NO_VERSION,
    rootFingerprint,
  };
}

/** A VCEK: it must be of the very chip and TCB that were asked for. */
export function verifyAmdVcek(
  request: AmdVcekRequest,
  { body, issuerChain }: Content,
  trust: Trust,
): Findings {
  const { product, chipId, tcb } = request;
  const vcek = reading('VCEK', () => parseCertificate(body));
  const authorities = verifyAmdAuthorities(issuerChain, product, 'VCEK', trust);
  const { root, intermediate, rootFingerprint } = authorities;
  demand(isIssuedBy(vcek, intermediate, trust.crypto), 'VCEK signature');
  const { publicKey, subject } = vcek;
  demand(publicKey.kind === 'ec' && publicKey.curve === 'p384', 'VCEK key');
  demand(subject.commonName === 'SEV-VCEK', 'VCEK name', subject.commonName);
  const extensions = reading('VCEK extensions', () => readVekExtensions(vcek));
  const found = toHex(extensions.hardwareId ?? new Uint8Array());
  demand(found === chipId, 'chip id', found);
  const same =
    bytesEqual(tcbBytes(product, extensions.tcb), tcbBytes(product, tcb)) &&
    (extensions.tcb.fmc !== undefined) === (product === 'Turin');
  demand(same, 'TCB', tcbText(extensions.tcb));
  return {
    parts: { kind: 'certificate' },
    ...common([vcek, intermediate, root]),
    version: NO_VERSION,
    rootFingerprint,
  };
}

/** A revocation list, signed by the ARK itself. */
export function verifyAmdCrl(
  { product }: AmdCrlRequest,
  { body, issuerChain }: Content,
  trust: Trust,
): Findings {
  const crl = reading('revocation list', () => parseCrl(body));
  const { root, rootFingerprint } = verifyAmdRoot(issuerChain, product, trust);
  demand(bytesEqual(crl.issuer.der, root.subject.der), 'revocation list issuer');
  demand(isSignedBy(crl, root, trust.crypto), 'revocation list signature');
  return {
    parts: { kind: 'crl' },
    notBefore: crl.thisUpdate,
    notAfter: crl.nextUpdate,
    version: { issuedAt: crl.thisUpdate, tcbEvaluationDataNumber: undefined },
    rootFingerprint,
  };
}

function verifyAmdRoot(
  pem: Uint8Array,
  product: SnpProduct,
  { crypto, snp }: Trust,
): Pick<AmdAuthorities, 'root' | 'rootFingerprint'> {
  const accepts = (fingerprint: string): boolean =>
    snp.production.some((pin) => pin.product === product && pin.sha256 === fingerprint) ||
    snp.development.includes(fingerprint);
  const found = acceptedRoot(readChain('chain', pem), accepts, crypto);
  const name = found.root.subject.commonName;
  demand(name === `ARK-${product}` && isAuthorityKey(found.root), 'root name', name);
  return found;
}

function isAuthorityKey({ publicKey }: Certificate): boolean {
  return publicKey.kind === 'rsa' && publicKey.modulusBits === CA_MODULUS_BITS;
}

/** The time in which all of them are valid. */
function common(certificates: readonly Certificate[]): Pick<Findings, 'notBefore' | 'notAfter'> {
  return {
    notBefore: Math.max(...certificates.map(({ notBefore }) => notBefore)) as UnixMillis,
    notAfter: Math.min(...certificates.map(({ notAfter }) => notAfter)) as UnixMillis,
  };
}
