import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret, clusterId, epoch, incarnationId, utf8 } from '@witan/core';
import {
  SEAL_VERSION,
  SealingGenerations,
  createSealer,
  createSeed,
  createUnsealer,
  parseSealHeader,
  seedFromBytes,
  type SealUse,
} from '@witan/keys';

const CLUSTER = clusterId('c'.repeat(64));
const seed = createSeed();
const AAD = utf8('place');

let counter = 0;
function parts(use: SealUse = 'journal-record') {
  counter += 1;
  const incarnation = incarnationId(counter.toString(16).padStart(64, '0'));
  return { seed, clusterId: CLUSTER, epoch: epoch(1), incarnation, use };
}

function code(expected: string): Error {
  return expect.objectContaining({ code: expected }) as Error;
}

describe('generations of sealing keys (I4, I9)', () => {
  it('let a retired disk, even with the seed, open nothing that came later', () => {
    const generations = new SealingGenerations(seed, CLUSTER);
    generations.begin(SealingGenerations.draw());
    const options = parts();
    const sealer = createSealer({ ...options, generations });
    const before = sealer.seal(utf8('before'), AAD);
    // What the retired disk keeps: the list as of its last write.
    const retired = new SealingGenerations(seed, CLUSTER);
    retired.restore(generations.encode());
    generations.begin(SealingGenerations.draw());
    const after = sealer.seal(utf8('after'), AAD);
    expect(parseSealHeader(after).generation).toBe(2);

    const old = createUnsealer({ ...options, generations: retired });
    expect(old.open(before, AAD)).toEqual(utf8('before'));
    expect(() => old.open(after, AAD)).toThrow(code('KEYS_SEAL_GENERATION_UNKNOWN'));
    expect(() => createUnsealer(options).open(after, AAD)).toThrow(
      code('KEYS_SEAL_GENERATION_UNKNOWN'),
    );
    // Nor does another entropy or a header that names an older generation help.
    retired.begin(SealingGenerations.draw());
    expect(() => old.open(after, AAD)).toThrow(code('KEYS_SEAL_NOT_AUTHENTIC'));
    const relabelled = Uint8Array.from(after);
    relabelled[5] = 1;
    expect(() => old.open(relabelled, AAD)).toThrow(code('KEYS_SEAL_NOT_AUTHENTIC'));
    // A current disk, which has the list, does open with the seed: full recovery needs that.
    const current = new SealingGenerations(seed, CLUSTER);
    current.restore(generations.encode());
    expect(createUnsealer({ ...options, generations: current }).open(after, AAD)).toEqual(
      utf8('after'),
    );
  });

  it('never repeat a nonce under one key, also for two sealers of one incarnation', () => {
    const generations = new SealingGenerations(seed, CLUSTER);
    const options = { ...parts(), generations };
    const seen = new Set<string>();
    for (let generation = 0; generation < 3; generation += 1) {
      for (const sealer of [createSealer(options), createSealer(options)]) {
        for (let count = 0; count < 5; count += 1) {
          const header = parseSealHeader(sealer.seal(utf8('x'), AAD));
          expect(header.generation).toBe(generation);
          seen.add(`${header.generation}/${Buffer.from(header.nonce).toString('hex')}`);
        }
      }
      generations.begin(SealingGenerations.draw());
    }
    expect(seen.size).toBe(30);
  });

  it('are taken up from a longer list, and not taken back by a shorter one', () => {
    const long = new SealingGenerations(seed, CLUSTER);
    const short = new SealingGenerations(seed, CLUSTER);
    const entropy = SealingGenerations.draw();
    for (const list of [long, short]) list.begin(entropy);
    long.begin(SealingGenerations.draw());
    short.restore(long.encode());
    expect(short.current).toBe(2);
    short.begin(SealingGenerations.draw());
    short.restore(long.encode());
    expect(short.current).toBe(3);
    const other = new SealingGenerations(seed, CLUSTER);
    other.begin(SealingGenerations.draw());
    expect(() => {
      other.restore(long.encode());
    }).toThrow(code('KEYS_SEAL_GENERATIONS_MALFORMED'));
  });

  it('refuse rubbish with a code (I10)', () => {
    const generations = new SealingGenerations(seed, CLUSTER);
    for (const bytes of [utf8(''), utf8('rubbish'), new Uint8Array(300)]) {
      expect(() => {
        generations.restore(new Secret(bytes));
      }).toThrow(code('KEYS_SEAL_GENERATIONS_MALFORMED'));
    }
    expect(() => {
      generations.begin(new Secret(new Uint8Array(31)));
    }).toThrow(code('KEYS_SEAL_GENERATIONS_MALFORMED'));
    expect(() => generations.rootOf(1)).toThrow(code('KEYS_SEAL_GENERATION_UNKNOWN'));
  });
});

