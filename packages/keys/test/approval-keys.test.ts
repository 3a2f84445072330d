import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { compactVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { Secret, unixMillis, utf8 } from '@witan/core';
import {
  checkApprovalsOf,
  detachedJws,
  jwsAlgorithmOf,
  parseDetachedJws,
  signingInput,
  type Owner,
  type OwnerKeyKind,
} from '@witan/manifest';
import {
  KeysError,
  loadApprovalKey,
  loadApprovalPublicKey,
  loadShareOwnerPrivateKey,
  loadShareOwnerPublicKey,
  nodeCrypto,
  ownerKeyKindOf,
  privateKeyPemOf,
  readForeignSignature,
  signJws,
  signingHint,
  spkiFingerprint,
  spkiOf,
} from '../src/index.ts';

const KINDS: readonly OwnerKeyKind[] = ['p256', 'p384', 'rsa', 'ed25519'];
const keys: Readonly<Record<OwnerKeyKind, KeyObject>> = {
  p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  rsa: generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
  ed25519: generateKeyPairSync('ed25519').privateKey,
};
const content = utf8('what is approved');
const NOW = unixMillis(1_800_000_000_000);

function ownerOf(kind: OwnerKeyKind): Owner {
  const publicKey = spkiOf(keys[kind]);
  const fingerprint = spkiFingerprint(publicKey);
  return { name: kind, keyKind: kind, publicKey, fingerprint, roles: ['update'] };
}

function headerOf(kind: OwnerKeyKind) {
  return {
    algorithm: jwsAlgorithmOf(kind),
    expiresSeconds: NOW / 1000 + 60,
    owner: ownerOf(kind).fingerprint,
    use: 'witan-approval+jws',
  } as const;
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof KeysError) return error.code;
    throw error;
  }
  return 'nothing was refused';
}

describe('an approval that jose signs', () => {
  it.each(KINDS)('with a key of %s counts, and verifies with jose', async (kind) => {
    const signature = await signJws(keys[kind], headerOf(kind), content);
    const owner = ownerOf(kind);
    const approvals = [{ ownerFingerprint: owner.fingerprint, signature }];
    const inForce = { owners: [owner], updateThreshold: 1 };
    const check = { inForce, isFirst: false, approvals, timeMs: NOW, crypto: nodeCrypto };
    expect(checkApprovalsOf(content, check)).toEqual(approvals);
    const [head, , tail] = Buffer.from(signature).toString().split('.');
    const jws = `${head}.${Buffer.from(content).toString('base64url')}.${tail}`;
    const verified = await compactVerify(jws, createPublicKey(keys[kind]));
    expect(verified.protectedHeader).toMatchObject({ kid: owner.fingerprint });
  });

  it('names the key’s own algorithm, or is not made', async () => {
    const lying = { ...headerOf('p384'), algorithm: 'ES256' } as const;
    await expect(signJws(keys.p384, lying, content)).rejects.toBeInstanceOf(Error);
  });
});

describe('an owner’s private key', () => {
  it.each(KINDS)('of %s is read from PEM and JWK', (kind) => {
    const jwk = new Secret(utf8(JSON.stringify(keys[kind].export({ format: 'jwk' }))));
    for (const text of [privateKeyPemOf(keys[kind]), jwk]) {
      const key = loadApprovalKey(text);
      expect(ownerKeyKindOf(key)).toBe(kind);
      expect(key.equals(keys[kind])).toBe(true);
    }
  });

  it('of another kind or size is refused by name', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey;
    const exchange = generateKeyPairSync('x25519').privateKey;
    for (const [key, found] of [
      [weak, 'RSA 2048'],
      [curve, 'EC secp521r1'],
      [exchange, 'x25519'],
    ] as const) {
      const load = () => loadApprovalKey(privateKeyPemOf(key));
      expect(load).toThrow(
        expect.objectContaining({
          code: 'KEYS_OWNER_KEY_UNSUPPORTED',
          fields: { expected: 'P-256, P-384, RSA of 3072 to 8192 bits, or Ed25519', found },
        }),
      );
    }
  });

  it('that is no JWK is refused without repeating it', () => {
    for (const text of ['{', '{"kty":"EC","d":"hush"}', '{"kty":"oct","k":"hush"}']) {
      expect(codeOf(() => loadApprovalKey(new Secret(utf8(text))))).toBe('KEYS_JWK_UNREADABLE');
    }
    try {
      loadApprovalKey(new Secret(utf8('{"d":"hush"')));
    } catch (error) {
      expect(JSON.stringify(error)).not.toContain('hush');
      expect((error as KeysError).cause).toBeUndefined();
    }
  });
});

