import { describe, expect, it } from 'vitest';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Secret, clusterId, sha256Hex } from '@witan/core';
import {
  ShareCollector,
  commitmentOf,
  createSeed,
  dealShares,
  decodeRecoveryHeaderUnverified,
  decodeShare,
  encodeRecoveryHeader,
  encodeShare,
  openShare,
  ownerFingerprint,
  type RecoveryHeader,
  type RecoveryShare,
} from '@witan/keys';

const CLUSTER = clusterId('c'.repeat(64));
const seed = createSeed();

interface Owner {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

function ec(namedCurve: string): Owner {
  return ownerOf(generateKeyPairSync('ec', { namedCurve }));
}

function ownerOf(pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }): Owner {
  const der = pair.publicKey.export({ format: 'der', type: 'spki' });
  return { privateKey: pair.privateKey, publicKey: Uint8Array.from(der) };
}

const rsa = ownerOf(generateKeyPairSync('rsa', { modulusLength: 3072 }));
const owners: readonly Owner[] = [rsa, ec('prime256v1'), ec('secp384r1')];

function deal(threshold = 2, resharing = 1, cluster = CLUSTER): Promise<RecoveryHeader> {
  const publicKeys = owners.map(({ publicKey }) => publicKey);
  return dealShares({ seed, clusterId: cluster, resharing, threshold, owners: publicKeys });
}

async function opened(header: RecoveryHeader, at: number): Promise<RecoveryShare> {
  const { privateKey } = owners[at] ?? rsa;
  return openShare(header.shares[at]?.jwe ?? '', privateKey);
}

async function bytesOf(header: RecoveryHeader, at: number): Promise<Secret> {
  return encodeShare(await opened(header, at));
}

function code(expected: string): Error {
  return expect.objectContaining({ code: expected }) as Error;
}

