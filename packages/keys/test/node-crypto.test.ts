import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { toHex, utf8, type HashAlgorithm, type SignatureAlgorithm } from '@witan/core';
import { nodeCrypto, nodeRandom, spkiOf, systemClock } from '@witan/keys';

interface Case {
  readonly algorithm: SignatureAlgorithm;
  readonly key: KeyObject;
  readonly hash: HashAlgorithm | null;
  readonly options: object;
}

const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const smallRsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
const ed25519 = generateKeyPairSync('ed25519').privateKey;
const x25519 = generateKeyPairSync('x25519').privateKey;

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING };
const RAW = { dsaEncoding: 'ieee-p1363' };
const DER = { dsaEncoding: 'der' };
const PKCS1 = { padding: constants.RSA_PKCS1_PADDING };

const CASES: readonly Case[] = [
  { algorithm: 'ecdsa-p256-sha256', key: p256, hash: 'sha256', options: RAW },
  { algorithm: 'ecdsa-p384-sha384', key: p384, hash: 'sha384', options: RAW },
  { algorithm: 'ecdsa-p256-sha256-der', key: p256, hash: 'sha256', options: DER },
  { algorithm: 'ecdsa-p384-sha384-der', key: p384, hash: 'sha384', options: DER },
  { algorithm: 'rsa-pss-sha256', key: rsa, hash: 'sha256', options: { ...PSS, saltLength: 32 } },
  { algorithm: 'rsa-pss-sha384', key: rsa, hash: 'sha384', options: { ...PSS, saltLength: 48 } },
  { algorithm: 'rsa-pkcs1-sha256', key: rsa, hash: 'sha256', options: PKCS1 },
  { algorithm: 'ed25519', key: ed25519, hash: null, options: {} },
];

const DATA = utf8('what is signed');

function signatureFor(test: Case): Uint8Array {
  return Uint8Array.from(sign(test.hash, DATA, { key: test.key, ...test.options }));
}