describe('an owner’s public key', () => {
  const jwkOf = (kind: OwnerKeyKind) => createPublicKey(keys[kind]).export({ format: 'jwk' });

  it.each(KINDS)('of %s is read from a JWK with what tools add to it', (kind) => {
    const alg = jwsAlgorithmOf(kind);
    const more = { kid: '2026-01', alg, use: 'sig', key_ops: ['verify'], x5t: 'AA' };
    for (const jwk of [jwkOf(kind), { ...jwkOf(kind), ...more }]) {
      const key = loadApprovalPublicKey(JSON.stringify(jwk));
      expect(key.equals(createPublicKey(keys[kind]))).toBe(true);
    }
  });

  it('takes the older name of Ed25519 (RFC 8037)', () => {
    const jwk = { ...jwkOf('ed25519'), alg: 'EdDSA' };
    expect(ownerKeyKindOf(loadApprovalPublicKey(JSON.stringify(jwk)))).toBe('ed25519');
  });

  it.each([
    ['for another algorithm', { ...jwkOf('rsa'), alg: 'RS256' }, 'algorithm PS256', '"RS256"'],
    ['for encryption', { ...jwkOf('p256'), use: 'enc' }, 'use sig', '"enc"'],
    ['for other operations', { ...jwkOf('p384'), key_ops: ['wrapKey'] }, 'verify', '["wrapKey"]'],
    ['with operations of no kind', { ...jwkOf('p384'), key_ops: 7 }, 'verify', '7'],
    ['off its curve', { ...jwkOf('p256'), y: jwkOf('p256').x }, 'public key', 'another key'],
    ['of a secret', { kty: 'oct', k: 'hush' }, 'public key', 'a private key (member k)'],
    [
      'with the private half',
      keys.ed25519.export({ format: 'jwk' }),
      'public key',
      'a private key (member d)',
    ],
  ])('as a JWK %s is refused with what was found (I10)', (_what, jwk, expected, found) => {
    const load = () => loadApprovalPublicKey(JSON.stringify(jwk));
    const fields = { expected: expect.stringContaining(expected) as string, found };
    expect(load).toThrow(expect.objectContaining({ code: 'KEYS_JWK_UNREADABLE', fields }));
  });

  it('as a JWK may also hold a share, where it says nothing else', () => {
    const text = (more: object) => JSON.stringify({ ...jwkOf('p384'), ...more });
    expect(loadShareOwnerPublicKey(text({ use: 'enc', alg: 'ECDH-ES+A256KW' })).type).toBe(
      'public',
    );
    expect(codeOf(() => loadShareOwnerPublicKey(text({ use: 'sig' })))).toBe('KEYS_JWK_UNREADABLE');
    const code = 'KEYS_SHARE_OWNER_KEY_UNSUPPORTED';
    expect(codeOf(() => loadShareOwnerPublicKey(JSON.stringify(jwkOf('ed25519'))))).toBe(code);
    const own = new Secret(utf8(JSON.stringify(keys.p384.export({ format: 'jwk' }))));
    expect(loadShareOwnerPrivateKey(own).equals(keys.p384)).toBe(true);
  });
});

describe('a signature that was made elsewhere', () => {
  const input = (kind: OwnerKeyKind) => signingInput(headerOf(kind), content);
  const hashes = { p256: 'sha256', p384: 'sha384' } as const;

  it.each(['p256', 'p384'] as const)('with %s is taken in DER, r || s and base64', (kind) => {
    for (let round = 0; round < 40; round += 1) {
      const der = new Uint8Array(sign(hashes[kind], input(kind), keys[kind]));
      const raw = readForeignSignature(kind, der);
      expect(readForeignSignature(kind, raw)).toEqual(raw);
      expect(readForeignSignature(kind, utf8(Buffer.from(der).toString('base64')))).toEqual(raw);
      const owner = ownerOf(kind);
      const signature = detachedJws(headerOf(kind), raw);
      const approvals = [{ ownerFingerprint: owner.fingerprint, signature }];
      const inForce = { owners: [owner], updateThreshold: 1 };
      const check = { inForce, isFirst: false, approvals, timeMs: NOW, crypto: nodeCrypto };
      expect(checkApprovalsOf(content, check)).toHaveLength(1);
    }
  });

  it('with Ed25519 or RSA is taken as it is', () => {
    const ed = new Uint8Array(sign(null, input('ed25519'), keys.ed25519));
    expect(readForeignSignature('ed25519', ed)).toEqual(ed);
    const rsa = new Uint8Array(sign('sha256', input('rsa'), keys.rsa));
    expect(readForeignSignature('rsa', rsa)).toEqual(rsa);
    expect(codeOf(() => readForeignSignature('ed25519', rsa))).toBe('KEYS_SIGNATURE_UNREADABLE');
  });

  it('gives r || s of the right length or a typed error for any bytes', () => {
    const der = new Uint8Array(sign('sha256', input('p256'), keys.p256));
    const change = fc.record({ at: fc.nat(der.length - 1), byte: fc.nat(255) });
    const near = fc
      .array(change, { maxLength: 3 })
      .map((changes) => changes.reduce((all, { at, byte }) => all.with(at, byte), der));
    fc.assert(
      fc.property(fc.oneof(near, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        for (const kind of KINDS) {
          try {
            const raw = readForeignSignature(kind, bytes);
            const expected = { p256: 64, p384: 96, ed25519: 64, rsa: raw.byteLength }[kind];
            expect(raw.byteLength).toBe(expected);
          } catch (error) {
            expect(error).toMatchObject({ code: 'KEYS_SIGNATURE_UNREADABLE' });
          }
        }
      }),
      { numRuns: 1000 },
    );
    expect(codeOf(() => readForeignSignature('p256', new Uint8Array(100_000)))).toBe(
      'KEYS_SIGNATURE_UNREADABLE',
    );
  });

  it('has a command of OpenSSL for each kind of key', () => {
    for (const kind of KINDS) expect(signingHint(kind, 'to-sign')).toContain('-rawin -in to-sign');
    expect(parseDetachedJws(utf8('x'))).toBeUndefined();
  });
});