describe('shares for owners', () => {
  it('of RSA, P-256 and P-384 keys give the seed back, in any order, at any replica', async () => {
    const header = await deal(2);
    for (const [first, second] of [
      [0, 1],
      [1, 2],
      [2, 0],
    ] as const) {
      // Each replica reads its own disk.
      const read = decodeRecoveryHeaderUnverified(encodeRecoveryHeader(header));
      const collector = new ShareCollector(read);
      expect(collector.add(await bytesOf(header, first))).toMatchObject({
        received: 1,
        threshold: 2,
      });
      expect(collector.isComplete).toBe(false);
      const progress = collector.add(await bytesOf(header, second));
      expect(progress.missing).toEqual([
        header.shares.find((_, at) => at !== first && at !== second)?.owner,
      ]);
      expect(collector.isComplete).toBe(true);
      expect(collector.open().equals(seed)).toBe(true);
    }
  });

  it('work for one of one and for all of three', async () => {
    const single = await dealShares({
      seed,
      clusterId: CLUSTER,
      resharing: 1,
      threshold: 1,
      owners: [rsa.publicKey],
    });
    const alone = new ShareCollector(single);
    alone.add(encodeShare(await openShare(single.shares[0]?.jwe ?? '', rsa.privateKey)));
    expect(alone.open().equals(seed)).toBe(true);
    const header = await deal(3);
    const all = new ShareCollector(header);
    for (const at of [2, 0, 1]) all.add(await bytesOf(header, at));
    expect(all.open().equals(seed)).toBe(true);
  });

  it('are JWEs of registered algorithms, and say in the clear what they are bound to', async () => {
    const header = await deal();
    const algorithms = header.shares.map(({ jwe }) => {
      const [first = ''] = jwe.split('.');
      return JSON.parse(Buffer.from(first, 'base64url').toString()) as Record<string, unknown>;
    });
    expect(algorithms.map(({ alg }) => alg)).toEqual([
      'RSA-OAEP-256',
      'ECDH-ES+A256KW',
      'ECDH-ES+A256KW',
    ]);
    expect(algorithms[1]).toMatchObject({
      enc: 'A256GCM',
      kid: ownerFingerprint(owners[1]?.publicKey ?? rsa.publicKey),
      'witan-cluster': CLUSTER,
      'witan-resharing': 1,
      'witan-share': '2 of 3, 2 needed',
    });
  });

  it('open with their own owner’s key alone', async () => {
    const header = await deal();
    const jwe = header.shares[1]?.jwe ?? '';
    await expect(openShare(jwe, ec('prime256v1').privateKey)).rejects.toMatchObject({
      code: 'KEYS_SHARE_NOT_FOR_KEY',
    });
    await expect(openShare(jwe, rsa.privateKey)).rejects.toMatchObject({
      code: 'KEYS_SHARE_NOT_FOR_KEY',
    });
  });

  it('that were altered do not open, at any character (I10)', async () => {
    const header = await deal();
    const jwe = header.shares[1]?.jwe ?? '';
    const { privateKey } = owners[1] ?? rsa;
    for (let at = 0; at < jwe.length; at += 11) {
      const other = jwe[at] === 'A' ? 'B' : 'A';
      const altered = jwe.slice(0, at) + other + jwe.slice(at + 1);
      if (jwe[at] === '.') continue;
      const result = await openShare(altered, privateKey).catch((error: unknown) => error);
      // The last character of a part may carry unused bits; then it is still the same share.
      if (!(result instanceof Error)) expect(result).toEqual(await opened(header, 1));
      else expect(result).toMatchObject({ code: expect.stringMatching(/^KEYS_SHARE_/) as unknown });
    }
    for (const rubbish of ['', 'a.b.c', 'x'.repeat(5000), '....', '{"a":1}', `${jwe}.x`]) {
      await expect(openShare(rubbish, privateKey)).rejects.toMatchObject({
        code: 'KEYS_SHARE_MALFORMED',
      });
    }
  });

  it('are not made for keys that cannot hold one, or for impossible numbers', async () => {
    const ed25519 = ownerOf(generateKeyPairSync('ed25519')).publicKey;
    const small = ownerOf(generateKeyPairSync('rsa', { modulusLength: 2048 })).publicKey;
    const k1 = ec('secp256k1').publicKey;
    const base = { seed, clusterId: CLUSTER, resharing: 1, threshold: 1 };
    for (const key of [ed25519, small, k1, new Uint8Array(5), new Uint8Array(9999)]) {
      await expect(dealShares({ ...base, owners: [key] })).rejects.toMatchObject({
        code: 'KEYS_SHARE_OWNER_KEY_UNSUPPORTED',
      });
    }
    const twice = [rsa.publicKey, rsa.publicKey];
    const impossible = [
      { ...base, owners: twice },
      { ...base, owners: [] },
      { ...base, threshold: 0, owners: [rsa.publicKey] },
      { ...base, threshold: 2, owners: [rsa.publicKey] },
      { ...base, threshold: 1.5, owners: owners.map(({ publicKey }) => publicKey) },
      { ...base, resharing: 0, owners: [rsa.publicKey] },
    ];
    for (const options of impossible) {
      await expect(dealShares(options)).rejects.toMatchObject({ code: 'KEYS_SHARE_PARAMETERS' });
    }
  });
});

