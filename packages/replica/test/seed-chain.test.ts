/** The seeds of a cluster as they are handed on, and what a replica does without the right one. */
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret, clusterId, concatBytes, toHex, utf8 } from '@witan/core';
import type { StateView } from '@witan/state-machine';
import { ReplicaError, decodeSeeds, encodeSeeds, seedDigest, seedInForce } from '@witan/replica';
import { clusterIdOf } from '../src/life/cluster-id.ts';
import {
  CANDIDATES_MAX,
  SeedRing,
  fitsCluster,
  unnumbered,
  type SeedChain,
} from '../src/life/seed-chain.ts';
import { alignSeeds } from '../src/life/seed-desk.ts';

const crypto = {
  hash: (_algorithm: string, ...parts: readonly Uint8Array[]): Uint8Array => {
    const digest = createHash('sha256');
    for (const part of parts) digest.update(part);
    return new Uint8Array(digest.digest());
  },
};
const seedOf = (fill: number): Secret => new Secret(new Uint8Array(32).fill(fill));
const [FIRST, SECOND, THIRD] = [seedOf(1), seedOf(2), seedOf(3)];
const CLUSTER = clusterIdOf(crypto, FIRST);
const chain = (change: Partial<SeedChain> = {}): SeedChain => ({
  seeds: [
    { number: 1, seed: FIRST },
    { number: 2, seed: SECOND },
  ],
  usableFrom: 1,
  candidates: [THIRD],
  ...change,
});
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

describe('the seeds of a cluster as one value', () => {
  it('are the 32 bytes of the first one, as long as there is no other', () => {
    const one = chain({ seeds: [{ number: 1, seed: FIRST }], candidates: [] });
    expect(encodeSeeds(one).equals(FIRST)).toBe(true);
    expect(seedInForce(FIRST)).toEqual({ number: 1, seed: FIRST });
  });

  it('come out as they went in', () => {
    for (const some of [
      chain(),
      chain({ usableFrom: 2, candidates: [] }),
      chain({ seeds: [], candidates: [SECOND] }),
    ]) {
      const read = decodeSeeds(encodeSeeds(some));
      expect(encodeSeeds(read).equals(encodeSeeds(some))).toBe(true);
      expect(read.usableFrom).toBe(some.usableFrom);
    }
    expect(seedInForce(encodeSeeds(chain()))?.number).toBe(2);
  });

  it('are proved by the first one alone (I6)', () => {
    expect(fitsCluster(crypto, encodeSeeds(chain()), CLUSTER)).toBe(true);
    expect(fitsCluster(crypto, FIRST, CLUSTER)).toBe(true);
    expect(fitsCluster(crypto, SECOND, CLUSTER)).toBe(false);
    expect(fitsCluster(crypto, unnumbered(crypto, SECOND, CLUSTER), CLUSTER)).toBe(false);
    expect(unnumbered(crypto, FIRST, CLUSTER)).toBe(FIRST);
  });

  it('are refused in any other form, and never quoted (I10)', () => {
    const bytes = encodeSeeds(chain()).expose();
    const wrong = [
      new Uint8Array(31),
      new Uint8Array(5000),
      concatBytes(bytes, new Uint8Array(1)),
      encodeSeeds(chain({ seeds: [{ number: 2, seed: SECOND }] })).expose(),
      encodeSeeds(chain({ usableFrom: 3 })).expose(),
      encodeSeeds(chain({ seeds: [], candidates: [] })).expose(),
    ];
    for (const one of wrong) {
      expect(() => decodeSeeds(new Secret(one))).toThrow(code('REPLICA_SEEDS_MALFORMED'));
    }
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        try {
          const read = decodeSeeds(new Secret(bytes.with(at, value)));
          expect(encodeSeeds(read).byteLength).toBe(bytes.length);
        } catch (error) {
          if (!(error instanceof ReplicaError)) throw error;
          expect(JSON.stringify(error.fields)).not.toContain(toHex(SECOND.expose()));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the digest of a seed', () => {
  it('is the known answer, computed with Python, and names cluster and number (I9)', () => {
    const id = clusterId('c1'.repeat(32));
    const seed = new Secret(Uint8Array.from({ length: 32 }, (_, at) => at));
    const digest = seedDigest(crypto, id, 2, seed);
    expect(digest).toBe('35a84011ee960c9f4f772627ba56f21d016973eb48c949bf181f8d3f619b6f28');
    expect(seedDigest(crypto, id, 3, seed)).not.toBe(digest);
    expect(seedDigest(crypto, clusterId('c2'.repeat(32)), 2, seed)).not.toBe(digest);
  });
});

describe('a replica', () => {
  const digest = seedDigest(crypto, CLUSTER, 2, SECOND);
  const stateAt = (number: number, usableFrom = 1) => {
    const digestOf = (of: number) => (of === 2 ? digest : undefined);
    const rotations = { seeds: { number, usableFrom, digestOf } };
    return { rotations } as unknown as Pick<StateView<unknown>, 'rotations'>;
  };

  it('takes up the candidate that the state names, and no other one (I1)', () => {
    const ring = new SeedRing(crypto, CLUSTER, FIRST);
    for (let fill = 9; fill < 9 + 2 * CANDIDATES_MAX; fill += 1) ring.hold(seedOf(fill));
    ring.hold(SECOND);
    expect(ring.candidates).toHaveLength(CANDIDATES_MAX);
    expect(alignSeeds(ring, undefined, stateAt(2))).toBe(true);
    expect(ring.current.seed.equals(SECOND)).toBe(true);
    expect(ring.candidates).toEqual([]);
    expect(alignSeeds(ring, undefined, stateAt(2))).toBe(false);
  });

  it('stops where it does not hold the seed that comes into force (I10)', () => {
    const ring = new SeedRing(crypto, CLUSTER, FIRST);
    ring.hold(THIRD);
    expect(() => alignSeeds(ring, undefined, stateAt(2))).toThrow(code('REPLICA_SEED_MISSING'));
    // Neither does another one count that came under this number.
    const other = chain({
      seeds: [
        { number: 1, seed: FIRST },
        { number: 2, seed: THIRD },
      ],
    });
    const fed = new SeedRing(crypto, CLUSTER, encodeSeeds(other));
    expect(() => alignSeeds(fed, undefined, stateAt(2))).toThrow(code('REPLICA_SEED_MISSING'));
    const nothing = new SeedRing(crypto, CLUSTER, unnumbered(crypto, SECOND, CLUSTER));
    expect(() => nothing.current).toThrow(code('REPLICA_SEED_MISSING'));
  });

  it('keeps of a retired first seed a proof of the cluster id, and nothing to derive from', () => {
    const ring = new SeedRing(crypto, CLUSTER, encodeSeeds(chain({ candidates: [] })));
    expect(alignSeeds(ring, undefined, stateAt(2, 2))).toBe(true);
    expect(ring.of(1)).toBeUndefined();
    expect(ring.of(2)?.equals(SECOND)).toBe(true);
    expect(fitsCluster(crypto, ring.encode(), CLUSTER)).toBe(true);
  });

  it('hands on what may come into force only where it is meant to', () => {
    const ring = new SeedRing(crypto, CLUSTER, encodeSeeds(chain()));
    expect(decodeSeeds(ring.encode()).candidates).toHaveLength(1);
    expect(decodeSeeds(ring.encode(false)).candidates).toEqual([]);
    expect(JSON.stringify(ring.encode())).not.toContain(toHex(utf8('witan')));
  });
});
