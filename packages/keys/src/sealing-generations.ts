/**
 * Generations of sealing keys. Generation 0 derives from the first seed alone; each later one from
 * the seed of its time and 32 bytes that were drawn when it began, which only those hold who were
 * there or were told. A disk that was retired before a generation began does not hold them, so that
 * disk and the seed together open nothing that is sealed in it.
 *
 * The list grows in the order of the log and is the same on every replica. It holds the former
 * seeds too, as far as they are needed, and is itself sealed under the seed in force (use
 * 'keyring') wherever it is kept. So whoever has the seed in force *and* a current disk opens that
 * disk: full recovery depends on it. Whoever has a former seed opens nothing that is sealed after
 * its time.
 *
 * The first seed stays in the list for good, as the proof of the cluster id; once it is retired, it
 * opens nothing here.
 */
import {
  BytesError,
  CanonicalError,
  CanonicalReader,
  CanonicalWriter,
  Secret,
  type ClusterId,
  type Random,
} from '@witan/core';
import { SEEDS_MAX } from '@witan/manifest';
import { deriveSealingRoot } from './derivations.ts';
import { KeysError } from './errors.ts';
import { nodeRandom } from './node-crypto.ts';
import { SEED_BYTES, seedFromBytes, type Seed } from './seed.ts';

/** Of a list whose generations are all of the first seed. */
const LABEL = 'witan/sealing-generations/v1';
/** With the number of each generation's seed, and the former seeds. */
const LABEL_WITH_SEEDS = 'witan/sealing-generations/v2';

/** Length of what begins a generation, in bytes. */
export const GENERATION_ENTROPY_BYTES = 32;
/** Most generations; a change of members begins one, and so does a rotation of the seed. */
export const GENERATIONS_MAX = 10_000;
/** Most seeds in one list: the first, and those that are needed. */
const SEEDS_HELD_MAX = 64;
const FIRST_SEED = 1;

/** A seed and its place in the row of the cluster's seeds. */
export interface NumberedSeed {
  /** 1 for the founding's. */
  readonly number: number;
  readonly seed: Seed;
}

interface Begun {
  readonly seedNumber: number;
  readonly entropy: Secret;
}

/** See the head of this file. */
export class SealingGenerations {
  readonly #clusterId: ClusterId;
  readonly #seeds = new Map<number, Seed>();
  /** Generation n at n-1. */
  readonly #begun: Begun[] = [];
  readonly #roots = new Map<number, Seed>();
  /** Seeds of lower numbers open nothing; the first is kept all the same. */
  #usableFrom = FIRST_SEED;
  #forgotten = 0;

  /**
   * @param seeds the founding's alone, or several by number, also later ones than is in force
   * @param usableFrom lower numbers are retired
   */
  constructor(
    seeds: Seed | readonly NumberedSeed[],
    clusterId: ClusterId,
    usableFrom: number = FIRST_SEED,
  ) {
    this.#clusterId = clusterId;
    this.#usableFrom = usableFrom;
    const list = Array.isArray(seeds) ? (seeds as readonly NumberedSeed[]) : undefined;
    for (const { number, seed } of list ?? [{ number: FIRST_SEED, seed: seeds as Seed }]) {
      this.#seeds.set(number, seed);
    }
  }

  /** The newest generation: the one to seal under. */
  get current(): number {
    return this.#begun.length;
  }

  /** The number of the seed in force: that of the newest generation. */
  get seedNumber(): number {
    return this.#begun.at(-1)?.seedNumber ?? FIRST_SEED;
  }

  /** The lowest number of a seed that still opens something. */
  get usableFrom(): number {
    return this.#usableFrom;
  }

  /** Grows whenever seeds were forgotten: what derived from them must go too. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Draws what may begin a generation. */
  static draw(random: Random = nodeRandom): Secret {
    const bytes = random.bytes(GENERATION_ENTROPY_BYTES);
    const entropy = new Secret(bytes);
    bytes.fill(0);
    return entropy;
  }

