/**
 * A signed token of an accepted verdict: EAR claims in a JWT (RFC 7519), for those who trust the
 * key that signs it instead of judging the evidence again. A refused verdict gives none.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { fromUtf8, toHex, type Clock } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import { CliError } from '../errors.ts';
import { refuseExisting, writeOutput } from '../files.ts';
import { earClaims } from './ear.ts';
import { readBounded } from './input.ts';
import type { Verification } from './verify.ts';

/** A token that can be written once there is a verdict. */
export interface TokenTarget {
  readonly path: string;
  readonly key: KeyObject;
  readonly algorithm: TokenAlgorithm;
  /** Where the public key goes as a JWKS (RFC 7517). */
  readonly jwks: string | undefined;
  /** The reference values by their digest, which names the appraisal policy. */
  readonly policy: string | undefined;
}

/** Signature algorithms of RFC 7518 and RFC 8037 that a token may have. */
export type TokenAlgorithm = 'ES256' | 'ES384' | 'EdDSA';

const KEY_BYTES_MAX = 16 * 1024;
const REFERENCE_VALUES_BYTES_MAX: number = 16 * 1024 * 1024;
const ISSUER = 'witan evidence verify';
const KEY_FORMS = 'a private key on P-256, P-384 or Ed25519, as PEM or JWK';

/** What the user chose about the token. */
export interface TokenOptions {
  readonly token?: string;
  readonly signingKey?: string;
  readonly jwks?: string;
  readonly referenceValues?: string;
}

/**
 * Checks files and key before anything is judged.
 *
 * @returns undefined when no token is wanted
 * @throws CliError CLI_USAGE, CLI_FILE_UNREADABLE, CLI_FILE_EXISTS
 */
export async function prepareToken(options: TokenOptions): Promise<TokenTarget | undefined> {
  const { token: path, signingKey, jwks, referenceValues } = options;
  if (path === undefined && signingKey === undefined && jwks === undefined) return undefined;
  if (path === undefined || signingKey === undefined) {
    const found = path === undefined ? 'no --token' : 'no --signing-key';
    const fields = { expected: '--token and --signing-key', found };
    throw new CliError('CLI_USAGE', 'an option is missing; see --help', { fields });
  }
  const key = await readSigningKey(signingKey);
  await refuseExisting(jwks === undefined ? [path] : [path, jwks]);
  const policy = referenceValues === undefined ? undefined : await policyIdOf(referenceValues);
  return { path, ...key, jwks, policy };
}

/** Signs and writes. @throws CliError CLI_FILE_NOT_WRITTEN */
export async function writeToken(
  { path, key, algorithm, jwks, policy }: TokenTarget,
  verification: Verification,
  clock: Clock,
): Promise<void> {
  // Loaded when it is needed: the other commands start without it.
  const { calculateJwkThumbprint, exportJWK, SignJWT } = await import('jose');
  const jwk = await exportJWK(createPublicKey(key));
  const kid = await calculateJwkThumbprint(jwk);
  const { validUntil } = verification.judgement;
  const jwt = new SignJWT({ ...earClaims(verification, policy) })
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid })
    .setIssuer(ISSUER)
    .setIssuedAt(Math.floor(clock.now() / 1000));
  // Nothing that the verdict rests on may have ended before the token does.
  if (validUntil !== undefined) jwt.setExpirationTime(Math.floor(validUntil / 1000));
  await writeOutput({ path, content: `${await jwt.sign(key)}\n` });
  if (jwks === undefined) return;
  const set = { keys: [{ ...jwk, kid, alg: algorithm, use: 'sig' }] };
  await writeOutput({ path: jwks, content: `${JSON.stringify(set, null, 2)}\n` });
}

async function readSigningKey(
  path: string,
): Promise<{ readonly key: KeyObject; readonly algorithm: TokenAlgorithm }> {
  const bytes = await readBounded({ path, what: 'signing key' }, KEY_BYTES_MAX);
  const key = parseKey(path, bytes);
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve === 'prime256v1') return { key, algorithm: 'ES256' };
  if (curve === 'secp384r1') return { key, algorithm: 'ES384' };
  if (key.asymmetricKeyType === 'ed25519') return { key, algorithm: 'EdDSA' };
  throw unusableKey(path, `${key.asymmetricKeyType ?? 'unknown'} ${curve ?? ''}`.trim());
}

/** The cause is dropped: a parser's message could quote the key. */
function parseKey(path: string, bytes: Uint8Array): KeyObject {
  try {
    const text = fromUtf8(bytes).trim();
    if (!text.startsWith('{')) return createPrivateKey(text);
    const jwk = JSON.parse(text) as Record<string, string>;
    return createPrivateKey({ key: jwk, format: 'jwk' });
  } catch {
    throw unusableKey(path, 'something else');
  }
}

function unusableKey(path: string, found: string): CliError {
  const fields = { what: 'signing key', path, expected: KEY_FORMS, found };
  return new CliError('CLI_FILE_UNREADABLE', 'file is not what is expected', { fields });
}

async function policyIdOf(path: string): Promise<string> {
  const bytes = await readBounded({ path, what: 'reference values' }, REFERENCE_VALUES_BYTES_MAX);
  return `urn:witan:reference-values:sha256:${toHex(nodeCrypto.hash('sha256', bytes))}`;
}
