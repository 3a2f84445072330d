/**
 * Signatures of owners as JWS (RFC 7515) in compact form with detached content (appendix F):
 * `HEADER..SIGNATURE`. The content is known to both sides, so it does not travel: it is the
 * canonical bytes of what the owner consents to.
 *
 * The protected header has one spelling, so nothing in it can be read in two ways, and nothing in
 * it chooses: the algorithm must be the one that the owner's key in the manifest has, `kid` the
 * owner who is named beside the signature, and `typ` the use. `none`, `crit`, `jwk` and the like do
 * not parse at all.
 */
import {
  BytesError,
  fromBase64Url,
  fromUtf8,
  sha256Hex,
  toBase64Url,
  unixMillis,
  utf8,
  type Crypto,
  type Sha256Hex,
  type SignatureAlgorithm,
  type UnixMillis,
} from '@witan/core';
import { APPROVAL_BYTES_MAX } from './limits.ts';
import type { Owner, OwnerKeyKind } from './types.ts';

/** What a signature is for. */
export type ApprovalUse = 'witan-approval+jws' | 'witan-revocation+jws';

/** Names of algorithms (RFC 7518 section 3.1, RFC 9864 section 2.2). */
export type JwsAlgorithm = 'ES256' | 'ES384' | 'PS256' | 'Ed25519';

const ALGORITHMS: Readonly<Record<OwnerKeyKind, readonly [JwsAlgorithm, SignatureAlgorithm]>> = {
  p256: ['ES256', 'ecdsa-p256-sha256'],
  p384: ['ES384', 'ecdsa-p384-sha384'],
  rsa: ['PS256', 'rsa-pss-sha256'],
  ed25519: ['Ed25519', 'ed25519'],
};

/** The one algorithm that a kind of key signs with. */
export function jwsAlgorithmOf(kind: OwnerKeyKind): JwsAlgorithm {
  return ALGORITHMS[kind][0];
}

/** What the protected header says. */
export interface ApprovalHeader {
  readonly algorithm: JwsAlgorithm;
  /** Last second in which the signature counts, since 1970. */
  readonly expiresSeconds: number;
  /** The owner's fingerprint. */
  readonly owner: Sha256Hex;
  readonly use: ApprovalUse;
}

const HEADER = new RegExp(
  '^\\{"alg":"(ES256|ES384|PS256|Ed25519)","exp":([1-9][0-9]{0,10}),"kid":"([0-9a-f]{64})",' +
    '"typ":"(witan-(?:approval|revocation)\\+jws)"\\}$',
);

/** The header's one spelling. */
export function approvalHeaderText(header: ApprovalHeader): string {
  const { algorithm, expiresSeconds, owner, use } = header;
  return `{"alg":"${algorithm}","exp":${expiresSeconds},"kid":"${owner}","typ":"${use}"}`;
}

/** The exact bytes that are signed (RFC 7515 section 5.1): ASCII, `HEADER.CONTENT`. */
export function signingInput(header: ApprovalHeader, content: Uint8Array): Uint8Array {
  return utf8(`${toBase64Url(utf8(approvalHeaderText(header)))}.${toBase64Url(content)}`);
}

/** Takes `signingInput` apart; undefined for anything that it never makes. */
export function parseSigningInput(
  bytes: Uint8Array,
): { readonly header: ApprovalHeader; readonly content: Uint8Array } | undefined {
  const [head = '', body, ...more] = asciiOf(bytes).split('.');
  const header = headerOf(head);
  const content = body === undefined ? undefined : bytesOf(body);
  if (header === undefined || content === undefined || more.length > 0) return undefined;
  return { header, content };
}

/** `HEADER..SIGNATURE` in ASCII. */
export function detachedJws(header: ApprovalHeader, signature: Uint8Array): Uint8Array {
  const head = toBase64Url(utf8(approvalHeaderText(header)));
  return utf8(`${head}..${toBase64Url(signature)}`);
}

/** A JWS taken apart, not verified. */
export interface ParsedJws {
  readonly header: ApprovalHeader;
  readonly signature: Uint8Array;
}

/** Undefined for anything but the one spelling of a detached JWS of this package. */
export function parseDetachedJws(jws: Uint8Array): ParsedJws | undefined {
  const [head = '', between, tail = '', ...more] = asciiOf(jws).split('.');
  const header = headerOf(head);
  const signature = bytesOf(tail);
  if (between !== '' || more.length > 0 || header === undefined) return undefined;
  return signature === undefined || tail === '' ? undefined : { header, signature };
}

/** Until when a signature counts; undefined for one that is no JWS. */
export function expiryOf(jws: Uint8Array): UnixMillis | undefined {
  const header = parseDetachedJws(jws)?.header;
  return header === undefined ? undefined : unixMillis(header.expiresSeconds * 1000);
}

/** Whether the owner's key made the signature over header and content, with its own algorithm. */
export function isJwsValid(
  { header, signature }: ParsedJws,
  owner: Pick<Owner, 'keyKind' | 'publicKey'>,
  content: Uint8Array,
  crypto: Crypto,
): boolean {
  const [name, algorithm] = ALGORITHMS[owner.keyKind];
  if (header.algorithm !== name) return false;
  const data = signingInput(header, content);
  return crypto.verify({ algorithm, publicKey: owner.publicKey, data, signature });
}

function headerOf(text: string): ApprovalHeader | undefined {
  const bytes = bytesOf(text);
  const match = bytes === undefined ? undefined : HEADER.exec(asciiOf(bytes));
  const [, algorithm, expires, owner, use] = match ?? [];
  if (owner === undefined) return undefined;
  return {
    algorithm: algorithm as JwsAlgorithm,
    expiresSeconds: Number(expires),
    owner: sha256Hex(owner),
    use: use as ApprovalUse,
  };
}

function bytesOf(text: string): Uint8Array | undefined {
  try {
    return fromBase64Url(text);
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    return undefined;
  }
}

/** Empty for what is too long or not text. */
function asciiOf(bytes: Uint8Array): string {
  if (bytes.byteLength > 4 * APPROVAL_BYTES_MAX) return '';
  try {
    return fromUtf8(bytes);
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    return '';
  }
}