  /**
   * Begins the next generation, under the seed in force.
   *
   * @throws KeysError KEYS_SEAL_GENERATIONS_MALFORMED for another length or too many generations
   */
  begin(entropy: Secret): void {
    const fits = entropy.byteLength === GENERATION_ENTROPY_BYTES;
    if (!fits || this.current >= GENERATIONS_MAX) throw malformed('entropy');
    this.#begun.push({ seedNumber: this.seedNumber, entropy });
  }

  /**
   * Puts a later seed into force and begins a generation under it, also where the list is full:
   * what is sealed from now on must not open with a former seed. Changes nothing where it is known.
   *
   * @param entropy 32 bytes that need not be secret, because the seed is
   */
  beginUnder({ number, seed }: NumberedSeed, entropy: Secret): void {
    if (entropy.byteLength !== GENERATION_ENTROPY_BYTES) throw malformed('entropy');
    this.#learn(number, seed);
    if (number <= this.seedNumber) return;
    this.#begun.push({ seedNumber: number, entropy });
  }

  /** Forgets every seed before the one in force, and what derives from them. */
  forgetFormer(): void {
    const newest = this.seedNumber;
    if (newest <= this.#usableFrom && this.#forgotten > 0) return;
    for (const [number, seed] of this.#seeds) {
      if (number >= newest || number === FIRST_SEED) continue;
      seed.wipe();
      this.#seeds.delete(number);
    }
    for (const [generation, root] of this.#roots) {
      if (this.#seedNumberOf(generation) === newest) continue;
      root.wipe();
      this.#roots.delete(generation);
    }
    this.#usableFrom = newest;
    this.#forgotten += 1;
  }

  /** Whether a generation began with this. */
  knows(entropy: Secret): boolean {
    return this.#begun.some((known) => known.entropy.equals(entropy));
  }

  /** A seed that is held, to derive from; undefined where it is not, or only proves the id. */
  seedOf(number: number): Seed | undefined {
    return number < this.#usableFrom ? undefined : this.#seeds.get(number);
  }

  /** All that are held, ascending, the first one included. */
  seeds(): readonly NumberedSeed[] {
    return [...this.#seeds]
      .map(([number, seed]) => ({ number, seed }))
      .toSorted((left, right) => left.number - right.number);
  }

  /** What a generation's keys derive from. @throws KeysError KEYS_SEAL_GENERATION_UNKNOWN */
  rootOf(generation: number): Seed {
    const known = this.#roots.get(generation);
    if (known !== undefined) return known;
    const begun = this.#begun[generation - 1];
    const seed = this.seedOf(this.#seedNumberOf(generation));
    if (seed === undefined || (begun === undefined && generation !== 0)) {
      const message = 'sealed in a generation of keys that this holder was not told of';
      throw new KeysError('KEYS_SEAL_GENERATION_UNKNOWN', message, {
        fields: { newest: this.current, found: generation },
      });
    }
    if (begun === undefined) return seed;
    const root = deriveSealingRoot(seed, this.#clusterId, generation, begun.entropy);
    this.#roots.set(generation, root);
    return root;
  }

  /** The list as bytes, to be sealed under the seed in force, which is not among them. */
  encode(): Secret {
    const writer = new CanonicalWriter();
    if (this.seedNumber === FIRST_SEED) {
      writer.text(LABEL).list(this.#begun, (to, { entropy }) => to.fixed(entropy.expose()));
    } else {
      const former = this.seeds().filter(({ number }) => number < this.seedNumber);
      writer
        .text(LABEL_WITH_SEEDS)
        .list(this.#begun, (to, begun) => to.u32(begun.seedNumber).fixed(begun.entropy.expose()))
        .list(former, (to, { number, seed }) => to.u32(number).fixed(seed.expose()));
    }
    const bytes = writer.finish();
    const secret = new Secret(bytes);
    bytes.fill(0);
    return secret;
  }

  /**
   * Takes a list up: the generations behind those known here, and former seeds. A shorter one, as
   * an older snapshot holds it, changes nothing.
   *
   * @param sealedUnder the seed that opened it; the one in force here where absent
   * @throws KeysError KEYS_SEAL_GENERATIONS_MALFORMED, also where the lists differ
   */
  restore(encoded: Secret, sealedUnder: NumberedSeed | undefined = this.#newest()): void {
    if (sealedUnder === undefined) throw malformed('no seed');
    const list = decode(encoded, sealedUnder.number);
    // Seeds that the state has retired are known by it, and not by a list that may be older.
    for (const { number, seed } of [...list.seeds, sealedUnder]) this.#learn(number, seed);
    for (const [at, begun] of list.begun.entries()) {
      const known = this.#begun[at];
      if (known === undefined) this.#begun.push(begun);
      else if (!isSame(known, begun)) throw malformed('another list');
    }
  }

  #newest(): NumberedSeed | undefined {
    const seed = this.#seeds.get(this.seedNumber);
    return seed === undefined ? undefined : { number: this.seedNumber, seed };
  }

  #learn(number: number, seed: Seed): void {
    if (number < this.#usableFrom && number !== FIRST_SEED) return;
    const known = this.#seeds.get(number);
    if (known === undefined) this.#seeds.set(number, seedFromBytes(seed.expose()));
    else if (!known.equals(seed)) throw malformed('another seed');
  }

  #seedNumberOf(generation: number): number {
    return generation === 0 ? FIRST_SEED : (this.#begun[generation - 1]?.seedNumber ?? 0);
  }
}

function isSame(left: Begun, right: Begun): boolean {
  return left.seedNumber === right.seedNumber && left.entropy.equals(right.entropy);
}

interface Decoded {
  readonly begun: readonly Begun[];
  readonly seeds: readonly NumberedSeed[];
}

/** @param sealedUnder number of the seed that opened the list: it holds none that is later */
function decode(encoded: Secret, sealedUnder: number): Decoded {
  try {
    const reader = new CanonicalReader(encoded.expose());
    const label = reader.text(64);
    if (label !== LABEL && label !== LABEL_WITH_SEEDS) throw malformed('label');
    const withSeeds = label === LABEL_WITH_SEEDS;
    const begun = reader.list(GENERATIONS_MAX + SEEDS_MAX, (from) => ({
      seedNumber: withSeeds ? from.u32() : FIRST_SEED,
      entropy: secretOf(from, GENERATION_ENTROPY_BYTES),
    }));
    const seeds = withSeeds ? readSeeds(reader) : [];
    reader.end();
    const numbers = begun.map(({ seedNumber }) => seedNumber);
    const areOrdered = numbers.every((number, at) => number >= (numbers[at - 1] ?? FIRST_SEED));
    const isLater = [...numbers, ...seeds.map(({ number }) => number + 1)].some(
      (number) => number > sealedUnder,
    );
    if (!areOrdered || isLater || withSeeds === (sealedUnder === FIRST_SEED)) {
      throw malformed('numbers');
    }
    return { begun, seeds };
  } catch (cause) {
    const isForm = cause instanceof CanonicalError || cause instanceof BytesError;
    if (isForm) throw malformed(cause.code);
    throw cause;
  }
}

function readSeeds(reader: CanonicalReader): readonly NumberedSeed[] {
  const seeds = reader.list(SEEDS_HELD_MAX, (from) => {
    const number = from.u32();
    const secret = secretOf(from, SEED_BYTES);
    const seed = seedFromBytes(secret.expose());
    secret.wipe();
    return { number, seed };
  });
  const areAscending = seeds.every(({ number }, at) => number > (seeds[at - 1]?.number ?? 0));
  if (!areAscending || seeds[0]?.number !== FIRST_SEED) throw malformed('seeds');
  return seeds;
}

function secretOf(reader: CanonicalReader, length: number): Secret {
  const bytes = reader.fixed(length);
  const secret = new Secret(bytes);
  bytes.fill(0);
  return secret;
}

function malformed(check: string): KeysError {
  const message = 'bytes are not a list of sealing generations';
  return new KeysError('KEYS_SEAL_GENERATIONS_MALFORMED', message, { fields: { check } });
}
