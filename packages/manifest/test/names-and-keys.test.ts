import fc from 'fast-check';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { isIP } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ipAddressKey } from '../src/names.ts';
import {
  bytesOf,
  draftManifest,
  edKey,
  edited,
  parse,
  refusalOf,
  rsaKey,
  testKey,
  type Draft,
} from './support.ts';

const alice = testKey();
const base = draftManifest([alice, testKey()], 2);

function withPem(pem: string): Draft {
  return edited(base, { 'owners/0/publicKey': pem });
}

function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PUBLIC KEY-----\n${lines.join('\n')}\n-----END PUBLIC KEY-----\n`;
}

const FIELD_PRIME = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const COEFFICIENT_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base % FIELD_PRIME;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % FIELD_PRIME;
    square = (square * square) % FIELD_PRIME;
  }
  return result;
}

/** A true point, with its x written above the field prime: a second spelling of one key. */
function unreducedPoint(): Uint8Array {
  for (let x = 0n; ; x += 1n) {
    const right = (x * x * x - 3n * x + COEFFICIENT_B) % FIELD_PRIME;
    const y = power(right, (FIELD_PRIME + 1n) / 4n);
    if ((y * y) % FIELD_PRIME !== right) continue;
    const hex = [x + FIELD_PRIME, y].map((part) => part.toString(16).padStart(64, '0')).join('');
    return Uint8Array.of(...alice.spki.subarray(0, 27), ...Buffer.from(hex, 'hex'));
  }
}

describe('an owner key', () => {
  const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey;
  const offCurve = Uint8Array.from(alice.spki, (byte, at) => (at === 90 ? byte ^ 1 : byte));
  const infinity = Uint8Array.from(alice.spki, (byte, at) => (at < 27 ? byte : 0));
  const tooLarge = Uint8Array.from(alice.spki, (byte, at) => (at < 27 ? byte : 0xff));

  it.each([
    ['of another curve', p521.export({ format: 'pem', type: 'spki' }).toString()],
    ['with a point off the curve', pemOf(offCurve)],
    ['with all coordinates zero', pemOf(infinity)],
    ['with coordinates above the field prime', pemOf(tooLarge)],
    ['with a point on the curve that is not reduced', pemOf(unreducedPoint())],
    ['with a byte behind it', pemOf(Uint8Array.of(...alice.spki, 0))],
    ['that ends early', pemOf(alice.spki.subarray(0, 90))],
    ['with text before it', `Key of Alice\n${alice.pem}`],
    ['with Windows line ends', alice.pem.replaceAll('\n', '\r\n')],
    ['with spaces in it', alice.pem.replace(/\n(.{10})/, '\n$1 ')],
    ['in lines of another length', alice.pem.replace(/\n(.{30})/, '\n$1\n')],
    ['under another label', alice.pem.replaceAll('PUBLIC KEY', 'EC PUBLIC KEY')],
    ['twice', alice.pem + alice.pem],
    ['of nothing', ''],
  ])('%s is refused', (_name, pem) => {
    const error = refusalOf(() => parse(bytesOf(withPem(pem))));
    const path = 'owners[0].publicKey';
    expect(error).toMatchObject({ code: 'MANIFEST_BAD_PUBLIC_KEY', fields: { path } });
  });

  it('may lack the last line end', () => {
    expect(parse(bytesOf(withPem(alice.pem.trimEnd()))).owners[0]?.fingerprint).toBe(
      alice.fingerprint,
    );
  });
});

describe('the key of an owner', () => {
  const rsa = rsaKey();
  const p384 = testKey('P-384');
  const modulusEnd = rsa.spki.length - 5;

  function withKey(
    publicKey: unknown,
    roles: readonly string[] = ['recovery'],
    membership = false,
  ): Draft {
    const owner = { name: 'carol', publicKey, roles };
    const recovery = roles.includes('recovery') ? { recoveryThreshold: 1 } : {};
    const more = membership ? { membershipThreshold: 1 } : {};
    return edited(base, { 'owners/2': owner, ...recovery, ...more });
  }

  it.each([
    ['P-256', testKey()],
    ['P-384', p384],
    ['RSA of 3072 bits', rsa],
    ['RSA of 3073 bits', rsaKey(3073)],
  ])('may be of %s, and is kept as DER', (_name, key) => {
    const owner = parse(bytesOf(withKey(key.pem))).owners[2];
    expect(owner).toMatchObject({ fingerprint: key.fingerprint, roles: ['recovery'] });
    expect(owner?.publicKey).toEqual(key.spki);
  });

  it('may be of any kind for roles that sign, and says which', () => {
    const kinds = [
      ['p256', testKey()],
      ['p384', p384],
      ['rsa', rsa],
      ['ed25519', edKey()],
    ] as const;
    for (const [kind, key] of kinds) {
      for (const roles of [['update'], ['membership'], ['auditor']]) {
        const draft = withKey(key.pem, roles, roles.includes('membership'));
        expect(parse(bytesOf(draft)).owners[2]).toMatchObject({ keyKind: kind, roles });
      }
    }
  });

  it('of Ed25519 cannot hold a recovery share, and the error says so', () => {
    for (const roles of [['recovery'], ['update', 'recovery']]) {
      const error = refusalOf(() => parse(bytesOf(withKey(edKey().pem, roles))));
      expect(error).toMatchObject({ code: 'MANIFEST_BAD_PUBLIC_KEY' });
      expect(error.fields['path']).toBe('owners[2].publicKey');
      expect(error.fields['found']).toContain('Ed25519');
      expect(error.fields['expected']).toContain('recovery');
    }
  });

  it.each([
    ['RSA of 2048 bits', rsaKey(2048).spki],
    ['RSA of 3071 bits', rsaKey(3071).spki],
    ['RSA with an even modulus', rsa.spki.with(modulusEnd - 1, 2)],
    ['RSA with another exponent', rsa.spki.with(rsa.spki.length - 1, 3)],
    ['RSA with a byte behind it', Uint8Array.of(...rsa.spki, 0)],
    ['RSA that ends early', rsa.spki.subarray(0, -1)],
    ['RSA with a length that does not fit', rsa.spki.with(31, 0x82)],
    ['RSA and nothing else', rsa.spki.subarray(0, 19)],
    ['P-384 off the curve', p384.spki.with(119, (p384.spki[119] ?? 0) ^ 1)],
    ['P-384 that ends early', p384.spki.subarray(0, 119)],
    ['P-384 with all coordinates zero', Uint8Array.from(p384.spki, (b, at) => (at < 24 ? b : 0))],
  ])('of %s is refused', (_name, der) => {
    const error = refusalOf(() => parse(bytesOf(withKey(pemOf(der)))));
    expect(error.code).toBe('MANIFEST_BAD_PUBLIC_KEY');
  });

  it('with any bytes changed is refused, or is one that the library reads to the same', () => {
    const change = fc.record({ at: fc.nat(rsa.spki.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const der = Uint8Array.from(rsa.spki);
        for (const { at, byte } of changes) der[at] = byte;
        try {
          parse(bytesOf(withKey(pemOf(der))));
        } catch (error) {
          expect(error).toMatchObject({ code: 'MANIFEST_BAD_PUBLIC_KEY' });
          return;
        }
        const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
        expect(Uint8Array.from(key.export({ format: 'der', type: 'spki' }))).toEqual(der);
      }),
      { numRuns: 300 },
    );
  });
});

describe('addresses', () => {
  it('are valid for us only where they are for the operating system', () => {
    const pieces = fc.constantFrom('0', '1', 'ff', '255', '256', '01', ':', '::', '.', 'g', 'a');
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(pieces).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, (address) => {
        if (ipAddressKey(address) !== undefined) expect(isIP(address)).not.toBe(0);
      }),
      { numRuns: 2000 },
    );
  });

  it('in every plain spelling are accepted, and equal addresses have one key', () => {
    expect(ipAddressKey('::')).toBe('0:0:0:0:0:0:0:0');
    expect(ipAddressKey('1::')).toBe('1:0:0:0:0:0:0:0');
    expect(ipAddressKey('::1')).toBe(ipAddressKey('0:0:0:0:0:0:0:0001'));
    expect(ipAddressKey('1:2:3:4:5:6:7:8')).toBe('1:2:3:4:5:6:7:8');
    for (const bad of ['', ':', ':::', '1:2:3:4:5:6:7::8', '1::2::3', '1:2', '::ffff:1.2.3.4']) {
      expect(ipAddressKey(bad)).toBeUndefined();
    }
  });
});
