/**
 * The seeds of one cluster. The first proves the cluster id and stays for good; the last is in
 * force; those between are kept as long as something depends on them. A candidate is the next one,
 * drawn by a leader and held by everybody before owners put it into force. It is never in the log.
 *
 * Wherever the driver hands a seed on, it hands on all of this (I1). A cluster whose seed was never
 * rotated has a chain of one, which is written as its 32 bytes.
 */
import {
  BytesError,
  CanonicalError,
  CanonicalReader,
  CanonicalWriter,
  Secret,
  fromHex,
  sha256Hex,
  toHex,
  type ClusterId,
  type Crypto,
  type Sha256Hex,
} from '@witan/core';
import { ReplicaError } from '../errors.ts';
import type { Seed } from '../ports.ts';
import { clusterIdOf } from './cluster-id.ts';

const LABEL = 'witan/seeds/v1';
const DIGEST_LABEL = 'witan/seed-digest/v1';
/** Length of one seed in bytes. */
export const SEED_BYTES = 32;
/** Candidates that are kept at once: one for each leader that died before all held its own. */
export const CANDIDATES_MAX = 8;
const SEEDS_MAX = 64;
const FIRST = 1;
/** All seeds and candidates with their numbers, in bytes. */
export const SEEDS_BYTES_MAX = 4096;

/** A seed with its place in the row. */
export interface HeldSeed {
  /** 1 for the founding's, then one more each. */
  readonly number: number;
  readonly seed: Secret;
}

/** See the head of this file. */
export interface SeedChain {
  /** Ascending. Empty for a seed that came without its number, as from shares. */
  readonly seeds: readonly HeldSeed[];
  /** Lower numbers are retired: the first is then a proof and nothing else. */
  readonly usableFrom: number;
  readonly candidates: readonly Secret[];
}

/** A chain as one value. */
export function encodeSeeds({ seeds, usableFrom, candidates }: SeedChain): Seed {
  const [first, ...more] = seeds;
  if (first?.number === FIRST && more.length + candidates.length === 0) {
    return new Secret(first.seed.expose());
  }
  const bytes = new CanonicalWriter()
    .text(LABEL)
    .list(seeds, (to, { number, seed }) => to.u32(number).fixed(seed.expose()))
    .u32(usableFrom)
    .list(candidates, (to, seed) => to.fixed(seed.expose()))
    .finish();
  const secret = new Secret(bytes);
  bytes.fill(0);
  return secret;
}

/** @throws ReplicaError REPLICA_SEEDS_MALFORMED, which never quotes what it found */
export function decodeSeeds(seed: Seed): SeedChain {
  if (seed.byteLength === SEED_BYTES) {
    return { seeds: [{ number: FIRST, seed }], usableFrom: FIRST, candidates: [] };
  }
  try {
    const reader = new CanonicalReader(seed.expose());
    if (seed.byteLength > SEEDS_BYTES_MAX || reader.text(64) !== LABEL) throw malformed('label');
    const seeds = reader.list(SEEDS_MAX, (from) => ({
      number: from.u32(),
      seed: readSecret(from),
    }));
    const usableFrom = reader.u32();
    const candidates = reader.list(CANDIDATES_MAX, readSecret);
    reader.end();
    const isAscending = seeds.every(({ number }, at) => number > (seeds[at - 1]?.number ?? 0));
    const newest = seeds.at(-1)?.number ?? FIRST;
    if (!isAscending || usableFrom < FIRST || usableFrom > newest) throw malformed('numbers');
    if (seeds.length > 0 && seeds[0]?.number !== FIRST) throw malformed('first');
    if (seeds.length + candidates.length === 0) throw malformed('none');
    const isPlain = seeds.length === 1 && candidates.length === 0;
    if (isPlain) throw malformed('spelling');
    return { seeds, usableFrom, candidates };
  } catch (error) {
    const isForm = error instanceof CanonicalError || error instanceof BytesError;
    if (isForm) throw malformed(error.code);
    throw error;
  }
}

/** A seed whose number is not known, such as shares give. */
export function unnumbered(crypto: Pick<Crypto, 'hash'>, seed: Secret, cluster: ClusterId): Seed {
  if (clusterIdOf(crypto, seed) === cluster) return seed;
  return encodeSeeds({ seeds: [], usableFrom: FIRST, candidates: [seed] });
}

/** Whether the first seed proves the cluster id. Later ones are judged by the history. */
export function fitsCluster(crypto: Pick<Crypto, 'hash'>, seed: Seed, cluster: ClusterId): boolean {
  try {
    const [first] = decodeSeeds(seed).seeds;
    return first !== undefined && clusterIdOf(crypto, first.seed) === cluster;
  } catch (error) {
    if (error instanceof ReplicaError) return false;
    throw error;
  }
}