describe('nodeCrypto.hash', () => {
  // FIPS 180-4 examples for "abc".
  it.each([
    ['sha256', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'sha384',
      'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed' +
        '8086072ba1e7cc2358baeca134c825a7',
    ],
    [
      'sha512',
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
        '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    ],
  ] as const)('%s gives the known answer, in one part or several', (algorithm, expected) => {
    expect(toHex(nodeCrypto.hash(algorithm, utf8('abc')))).toBe(expected);
    expect(toHex(nodeCrypto.hash(algorithm, utf8('a'), utf8(''), utf8('bc')))).toBe(expected);
  });
});

describe('nodeCrypto.verify', () => {
  it.each(CASES)('accepts a $algorithm signature', (test) => {
    const { algorithm } = test;
    const check = { algorithm, publicKey: spkiOf(test.key), data: DATA };
    expect(nodeCrypto.verify({ ...check, signature: signatureFor(test) })).toBe(true);
  });

  it.each(CASES)('refuses a changed $algorithm signature, length or data', (test) => {
    const { algorithm } = test;
    const publicKey = spkiOf(test.key);
    const signature = signatureFor(test);
    const check = { algorithm, publicKey, data: DATA };
    fc.assert(
      fc.property(
        fc.nat(signature.byteLength - 1),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const changed = Uint8Array.from(signature);
          changed[at] = (changed[at] ?? 0) ^ flip;
          expect(nodeCrypto.verify({ ...check, signature: changed })).toBe(false);
        },
      ),
      { numRuns: 40 },
    );
    for (const other of [signature.subarray(1), Uint8Array.from([...signature, 0])]) {
      expect(nodeCrypto.verify({ ...check, signature: other })).toBe(false);
    }
    expect(nodeCrypto.verify({ ...check, signature: new Uint8Array(0) })).toBe(false);
    expect(nodeCrypto.verify({ ...check, signature, data: utf8('else') })).toBe(false);
  });

  it('reads a key again when its array was written to', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
    const options = { key: p384, dsaEncoding: 'ieee-p1363' } as const;
    const publicKey = Buffer.from(spkiOf(p384));
    const check = {
      algorithm: 'ecdsa-p384-sha384',
      publicKey,
      data: DATA,
      signature: sign('sha384', DATA, options),
    } as const;
    expect(nodeCrypto.verify(check)).toBe(true);
    publicKey.set(spkiOf(other));
    expect(nodeCrypto.verify(check)).toBe(false);
    publicKey.fill(0);
    expect(nodeCrypto.verify(check)).toBe(false);
    publicKey.set(spkiOf(p384));
    expect(nodeCrypto.verify(check)).toBe(true);
  });

  it('refuses every signature under another algorithm', () => {
    for (const test of CASES) {
      for (const { algorithm } of CASES.filter((other) => other.algorithm !== test.algorithm)) {
        const signature = signatureFor(test);
        const check = { algorithm, publicKey: spkiOf(test.key), data: DATA, signature };
        expect(nodeCrypto.verify(check)).toBe(false);
      }
    }
  });

  it('refuses a PSS salt of another length', () => {
    for (const saltLength of [0, 20, 48]) {
      const options = { key: rsa, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
      const signature = sign('sha256', DATA, options);
      const check = { publicKey: spkiOf(rsa), data: DATA, signature };
      expect(nodeCrypto.verify({ ...check, algorithm: 'rsa-pss-sha256' })).toBe(false);
    }
  });

  it('refuses weak, foreign and malformed keys (I10)', () => {
    const weak = {
      algorithm: 'rsa-pkcs1-sha256',
      key: smallRsa,
      hash: 'sha256',
      options: PKCS1,
    } as const;
    const signature = signatureFor(weak);
    const check = { algorithm: weak.algorithm, data: DATA, signature };
    expect(nodeCrypto.verify({ ...check, publicKey: spkiOf(smallRsa) })).toBe(false);
    expect(nodeCrypto.verify({ ...check, publicKey: spkiOf(x25519) })).toBe(false);
    expect(nodeCrypto.verify({ ...check, publicKey: new Uint8Array(0) })).toBe(false);
    expect(nodeCrypto.verify({ ...check, publicKey: new Uint8Array(5000) })).toBe(false);
  });

  it('refuses a good key with bytes behind it, or with explicit curve parameters (I10)', () => {
    const [first] = CASES;
    if (first === undefined) throw new Error('no case');
    const signature = signatureFor(first);
    const check = { algorithm: first.algorithm, data: DATA, signature };
    const publicKey = Uint8Array.from([...spkiOf(p256), 0]);
    expect(nodeCrypto.verify({ ...check, publicKey })).toBe(false);
    const options = { namedCurve: 'prime256v1', paramEncoding: 'explicit' } as const;
    const explicit = generateKeyPairSync('ec', options).privateKey;
    const signed = sign('sha256', DATA, { key: explicit, dsaEncoding: 'ieee-p1363' });
    const explicitCheck = { ...check, publicKey: spkiOf(explicit), signature: signed };
    expect(nodeCrypto.verify(explicitCheck)).toBe(false);
  });

  it('never throws, whatever it is given (I10)', () => {
    const bytes = fc.uint8Array({ maxLength: 150 });
    const algorithms = fc.constantFrom(...CASES.map((test) => test.algorithm));
    fc.assert(
      fc.property(algorithms, bytes, bytes, bytes, (algorithm, publicKey, data, signature) => {
        expect(nodeCrypto.verify({ algorithm, publicKey, data, signature })).toBe(false);
      }),
    );
  });
});

describe('random bytes and time', () => {
  it('have the length asked for and differ', () => {
    expect(nodeRandom.bytes(0)).toEqual(new Uint8Array(0));
    expect(toHex(nodeRandom.bytes(32))).not.toBe(toHex(nodeRandom.bytes(32)));
  });

  it('is the machine’s time in milliseconds', () => {
    const before = Date.now();
    const now = systemClock.now();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
  });
});
