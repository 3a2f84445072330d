import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
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