describe('generations over a rotation of the seed', () => {
  const first = seedFromBytes(new Uint8Array(32).fill(0x51));
  const next = seedFromBytes(new Uint8Array(32).fill(0x5e));
  const salt = new Secret(new Uint8Array(32).fill(0x5a));
  const rotated = (): SealingGenerations => {
    const generations = new SealingGenerations(seedFromBytes(first.expose()), CLUSTER);
    generations.begin(new Secret(new Uint8Array(32).fill(1)));
    generations.beginUnder({ number: 2, seed: seedFromBytes(next.expose()) }, salt);
    generations.begin(new Secret(new Uint8Array(32).fill(2)));
    return generations;
  };

  it('are opened by the seed in force and its list, and not by the former one (I4)', () => {
    const current = rotated();
    expect(current.seedNumber).toBe(2);
    const list = current.encode();
    // The list goes without the seed that it is sealed under.
    expect(Buffer.from(list.expose()).includes(Buffer.from(next.expose()))).toBe(false);
    const recovered = new SealingGenerations([], CLUSTER);
    recovered.restore(list, { number: 2, seed: seedFromBytes(next.expose()) });
    for (let generation = 0; generation <= 3; generation += 1) {
      expect(recovered.rootOf(generation).equals(current.rootOf(generation))).toBe(true);
    }
    expect(recovered.seeds().map(({ number }) => number)).toEqual([1, 2]);
    // Whoever knows the former seed, all entropies and the salt derives other keys.
    const thief = new SealingGenerations(seedFromBytes(first.expose()), CLUSTER);
    for (const fill of [1, 0x5a, 2]) thief.begin(new Secret(new Uint8Array(32).fill(fill)));
    expect(thief.rootOf(1).equals(current.rootOf(1))).toBe(true);
    expect(thief.rootOf(2).equals(current.rootOf(2))).toBe(false);
    expect(thief.rootOf(3).equals(current.rootOf(3))).toBe(false);
    expect(() => {
      thief.restore(list);
    }).toThrow(code('KEYS_SEAL_GENERATIONS_MALFORMED'));
  });

  it('go with a seed that is forgotten, and the first one stays as a proof alone', () => {
    const current = rotated();
    const kept = current.rootOf(3);
    current.forgetFormer();
    expect(current.rootOf(3)).toBe(kept);
    for (const generation of [0, 1]) {
      expect(() => current.rootOf(generation)).toThrow(code('KEYS_SEAL_GENERATION_UNKNOWN'));
    }
    expect(current.seedOf(1)).toBeUndefined();
    expect(current.seeds().map(({ number }) => number)).toEqual([1, 2]);
    // An older list that comes again brings nothing back.
    current.restore(rotated().encode());
    expect(current.seedOf(1)).toBeUndefined();
    expect(() => current.rootOf(1)).toThrow(code('KEYS_SEAL_GENERATION_UNKNOWN'));
  });

  it('open with what an unsealer kept, no longer than the seed is held', () => {
    const current = rotated();
    const before = new SealingGenerations(seedFromBytes(first.expose()), CLUSTER);
    before.begin(new Secret(new Uint8Array(32).fill(1)));
    const scope = {
      clusterId: CLUSTER,
      epoch: epoch(1),
      incarnation: incarnationId('e'.repeat(64)),
    };
    const use = 'snapshot' as const;
    const sealed = createSealer({ ...scope, seed: first, use, generations: before }).seal(
      utf8('x'),
      utf8(''),
    );
    const unsealer = createUnsealer({ seed: first, clusterId: CLUSTER, use, generations: current });
    expect(unsealer.open(sealed, utf8(''))).toEqual(utf8('x'));
    current.forgetFormer();
    expect(() => unsealer.open(sealed, utf8(''))).toThrow(code('KEYS_SEAL_GENERATION_UNKNOWN'));
  });

  it('are written in one form, and read in no other (I10)', () => {
    const list = rotated().encode().expose();
    expect(createHash('sha256').update(list).digest('hex')).toBe(
      '4825be35ac0169835d490f9f228f9669baab2d19575087d75e746832fa653e75',
    );
    fc.assert(
      fc.property(fc.nat(list.length - 1), fc.nat(255), (at, value) => {
        const read = new SealingGenerations([], CLUSTER);
        try {
          read.restore(new Secret(list.with(at, value)), { number: 2, seed: next });
        } catch (error) {
          expect(error).toMatchObject({ code: 'KEYS_SEAL_GENERATIONS_MALFORMED' });
        }
      }),
      { numRuns: 300 },
    );
  });
});

interface Fixture {
  readonly seed: string;
  readonly clusterId: string;
  readonly entropies: readonly string[];
  readonly cases: readonly {
    readonly use: SealUse;
    readonly aad: string;
    readonly plaintext: string;
    readonly sealed: string;
  }[];
}

const FIXTURES = join(import.meta.dirname, 'fixtures');
const versions = readdirSync(FIXTURES).map((name) =>
  Number(/^sealed-v(\d+)\.json$/.exec(name)?.[1]),
);

function fixtureOf(version: number): Fixture {
  return JSON.parse(readFileSync(join(FIXTURES, `sealed-v${version}.json`), 'utf8')) as Fixture;
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

describe('sealed values of every version', () => {
  it('have committed bytes, up to the version that is written', () => {
    const expected = Array.from({ length: SEAL_VERSION }, (_, at) => at + 1);
    expect(versions.toSorted((left, right) => left - right)).toEqual(expected);
    const newest = fixtureOf(SEAL_VERSION).cases[0]?.sealed ?? '';
    expect(hex(newest)[0]).toBe(SEAL_VERSION);
  });

  it.each(versions)('version %d opens', (version) => {
    const fixture = fixtureOf(version);
    const root = seedFromBytes(hex(fixture.seed));
    const cluster = clusterId(fixture.clusterId);
    const generations = new SealingGenerations(root, cluster);
    for (const entropy of fixture.entropies) generations.begin(new Secret(hex(entropy)));
    expect(fixture.cases.length).toBeGreaterThan(5);
    for (const { use, aad, plaintext, sealed } of fixture.cases) {
      const unsealer = createUnsealer({ seed: root, clusterId: cluster, use, generations });
      expect(unsealer.open(hex(sealed), hex(aad))).toEqual(hex(plaintext));
    }
  });
});
