/**
 * Key files: one PEM block (RFC 7468) or one JWK (RFC 7517). Which kinds of key serve a purpose is
 * for the caller to say; here it is only which half of a key the file holds. Reading names what was
 * found instead, because owners pass the wrong file now and then.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { privateMemberOf } from '@witan/manifest';
import { KeysError } from './errors.ts';

/** Members as they were written: nothing is known of their values. */
type Jwk = Readonly<Record<string, unknown>>;

/** Longest text that is read, in characters. */
export const KEY_CHARS_MAX = 16_384;

/**
 * @param text one block 'PRIVATE KEY', 'EC PRIVATE KEY' or 'RSA PRIVATE KEY', or a private JWK
 * @throws KeysError KEYS_PEM_NOT_FOUND, KEYS_PEM_WRONG_KIND, KEYS_PEM_UNREADABLE,
 *   KEYS_JWK_UNREADABLE
 */
export function readPrivateKey(text: string): KeyObject {
  if (isJson(text)) {
    const key = jwkOf(text, 'a private key');
    return fromJwk('a private key', () => createPrivateKey({ key, format: 'jwk' }));
  }
  const kind = checkPemKind(text, ['PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY']);
  const key = readPem(kind, () => createPrivateKey({ key: text, format: 'pem' }));
  if (!isOnNamedCurve(key)) return key;
  // Fails where the file holds a public half that is not the private half's.
  return readPem(kind, () =>
    createPrivateKey({ key: key.export({ format: 'jwk' }), format: 'jwk' }),
  );
}

/** What a key is for, in the words of a JWK (RFC 7517 sections 4.2 to 4.4). */
export interface KeyPurpose {
  readonly use: 'sig' | 'enc';
  /** One of them is enough. */
  readonly operations: readonly string[];
  /** Names of the algorithm that the key is used with. @throws KeysError for a key that is unfit */
  readonly algorithmsOf: (key: KeyObject) => readonly string[];
}

/**
 * @param text one block 'PUBLIC KEY', or a public JWK. What a JWK says of its use has to fit the
 *   purpose; members of other kinds, such as `kid`, mean nothing here.
 * @throws KeysError as `readPrivateKey`, and what the purpose throws
 */
export function readPublicKey(text: string, purpose: KeyPurpose): KeyObject {
  if (!isJson(text)) {
    const kind = checkPemKind(text, ['PUBLIC KEY']);
    const key = readPem(kind, () => createPublicKey({ key: text, format: 'pem' }));
    purpose.algorithmsOf(key);
    if (!isOnNamedCurve(key)) return key;
    return readPem(kind, () =>
      createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' }),
    );
  }
  const jwk = jwkOf(text, 'a public key');
  const secret = privateMemberOf(jwk);
  if (secret !== undefined) throw badJwk('a public key', `a private key (member ${secret})`);
  const key = fromJwk('a public key', () => createPublicKey({ key: jwk, format: 'jwk' }));
  checkStated(jwk, purpose, purpose.algorithmsOf(key));
  return key;
}

/**
 * Files may spell a point compressed, or a curve out in its parameters. The same key in the usual
 * encoding is what its owner's fingerprint is of, so such a key is made anew from its numbers.
 */
function isOnNamedCurve(key: KeyObject): boolean {
  const { namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  return key.asymmetricKeyType === 'ec' && ['prime256v1', 'secp384r1'].includes(namedCurve);
}

/** A key that says that it is for something else is not the one that its owner meant to give. */
function checkStated(
  { alg, use, key_ops: stated }: Jwk,
  purpose: KeyPurpose,
  algorithms: readonly string[],
): void {
  if (alg !== undefined && !(algorithms as readonly unknown[]).includes(alg)) {
    throw badJwk(`the algorithm ${algorithms.join(' or ')}`, quoted(alg));
  }
  if (use !== undefined && use !== purpose.use) throw badJwk(`the use ${purpose.use}`, quoted(use));
  const { operations } = purpose;
  const isListed =
    Array.isArray(stated) && operations.some((operation) => stated.includes(operation));
  if (stated !== undefined && !isListed) {
    throw badJwk(`the operation ${operations.join(' or ')}`, quoted(stated));
  }
}

function isJson(text: string): boolean {
  return /^\s*\{/.test(text.slice(0, 100));
}

function jwkOf(text: string, expected: string): Jwk {
  if (text.length > KEY_CHARS_MAX) throw badJwk(expected, `${text.length} characters`);
  try {
    return JSON.parse(text) as Jwk;
  } catch {
    // No cause: a parser's message may repeat parts of the text, and the text may be a secret.
    throw badJwk(expected, 'another text');
  }
}

function fromJwk(expected: string, read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch {
    throw badJwk(expected, 'another key');
  }
}

function badJwk(expected: string, found: string): KeysError {
  const fields = { expected: `${expected} (JWK, RFC 7517)`, found };
  return new KeysError('KEYS_JWK_UNREADABLE', 'text is not the JWK that is needed', { fields });
}

function quoted(value: unknown): string {
  return (JSON.stringify(value) ?? '').slice(0, 60);
}

function checkPemKind(text: string, accepted: readonly string[]): string {
  const expected = accepted.join(' or ');
  if (text.length > KEY_CHARS_MAX) {
    throw new KeysError('KEYS_PEM_NOT_FOUND', 'text is too long to be a PEM key', {
      fields: { expected, charsMax: KEY_CHARS_MAX, found: text.length },
    });
  }
  const blocks = [...text.matchAll(/^-----BEGIN ([A-Z0-9 ]{1,40})-----\s*$/gm)];
  // `openssl ecparam -genkey` writes the curve's name in a block of its own before the key.
  const kinds = blocks.map((block) => block[1] ?? '').filter((kind) => kind !== 'EC PARAMETERS');
  const [kind] = kinds;
  if (kind === undefined) {
    throw new KeysError('KEYS_PEM_NOT_FOUND', 'text holds no PEM block', { fields: { expected } });
  }
  if (kinds.length > 1 || !accepted.includes(kind)) {
    throw new KeysError('KEYS_PEM_WRONG_KIND', 'PEM text holds something else', {
      fields: { expected, found: kinds.slice(0, 4).join(', ') },
    });
  }
  return kind;
}

function readPem(kind: string, read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (cause) {
    throw new KeysError('KEYS_PEM_UNREADABLE', 'PEM block does not hold a readable key', {
      fields: { kind },
      cause,
    });
  }
}
