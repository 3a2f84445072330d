import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { createHmac, hkdfSync, type KeyObject } from 'node:crypto';
import {
  clusterId,
  epoch,
  fromHex,
  generation,
  incarnationId,
  sha256Hex,
  Secret,
  toHex,
} from '@witan/core';
import {
  KeysError,
  createSeed,
  deriveHistorySigningKey,
  deriveMeshCaKey,
  deriveRootCaKey,
  deriveSecret,
  seedFromBytes,
  signP256,
  spkiOf,
  verifyP256,
} from '@witan/keys';
import {
  DERIVATIONS,
  derivationInfo,
  derive,
  deriveSealingKey,
  deriveSealingRoot,
} from '../src/derivations.ts';
import { wrappingKey } from '../src/recovery/recovery-header.ts';

const SEED_BYTES = Uint8Array.from({ length: 32 }, (_, i) => i);
const SEED = seedFromBytes(SEED_BYTES);
const CLUSTER = clusterId('c1'.repeat(32));
const INCARNATION = incarnationId('1c'.repeat(32));
const ENTROPY = new Uint8Array(32).fill(0xe7);
const TRANSITION = sha256Hex('7a'.repeat(32));

// Written apart from the code under test: RFC 5869 on HMAC, and the bytes of `info` by hand.

/** Everything that was computed by hand below, for a third hand to check. */
const COMPUTED: { readonly options: readonly string[]; readonly output: string }[] = [];

function hkdf(
  key: Uint8Array,
  info: Uint8Array,
  byteLength: number,
  salt: Uint8Array = Buffer.alloc(32),
): string {
  const prk = createHmac('sha256', salt).update(key).digest();
  let block = Buffer.alloc(0);
  let output = Buffer.alloc(0);
  for (let i = 1; output.length < byteLength; i += 1) {
    block = createHmac('sha256', prk).update(block).update(info).update(Buffer.of(i)).digest();
    output = Buffer.concat([output, block]);
  }
  const hex = output.subarray(0, byteLength).toString('hex');
  const inputs = { hexkey: key, hexsalt: salt, ...(info.byteLength > 0 && { hexinfo: info }) };
  const options = Object.entries(inputs).flatMap(([option, bytes]) => [
    '-kdfopt',
    `${option}:${toHex(Uint8Array.from(bytes))}`,
  ]);
  COMPUTED.push({ options: ['-keylen', String(byteLength), ...options], output: hex });
  return hex;
}

function text(value: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(value));
  return Buffer.concat([length, Buffer.from(value)]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(9, 1);
  bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes;
}

const digest = (hex: string): Buffer => Buffer.concat([Buffer.of(2), Buffer.from(hex, 'hex')]);
const name = (value: string): Buffer => Buffer.concat([Buffer.of(3), text(value)]);

