/**
 * Verifies what Intel's provisioning certification service gives: TCB info, identity of the quoting
 * enclave, and revocation lists. As with AMD, these checks keep wrong objects out of the cache and
 * decide nothing about evidence.
 */
import {
  isSignedBy,
  parseCrl,
  parseQeIdentity,
  parseTcbInfo,
  type Certificate,
} from '@witan/attestation';
import { bytesEqual, fromHex, type UnixMillis } from '@witan/core';
import type { Content } from '../content.ts';
import { EndorsementsError } from '../errors.ts';
import { jsonMembers } from '../json-member.ts';
import type { IntelPckCrlRequest, IntelTcbInfoRequest } from '../request.ts';
import {
  acceptedRoot,
  demand,
  isIssuedBy,
  readChain,
  reading,
  type Findings,
  type Trust,
} from './trust.ts';

const ROOT_NAME = 'Intel SGX Root CA';
const TCB_SIGNER_NAME = 'Intel SGX TCB Signing';
/** Names of the authorities for PCK certificates. */
export const PCK_AUTHORITY_NAMES = {
  platform: 'Intel SGX PCK Platform CA',
  processor: 'Intel SGX PCK Processor CA',
} as const;

/** A JSON string with r and s in hex. */
const SIGNATURE_TEXT = /^"[0-9a-fA-F]{128}"$/;

/** A chain with its accepted root. */
export interface IntelChain {
  readonly chain: readonly Certificate[];
  readonly root: Certificate;
  readonly rootFingerprint: string;
}