/** SHA-256 over label, cluster id, number and seed: what the state knows of a seed (I9). */
export function seedDigest(
  crypto: Pick<Crypto, 'hash'>,
  cluster: ClusterId,
  number: number,
  seed: Secret,
): Sha256Hex {
  const head = new CanonicalWriter().text(DIGEST_LABEL).fixed(fromHex(cluster)).u32(number);
  return sha256Hex(toHex(crypto.hash('sha256', head.finish(), seed.expose())));
}

/** The seed in force. */
export function seedInForce(seed: Seed): HeldSeed | undefined {
  return decodeSeeds(seed).seeds.at(-1);
}

/** The seeds that one replica holds, as they change. */
export class SeedRing {
  readonly #crypto: Pick<Crypto, 'hash'>;
  readonly #clusterId: ClusterId;
  #seeds: readonly HeldSeed[];
  #usableFrom: number;
  #candidates: readonly Secret[];

  /** @throws ReplicaError REPLICA_SEEDS_MALFORMED */
  constructor(crypto: Pick<Crypto, 'hash'>, clusterId: ClusterId, seed: Seed) {
    const { seeds, usableFrom, candidates } = decodeSeeds(seed);
    this.#crypto = crypto;
    this.#clusterId = clusterId;
    this.#seeds = seeds;
    this.#usableFrom = usableFrom;
    this.#candidates = candidates;
  }

  /** @throws ReplicaError REPLICA_SEED_MISSING while none has a number */
  get current(): HeldSeed {
    const newest = this.#seeds.at(-1);
    if (newest === undefined) throw missing(FIRST);
    return newest;
  }

  /** The lowest number that still counts, the first apart. */
  get usableFrom(): number {
    return this.#usableFrom;
  }

  /** Those that may come into force. */
  get candidates(): readonly Secret[] {
    return this.#candidates;
  }

  /** A seed to derive from; undefined where it is not held, or retired. */
  of(number: number): Secret | undefined {
    if (number < this.#usableFrom) return undefined;
    return this.#seeds.find((held) => held.number === number)?.seed;
  }

  /** All of it, to hand on over an attested channel (I1). */
  encode(withCandidates = true): Seed {
    return encodeSeeds({
      seeds: this.#seeds,
      usableFrom: this.#usableFrom,
      candidates: withCandidates ? this.#candidates : [],
    });
  }

  /** Keeps what may come into force; the oldest goes where there are too many. */
  hold(candidate: Secret): void {
    if (this.#candidates.some((known) => known.equals(candidate))) return;
    this.#candidates = [...this.#candidates, candidate].slice(-CANDIDATES_MAX);
  }

  /** The candidate that the state names. */
  candidateOf(number: number, digest: Sha256Hex): Secret | undefined {
    return this.#candidates.find((seed) => this.#digest(number, seed) === digest);
  }

  /**
   * Puts the seed into force that the state names. With a candidate the others are forgotten.
   *
   * @throws ReplicaError REPLICA_SEED_MISSING where it is not held (I10)
   */
  activate(number: number, digest: Sha256Hex): HeldSeed {
    const held = this.#seeds.find((known) => known.number === number);
    const seed = held?.seed ?? this.candidateOf(number, digest);
    if (seed === undefined || this.#digest(number, seed) !== digest) throw missing(number);
    if (held === undefined) {
      this.#seeds = [...this.#seeds, { number, seed }];
      this.#candidates = [];
    }
    return { number, seed };
  }

  /** Whether one of a number is held and is the one that the state names. */
  fits(number: number, digest: Sha256Hex): boolean {
    const held = this.#seeds.find((known) => known.number === number);
    return held !== undefined && this.#digest(number, held.seed) === digest;
  }

  /** Forgets the former seeds, but the first, which proves the cluster id from now on. */
  forgetFormer(): void {
    const { number } = this.current;
    this.#seeds = this.#seeds.filter((held) => held.number === number || held.number === FIRST);
    this.#usableFrom = number;
  }

  /** Forgets seeds that a state does not know: those of another log. */
  forgetLater(number: number): void {
    this.#seeds = this.#seeds.filter((held) => held.number <= number);
    this.#usableFrom = Math.min(this.#usableFrom, number);
  }

  #digest(number: number, seed: Secret): Sha256Hex {
    return seedDigest(this.#crypto, this.#clusterId, number, seed);
  }
}

function readSecret(reader: CanonicalReader): Secret {
  const bytes = reader.fixed(SEED_BYTES);
  const secret = new Secret(bytes);
  bytes.fill(0);
  return secret;
}

function missing(number: number): ReplicaError {
  const message = 'this replica does not hold the seed that is in force';
  return new ReplicaError('REPLICA_SEED_MISSING', message, { fields: { expected: number } });
}

function malformed(check: string): ReplicaError {
  const message = 'bytes are not the seeds of a cluster';
  return new ReplicaError('REPLICA_SEEDS_MALFORMED', message, { fields: { check } });
}
