/** Where owners' shares come together, with headers that a host made up. */
import { beforeAll, describe, expect, it } from 'vitest';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { clusterId, Secret, type ClusterId } from '@witan/core';
import {
  createSeed,
  dealShares,
  decodeShare,
  encodeShare,
  openShare,
  type Seed,
} from '@witan/keys';
import { encodeRecoveryHeader, type RecoveryHeader } from '@witan/manifest';
import { CollectedShares, HEADERS_MAX } from '../src/recovery/share-desk.ts';

const CLUSTER = clusterId('c1'.repeat(32));
const OTHER = clusterId('c2'.repeat(32));

interface Owner {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

interface Dealt {
  readonly seed: Seed;
  readonly header: RecoveryHeader;
  readonly bytes: Uint8Array;
  readonly shares: readonly Secret[];
}

function makeOwner(): Owner {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return { publicKey: Uint8Array.from(der), privateKey };
}

const owners = [makeOwner(), makeOwner(), makeOwner()];

async function deal(cluster: ClusterId = CLUSTER, resharing = 1, threshold = 2): Promise<Dealt> {
  const seed = createSeed();
  const publicKeys = owners.map(({ publicKey }) => publicKey);
  const options = { seed, clusterId: cluster, resharing, threshold, owners: publicKeys };
  const header = await dealShares(options);
  const shares = await Promise.all(
    header.shares.map(async ({ jwe }, at) => {
      const owner = owners[at];
      if (owner === undefined) throw new Error('an owner for each share');
      return encodeShare(await openShare(jwe, owner.privateKey));
    }),
  );
  return { seed, header, bytes: encodeRecoveryHeader(header), shares };
}

/** The real header with another sealed seed: takes all real shares and opens with none. */
function altered({ header }: Dealt, digit: number): Uint8Array {
  const wrappedSeed = Uint8Array.from(header.wrappedSeed);
  wrappedSeed[20] = (wrappedSeed[20] ?? 0) ^ digit;
  return encodeRecoveryHeader({ ...header, wrappedSeed });
}

function share(dealt: Dealt, at: number): Secret {
  return dealt.shares[at] ?? new Secret(new Uint8Array(0));
}

function seedsOf(desk: CollectedShares): readonly string[] {
  return desk.seeds().map(({ seed }) => Buffer.from(seed.expose()).toString('hex'));
}

function hexOf(seed: Seed): string {
  return Buffer.from(seed.expose()).toString('hex');
}

let real: Dealt;
let forged: Dealt;

beforeAll(async () => {
  real = await deal();
  // Made up as a whole, with shares that fit: for the same cluster and the same owners.
  forged = await deal(CLUSTER, 9);
});

describe('shares', () => {
  it('open the seed in any order once there are enough, and the same one counts once', () => {
    const desk = new CollectedShares();
    desk.learn(real.bytes);
    expect(desk.count()).toMatchObject({ received: 0, threshold: 2, owners: [] });
    const first = desk.add(share(real, 2));
    expect(first).toEqual({ owner: real.header.shares[2]?.owner, clusterId: CLUSTER });
    expect(desk.add(share(real, 2))).toEqual(first);
    expect(desk.count()).toMatchObject({ received: 1, owners: [first.owner] });
    expect(desk.count().missing).toHaveLength(2);
    expect(desk.seeds()).toEqual([]);
    desk.add(share(real, 0));
    expect(seedsOf(desk)).toEqual([hexOf(real.seed)]);
    expect(desk.shares()).toHaveLength(2);
  });

  it('keeps a copy of each, which is gone once it is wiped', () => {
    const desk = new CollectedShares();
    desk.learn(real.bytes);
    const given = new Secret(share(real, 0).expose());
    desk.add(given);
    given.wipe();
    const [kept] = desk.shares();
    expect(kept?.equals(share(real, 0))).toBe(true);
    desk.wipe();
    expect(kept?.expose().every((byte) => byte === 0)).toBe(true);
    expect(desk.headers()).toEqual([]);
    expect(desk.count().received).toBe(0);
  });

  it('are refused with what says most: damaged, mixed, another set, another cluster', async () => {
    const desk = new CollectedShares();
    desk.learn(real.bytes);
    desk.learn((await deal(OTHER, 3)).bytes);
    const bytes = Uint8Array.from(share(real, 0).expose());
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const refusal = (code: string): unknown => expect.objectContaining({ code });
    expect(() => desk.add(new Secret(bytes))).toThrow(refusal('KEYS_SHARE_DAMAGED'));
    const mixed = await deal(CLUSTER, 1, 3);
    expect(() => desk.add(share(mixed, 0))).toThrow(refusal('KEYS_SHARE_MIXED'));
    const next = await deal(CLUSTER, 2);
    expect(() => desk.add(share(next, 0))).toThrow(refusal('KEYS_SHARE_WRONG_RESHARING'));
    const foreign = await deal(clusterId('c3'.repeat(32)));
    expect(() => desk.add(share(foreign, 0))).toThrow(refusal('KEYS_SHARE_WRONG_CLUSTER'));
    const noise = new Secret(new Uint8Array(40));
    expect(() => desk.add(noise)).toThrow(refusal('KEYS_SHARE_MALFORMED'));
    expect(desk.count().received).toBe(0);
    expect(desk.shares()).toEqual([]);
  });

  it('are not taken before there is a header to check them by', () => {
    const desk = new CollectedShares();
    desk.learn(Uint8Array.of(1, 2, 3));
    const refusal: unknown = expect.objectContaining({ code: 'KEYS_SHARE_HEADER_UNKNOWN' });
    expect(() => desk.add(share(real, 0))).toThrow(refusal);
  });
});

describe('forged headers', () => {
  it('with another seal take shares, are found out, and leave the shares to the real one', () => {
    const desk = new CollectedShares();
    const headers = Array.from({ length: HEADERS_MAX }, (_, at) => altered(real, at + 1));
    for (const header of headers) desk.learn(header);
    desk.learn(real.bytes);
    expect(desk.headers()).toHaveLength(HEADERS_MAX);
    desk.add(share(real, 0));
    desk.add(share(real, 1));
    expect(desk.seeds()).toEqual([]);
    expect(desk.headers()).toEqual([]);
    // Peers tell of the real one again, and of those that were found out.
    for (const header of [...headers, real.bytes]) desk.learn(header);
    expect(seedsOf(desk)).toEqual([hexOf(real.seed)]);
    expect(desk.headers()).toHaveLength(1);
  });

  it('that take no share make room for one that takes some', async () => {
    const desk = new CollectedShares();
    desk.learn(real.bytes);
    desk.add(share(real, 0));
    for (let at = 1; at < HEADERS_MAX; at += 1) desk.learn((await deal(OTHER, at)).bytes);
    desk.learn(altered(real, 7));
    expect(desk.headers()).toContainEqual(real.bytes);
    expect(desk.headers()).toContainEqual(altered(real, 7));
    expect(desk.headers()).toHaveLength(HEADERS_MAX);
    const late = (await deal(OTHER, 20)).bytes;
    desk.learn(late);
    expect(desk.headers()).not.toContainEqual(late);
  });

  it('with shares of their own do not stand before the real one', () => {
    const desk = new CollectedShares();
    for (const { bytes } of [forged, real]) desk.learn(bytes);
    desk.add(share(forged, 0));
    desk.add(share(forged, 1));
    desk.add(share(real, 0));
    expect(seedsOf(desk)).toEqual([hexOf(forged.seed)]);
    // A disk of another cluster, or none at all, says nothing of it; one of this cluster does.
    desk.tried(forged.seed, false, [OTHER]);
    expect(desk.count().received).toBe(2);
    desk.tried(forged.seed, false, [CLUSTER]);
    expect(desk.count()).toMatchObject({ received: 1, owners: [real.header.shares[0]?.owner] });
    desk.add(share(real, 1));
    expect(seedsOf(desk)).toEqual([hexOf(real.seed), hexOf(forged.seed)]);
    // The same list as long as there is nothing new to try.
    expect(desk.seeds()).toBe(desk.seeds());
    // Whoever made the other header up speaks for the other seed alone.
    expect(desk.authorisers(real.seed)).toMatchObject({
      threshold: 2,
      owners: real.header.shares.slice(0, 2).map(({ owner }) => owner),
    });
    expect(desk.authorisers(createSeed())).toBeUndefined();
    desk.tried(real.seed, true, [CLUSTER]);
    desk.tried(real.seed, false, [CLUSTER]);
    expect(seedsOf(desk)[0]).toBe(hexOf(real.seed));
  });
});

it('counts the newest set of shares where nothing else tells them apart', async () => {
  const desk = new CollectedShares();
  const next = await deal(CLUSTER, 2, 3);
  for (const { bytes } of [next, real]) desk.learn(bytes);
  expect(desk.count().threshold).toBe(3);
  desk.add(share(real, 0));
  expect(desk.count().threshold).toBe(2);
  expect(decodeShare(share(real, 0)).resharing).toBe(1);
});