describe('collecting shares', () => {
  it('names each wrong share, and goes on as if it had not come', async () => {
    const header = await deal(2);
    const collector = new ShareCollector(header);
    collector.add(await bytesOf(header, 0));
    const good = await opened(header, 1);
    const foreign = await deal(2, 1, clusterId('d'.repeat(64)));
    const older = await deal(2, 2);
    const sibling = await deal(2);
    const wrongs: readonly (readonly [Secret, string])[] = [
      [await bytesOf(foreign, 1), 'KEYS_SHARE_WRONG_CLUSTER'],
      [await bytesOf(older, 1), 'KEYS_SHARE_WRONG_RESHARING'],
      [encodeShare({ ...good, threshold: 1 }), 'KEYS_SHARE_MIXED'],
      [encodeShare({ ...good, count: 4 }), 'KEYS_SHARE_MIXED'],
      [encodeShare({ ...good, index: 3 }), 'KEYS_SHARE_MIXED'],
      [encodeShare({ ...good, owner: sha256Hex('9'.repeat(64)) }), 'KEYS_SHARE_MIXED'],
      // Same numbers, but of another dealing: only the commitment tells.
      [await bytesOf(sibling, 1), 'KEYS_SHARE_DAMAGED'],
      [encodeShare({ ...good, value: new Secret(new Uint8Array(32)) }), 'KEYS_SHARE_DAMAGED'],
      [await bytesOf(header, 0), 'KEYS_SHARE_DUPLICATE'],
      [new Secret(new Uint8Array(40)), 'KEYS_SHARE_MALFORMED'],
    ];
    for (const [bytes, expected] of wrongs) {
      expect(() => collector.add(bytes), expected).toThrow(code(expected));
      expect(collector.progress.received).toBe(1);
    }
    expect(() => collector.open()).toThrow(code('KEYS_SHARES_TOO_FEW'));
    collector.add(encodeShare(good));
    expect(collector.open().equals(seed)).toBe(true);
    collector.wipe();
    expect(collector.progress.received).toBe(0);
  });

  it('names the owner whose share is wrong, and no secret', async () => {
    const header = await deal(2);
    const good = await opened(header, 2);
    const bad = encodeShare({ ...good, value: new Secret(new Uint8Array(32).fill(5)) });
    const collector = new ShareCollector(header);
    let error: unknown;
    try {
      collector.add(bad);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ fields: { owner: header.shares[2]?.owner } });
    expect(JSON.stringify(error)).not.toContain('05050505');
  });

  it('with a header that was altered or put together never gives a wrong seed', async () => {
    const header = await deal(2);
    const other = await deal(2);
    const shares = [await bytesOf(header, 0), await bytesOf(header, 1)];
    const flipped = Uint8Array.from(header.wrappedSeed);
    flipped[20] = (flipped[20] ?? 0) ^ 1;
    const altered: readonly RecoveryHeader[] = [
      { ...header, wrappedSeed: other.wrappedSeed },
      { ...header, wrappedSeed: flipped },
      { ...header, shares: [...header.shares.slice(0, 2), ...other.shares.slice(2)] },
    ];
    for (const bad of altered) {
      const collector = new ShareCollector(bad);
      for (const share of shares) collector.add(share);
      expect(() => collector.open()).toThrow(code('KEYS_RECOVERY_HEADER_NOT_AUTHENTIC'));
    }
  });

  it('after resharing takes none of the old shares, and the seed is the same', async () => {
    const before = await deal(2, 1);
    const after = await deal(2, 2);
    const collector = new ShareCollector(after);
    for (const at of [0, 1, 2]) {
      const old = await bytesOf(before, at);
      expect(() => collector.add(old)).toThrow(code('KEYS_SHARE_WRONG_RESHARING'));
    }
    for (const at of [0, 2]) collector.add(await bytesOf(after, at));
    expect(collector.open().equals(seed)).toBe(true);
    // Even relabelled, an old share is not the one that was dealt.
    const forged = encodeShare({ ...(await opened(before, 1)), resharing: 2 });
    expect(() => new ShareCollector(after).add(forged)).toThrow(code('KEYS_SHARE_DAMAGED'));
  });
});

describe('encodings', () => {
  it('of shares and headers read back, and refuse every cut (I10)', async () => {
    const header = await deal(2);
    const share = await opened(header, 1);
    const bytes = encodeShare(share);
    const again = decodeShare(bytes);
    expect(commitmentOf(again)).toBe(commitmentOf(share));
    expect(again.value.equals(share.value)).toBe(true);
    for (let length = 0; length < bytes.byteLength; length += 1) {
      const cut = new Secret(bytes.expose().subarray(0, length));
      expect(() => decodeShare(cut)).toThrow(code('KEYS_SHARE_MALFORMED'));
    }
    // Found by fuzzing: a label that is no text.
    const bent = new Secret(bytes.expose().map((byte, at) => (at === 5 ? 0xc1 : byte)));
    expect(() => decodeShare(bent)).toThrow(code('KEYS_SHARE_MALFORMED'));
    const encoded = encodeRecoveryHeader(header);
    expect(decodeRecoveryHeaderUnverified(encoded)).toEqual(header);
    for (let length = 0; length < encoded.byteLength; length += 17) {
      expect(() => decodeRecoveryHeaderUnverified(encoded.subarray(0, length))).toThrow(
        code('KEYS_RECOVERY_HEADER_MALFORMED'),
      );
    }
    const huge = new Uint8Array(300 * 1024);
    expect(() => decodeRecoveryHeaderUnverified(huge)).toThrow(
      code('KEYS_RECOVERY_HEADER_MALFORMED'),
    );
  });

  it('of a header hold neither seed nor share in the clear', async () => {
    const header = await deal(2);
    const encoded = Buffer.from(encodeRecoveryHeader(header));
    expect(encoded.includes(seed.expose())).toBe(false);
    for (const at of [0, 1, 2]) {
      expect(encoded.includes((await opened(header, at)).value.expose())).toBe(false);
    }
  });
});