/** The inner document of an answer and its signature, cut out byte for byte. */
export interface SignedDocument {
  readonly document: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Reads a chain and finds its root among the accepted ones.
 *
 * @throws EndorsementsError ENDORSEMENTS_ANSWER_UNUSABLE or ENDORSEMENTS_UNVERIFIED
 */
export function readIntelChain(pem: Uint8Array, { crypto, tdx }: Trust): IntelChain {
  const chain = readChain('issuer chain', pem);
  const accepts = (fingerprint: string): boolean =>
    tdx.production.includes(fingerprint) || tdx.development.includes(fingerprint);
  const found = acceptedRoot(chain, accepts, crypto);
  const name = found.root.subject.commonName;
  demand(name === ROOT_NAME && isP256(found.root), 'root name', name);
  return { chain, ...found };
}

/**
 * Takes an answer such as `{"tcbInfo":{…},"signature":"…"}` apart.
 *
 * @throws EndorsementsError ENDORSEMENTS_ANSWER_UNUSABLE
 */
export function readSignedDocument(
  body: Uint8Array,
  name: 'tcbInfo' | 'enclaveIdentity',
): SignedDocument {
  const members = jsonMembers(body);
  const document = members.get(name);
  const signature = new TextDecoder('latin1').decode(members.get('signature') ?? new Uint8Array());
  if (document === undefined || !SIGNATURE_TEXT.test(signature)) {
    throw new EndorsementsError('ENDORSEMENTS_ANSWER_UNUSABLE', {
      fields: { expected: `${name} with a signature of 64 bytes` },
    });
  }
  return { document, signature: fromHex(signature.slice(1, -1)) };
}

/** Puts an answer together again; the inverse of `readSignedDocument` for Intel's own answers. */
export function joinSignedDocument(
  { document, signature }: SignedDocument,
  name: 'tcbInfo' | 'enclaveIdentity',
): Uint8Array {
  const head = `{"${name}":`;
  const tail = `,"signature":"${Buffer.from(signature).toString('hex')}"}`;
  return new Uint8Array(Buffer.concat([Buffer.from(head), document, Buffer.from(tail)]));
}

/** TCB info of TDX, for the FMSPC that was asked for. */
export function verifyIntelTcbInfo(
  { fmspc }: IntelTcbInfoRequest,
  { body, issuerChain }: Content,
  trust: Trust,
): Findings {
  const signed = readSignedDocument(body, 'tcbInfo');
  const signer = verifySigner(issuerChain, signed, trust);
  const tcbInfo = reading('TCB info', () => parseTcbInfo(signed.document));
  demand(tcbInfo.fmspc === fmspc, 'FMSPC', tcbInfo.fmspc);
  return documentFindings(signed, tcbInfo, signer);
}

/** Identity of the quoting enclave for trust domains. */
export function verifyIntelQeIdentity({ body, issuerChain }: Content, trust: Trust): Findings {
  const signed = readSignedDocument(body, 'enclaveIdentity');
  const signer = verifySigner(issuerChain, signed, trust);
  const identity = reading('QE identity', () => parseQeIdentity(signed.document));
  return documentFindings(signed, identity, signer);
}

/** Revocation list of the Platform or the Processor CA. */
export function verifyIntelPckCrl(
  { authority: kind }: IntelPckCrlRequest,
  { body, issuerChain }: Content,
  trust: Trust,
): Findings {
  const { chain, root, rootFingerprint } = readIntelChain(issuerChain, trust);
  const name = PCK_AUTHORITY_NAMES[kind];
  const authority = chain.find(({ subject }) => subject.commonName === name);
  const good = authority !== undefined && isIssuedBy(authority, root, trust.crypto);
  demand(good && isP256(authority), 'issuer', name);
  return crlFindings(body, authority ?? root, rootFingerprint, trust);
}

/** Revocation list of the root. */
export function verifyIntelRootCrl({ body, issuerChain }: Content, trust: Trust): Findings {
  const { root, rootFingerprint } = readIntelChain(issuerChain, trust);
  return crlFindings(body, root, rootFingerprint, trust);
}

interface Signer {
  readonly certificate: Certificate;
  readonly rootFingerprint: string;
}

function verifySigner(
  issuerChain: Uint8Array,
  { document, signature }: SignedDocument,
  trust: Trust,
): Signer {
  const { chain, root, rootFingerprint } = readIntelChain(issuerChain, trust);
  const certificate = chain.find(({ subject }) => subject.commonName === TCB_SIGNER_NAME);
  const good = certificate !== undefined && isIssuedBy(certificate, root, trust.crypto);
  demand(good && isP256(certificate), 'signer', TCB_SIGNER_NAME);
  const publicKey = (certificate ?? root).spki;
  const check = { algorithm: 'ecdsa-p256-sha256', publicKey, data: document, signature } as const;
  demand(trust.crypto.verify(check), 'document signature');
  return { certificate: certificate ?? root, rootFingerprint };
}

interface Dated {
  readonly issueDate: UnixMillis;
  readonly nextUpdate: UnixMillis;
  readonly tcbEvaluationDataNumber: number;
}

/** A document is of use as long as both it and the certificate of its signer are valid. */
function documentFindings(
  { document, signature }: SignedDocument,
  { issueDate, nextUpdate, tcbEvaluationDataNumber }: Dated,
  { certificate, rootFingerprint }: Signer,
): Findings {
  return {
    parts: { kind: 'document', document, signature },
    notBefore: Math.max(issueDate, certificate.notBefore) as UnixMillis,
    notAfter: Math.min(nextUpdate, certificate.notAfter) as UnixMillis,
    version: { issuedAt: issueDate, tcbEvaluationDataNumber },
    rootFingerprint,
  };
}

function crlFindings(
  body: Uint8Array,
  issuer: Certificate,
  rootFingerprint: string,
  { crypto }: Trust,
): Findings {
  const crl = reading('revocation list', () => parseCrl(body));
  demand(bytesEqual(crl.issuer.der, issuer.subject.der), 'revocation list issuer');
  demand(isSignedBy(crl, issuer, crypto), 'revocation list signature');
  return {
    parts: { kind: 'crl' },
    notBefore: crl.thisUpdate,
    notAfter: crl.nextUpdate,
    version: { issuedAt: crl.thisUpdate, tcbEvaluationDataNumber: undefined },
    rootFingerprint,
  };
}

function isP256({ publicKey }: Certificate): boolean {
  return publicKey.kind === 'ec' && publicKey.curve === 'p256';
}