function infoOf(label: string, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([text(`witan/v1/${label}`), Buffer.from(CLUSTER, 'hex'), ...parts]);
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

function scalarOf(uniformHex: string): string {
  return ((BigInt(`0x${uniformHex}`) % (ORDER - 1n)) + 1n).toString(16).padStart(64, '0');
}

function hexOf(secret: Secret): string {
  return toHex(secret.expose());
}

function scalarIn(key: KeyObject): string {
  return Buffer.from(String(key.export({ format: 'jwk' }).d), 'base64url').toString('hex');
}

const EPOCH_AND_INCARNATION = [number(5), digest(INCARNATION)];

/**
 * label, what the code gives, what it must be, and that value as frozen when it was written. The
 * frozen values were computed with Python's hmac as well.
 */
const KNOWN: readonly (readonly [string, string, string, string])[] = [
  [
    'seal/log-command',
    hexOf(deriveSealingKey(SEED, CLUSTER, 'log-command', epoch(5), INCARNATION)),
    hkdf(SEED_BYTES, infoOf('seal/log-command', ...EPOCH_AND_INCARNATION), 32),
    'a0f0dc07a98a3910a4c5c13164367715c0d60ead83d11e7614d0c5cfe4a3704d',
  ],
  [
    'seal/journal-record',
    hexOf(deriveSealingKey(SEED, CLUSTER, 'journal-record', epoch(5), INCARNATION)),
    hkdf(SEED_BYTES, infoOf('seal/journal-record', ...EPOCH_AND_INCARNATION), 32),
    '1bbe8a5ac5cfa4678c5903fd84ba8817480956a59bb464eeb882f8a2999b3a02',
  ],
  [
    'seal/snapshot',
    hexOf(deriveSealingKey(SEED, CLUSTER, 'snapshot', epoch(5), INCARNATION)),
    hkdf(SEED_BYTES, infoOf('seal/snapshot', ...EPOCH_AND_INCARNATION), 32),
    '5b8b1e48eeddf728561f0e7947ab4be0fe3945be864ca283592cd831b2f92cc0',
  ],
  [
    'seal/keyring',
    hexOf(deriveSealingKey(SEED, CLUSTER, 'keyring', epoch(5), INCARNATION)),
    hkdf(SEED_BYTES, infoOf('seal/keyring', ...EPOCH_AND_INCARNATION), 32),
    '2f9173391968bfcc0bf5794c514d906cbfc427cfbf3878e3942e87974d712d5e',
  ],
  [
    'seal/generation',
    hexOf(deriveSealingRoot(SEED, CLUSTER, 4, new Secret(ENTROPY))),
    hkdf(SEED_BYTES, infoOf('seal/generation', number(4)), 32, ENTROPY),
    '773adc5d1f58f20f7c539ef34c1d3a401cebeccf47eb7a3e64caa95e626ed3ae',
  ],
  [
    'ca/root',
    scalarIn(deriveRootCaKey(SEED, CLUSTER)),
    scalarOf(hkdf(SEED_BYTES, infoOf('ca/root'), 48)),
    'a87e899f334695470dcaa32f9888d1525ac2a9e2e02f57e74f698bd57be53bf8',
  ],
  [
    'ca/mesh',
    scalarIn(deriveMeshCaKey(SEED, CLUSTER, generation(3), TRANSITION)),
    scalarOf(hkdf(SEED_BYTES, infoOf('ca/mesh', number(3), digest(TRANSITION)), 48)),
    '69f5797b4259e4803622d01f34ba75debec452aeaa05c740a019fb73871b97a7',
  ],
  [
    'history/signing',
    scalarIn(deriveHistorySigningKey(SEED, CLUSTER)),
    scalarOf(hkdf(SEED_BYTES, infoOf('history/signing'), 48)),
    '2ddbe2cfaaf83264c680aaa6b8bfbf0b16715fe749e22d24c2a38e5f1361216b',
  ],
  [
    'workload/secret',
    hexOf(deriveSecret(SEED, CLUSTER, { kind: 'workload', workload: 'db' }, 'disk', 2)),
    hkdf(SEED_BYTES, infoOf('workload/secret', name('db'), name('disk'), number(2)), 32),
    '708fa28b8b3aae55e6178d76b99bd0829d757ed63fadbd5aefa563491e76592c',
  ],
  [
    'shared/secret',
    hexOf(deriveSecret(SEED, CLUSTER, { kind: 'shared' }, 'disk', 2)),
    hkdf(SEED_BYTES, infoOf('shared/secret', name('disk'), number(2)), 32),
    '2ba0fe2f5fc2f9215e141d1b131235a9828afa142a1bdbf1f71798f1a81c567b',
  ],
  [
    'pod/secret',
    hexOf(
      deriveSecret(
        SEED,
        CLUSTER,
        { kind: 'pod', workload: 'db', spkiSha256: TRANSITION },
        'disk',
        2,
      ),
    ),
    hkdf(
      SEED_BYTES,
      infoOf('pod/secret', name('db'), name('disk'), number(2), digest(TRANSITION)),
      32,
    ),
    '4734e1d6ae8307c8a017373b315b20554cf91793956a21058bf9269caa51abbc',
  ],
  [
    'ca/root-rotated',
    scalarIn(deriveRootCaKey(SEED, CLUSTER, 2)),
    scalarOf(hkdf(SEED_BYTES, infoOf('ca/root-rotated', number(2)), 48)),
    'aa86ec4edee72b12bbe12b97aeec9ee0206642b175d13bfd4a8d30c7b5400d75',
  ],
  [
    'ca/mesh-rotated',
    scalarIn(deriveMeshCaKey(SEED, CLUSTER, generation(3), TRANSITION, 2)),
    scalarOf(
      hkdf(SEED_BYTES, infoOf('ca/mesh-rotated', number(3), digest(TRANSITION), number(2)), 48),
    ),
    '67091ccc42aa20a6706d21ce97a5cd1d240ea75d475837764e2623bff7261fb1',
  ],
];

/** RFC 5869 appendix A.1 to A.3: input key, salt, info, output. */
const RFC_5869: readonly (readonly [string, string, string, string])[] = [
  [
    '0b'.repeat(22),
    '000102030405060708090a0b0c',
    'f0f1f2f3f4f5f6f7f8f9',
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  ],
  [
    Buffer.from(Array.from({ length: 80 }, (_, i) => i)).toString('hex'),
    Buffer.from(Array.from({ length: 80 }, (_, i) => 0x60 + i)).toString('hex'),
    Buffer.from(Array.from({ length: 80 }, (_, i) => 0xb0 + i)).toString('hex'),
    'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c' +
      '59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71' +
      'cc30c58179ec3e87c14c01d5c1f3434f1d87',
  ],
  [
    '0b'.repeat(22),
    '',
    '',
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  ],
];

describe('HKDF-SHA-256', () => {
  it.each(RFC_5869)('gives the answers of RFC 5869: %s', (key, salt, info, expected) => {
    const [ikm, salted, context] = [key, salt, info].map((hex) => Buffer.from(hex, 'hex'));
    if (ikm === undefined || salted === undefined || context === undefined) return expect.fail();
    const byteLength = expected.length / 2;
    const node = Buffer.from(hkdfSync('sha256', ikm, salted, context, byteLength));
    expect(node.toString('hex')).toBe(expected);
    // The other hand, by which the table's answers are checked.
    const padded = salted.byteLength === 0 ? Buffer.alloc(32) : salted;
    expect(hkdf(ikm, context, byteLength, padded)).toBe(expected);
  });
});

describe('derivations', () => {
  it.each(KNOWN)('%s gives its known answer (I8, I9)', (_label, found, expected, frozen) => {
    expect(found).toBe(expected);
    expect(found).toBe(frozen);
  });

  it('all have a known answer, and no two agree (I9)', () => {
    expect(KNOWN.map(([label]) => label).toSorted()).toEqual(Object.keys(DERIVATIONS).toSorted());
    expect(new Set(KNOWN.map(([, found]) => found)).size).toBe(KNOWN.length);
  });

  it('have labels of which none continues another (I9)', () => {
    const labels = Object.keys(DERIVATIONS);
    for (const label of labels) {
      for (const other of labels.filter((candidate) => candidate !== label)) {
        expect(`${other}/`.startsWith(`${label}/`)).toBe(false);
      }
    }
  });

  it('never share an info between two ways to cut one text in names (I9)', () => {
    const texts = fc.string({ minLength: 3, maxLength: 20 });
    fc.assert(
      fc.property(texts, fc.nat(), fc.nat(), (whole, left, right) => {
        const [info, other] = [left, right].map((cut) => {
          const at = 1 + (cut % (whole.length - 1));
          const context = [whole.slice(0, at), whole.slice(at), 1] as const;
          return toHex(derivationInfo(CLUSTER, 'workload/secret', context));
        });
        expect(info === other).toBe(left % (whole.length - 1) === right % (whole.length - 1));
      }),
    );
  });

  it('change with the cluster, the seed and every part of the context (I9)', () => {
    const other = clusterId('c2'.repeat(32));
    const otherSeed = createSeed();
    const secrets = [
      deriveSecret(SEED, CLUSTER, { kind: 'workload', workload: 'db' }, 'disk', 2),
      deriveSecret(SEED, other, { kind: 'workload', workload: 'db' }, 'disk', 2),
      deriveSecret(otherSeed, CLUSTER, { kind: 'workload', workload: 'db' }, 'disk', 2),
      deriveSecret(SEED, CLUSTER, { kind: 'workload', workload: 'db2' }, 'disk', 2),
      deriveSecret(SEED, CLUSTER, { kind: 'workload', workload: 'dbd' }, 'isk', 2),
      deriveSecret(SEED, CLUSTER, { kind: 'workload', workload: 'db' }, 'disk', 3),
    ];
    expect(new Set(secrets.map(hexOf)).size).toBe(secrets.length);
  });

  it.each([
    ['', 'disk', 1],
    ['db', '', 1],
    ['a'.repeat(257), 'disk', 1],
    ['\ud800', 'disk', 1],
    ['db', 'disk', -1],
    ['db', 'disk', 1.5],
    ['db', 'disk', 2 ** 53],
  ])('refuse the context %j, %j, %j (I10)', (workload, secretName, version) => {
    const owner = { kind: 'workload', workload } as const;
    expect(() => deriveSecret(SEED, CLUSTER, owner, secretName, version)).toThrow(
      expect.objectContaining({ code: 'KEYS_CONTEXT_INVALID' }),
    );
  });

  it('give the lengths that the table says', () => {
    expect(derive(SEED, CLUSTER, 'ca/root', []).byteLength).toBe(48);
    expect(derive(SEED, CLUSTER, 'seal/snapshot', [epoch(1), INCARNATION]).byteLength).toBe(32);
  });
});

describe('OpenSSL', () => {
  it('derives the same as the hand above, for every label and what wraps the seed (I9)', () => {
    wrapInfo();
    for (const { options, output } of COMPUTED) {
      const args = ['kdf', '-binary', '-kdfopt', 'digest:SHA256', ...options, 'HKDF'];
      expect(execFileSync('openssl', args).toString('hex')).toBe(output);
    }
    expect(COMPUTED.length).toBeGreaterThan(KNOWN.length);
  });
});

/** What the key that wraps the seed has to be. */
function wrapInfo(): string {
  const info = Buffer.concat([
    text('witan/recovery-wrap/v1'),
    Buffer.from(CLUSTER, 'hex'),
    Buffer.of(0, 0, 0, 3),
  ]);
  return hkdf(SEED_BYTES, info, 32);
}

describe('the key that wraps the seed for recovery', () => {
  it('gives its known answer, computed with Python as well (I9)', () => {
    const frozen = 'ada0d10ee7d4d875989776184f02f3ea054fba91bb3af7af113c0e79d11c2fac';
    const found = toHex(wrappingKey(SEED_BYTES, { clusterId: CLUSTER, resharing: 3 }));
    expect(found).toBe(wrapInfo());
    expect(found).toBe(frozen);
  });
});

describe('derived P-256 keys', () => {
  it('sign what their public halves verify', () => {
    fc.assert(
      fc.property(fc.nat(), (count) => {
        const key = deriveMeshCaKey(SEED, CLUSTER, generation(count), TRANSITION);
        const data = fromHex(TRANSITION);
        expect(verifyP256(spkiOf(key), data, signP256(key, data))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a seed', () => {
  it('is 32 bytes and nothing else', () => {
    expect(createSeed().byteLength).toBe(32);
    expect(createSeed().equals(createSeed())).toBe(false);
    for (const byteLength of [0, 31, 33]) {
      expect(() => seedFromBytes(new Uint8Array(byteLength))).toThrow(KeysError);
    }
  });
});
