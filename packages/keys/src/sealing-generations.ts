/**
 * Generations of sealing keys. Generation 0 derives from the seed alone; each later one from the
 * seed and 32 bytes that were drawn when it began, which only those hold who were there or were
 * told. A disk that was retired before a generation began does not hold them, so that disk and the
 * seed together open nothing that is sealed in it.
 *
 * The list grows in the order of the log and is the same on every replica. It is itself sealed
 * under generation 0 (use 'keyring') wherever it is kept, so whoever has the seed *and* a current
 * disk opens that disk: full recovery depends on it.
 */
import {
  CanonicalError,
  CanonicalReader,
  CanonicalWriter,
  Secret,
  type ClusterId,
  type Random,
} from '@witan/core';
import { deriveSealingRoot } from './derivations.ts';
import { KeysError } from './errors.ts';
import { nodeRandom } from './node-crypto.ts';
import type { Seed } from './seed.ts';

const LABEL = 'witan/sealing-generations/v1';

/** Length of what begins a generation, in bytes. */
export const GENERATION_ENTROPY_BYTES = 32;
/** Most generations; a change of members begins one, and a rotation of the seed starts over. */
export const GENERATIONS_MAX = 10_000;

/** See the head of this file. */
export class SealingGenerations {
  readonly #seed: Seed;
  readonly #clusterId: ClusterId;
  /** Entropy of generation n at n-1. */
  readonly #entropies: Secret[] = [];
  readonly #roots = new Map<number, Seed>();

  constructor(seed: Seed, clusterId: ClusterId) {
    this.#seed = seed;
    this.#clusterId = clusterId;
  }

  /** The newest generation: the one to seal under. */
  get current(): number {
    return this.#entropies.length;
  }

  /** Draws what may begin a generation. */
  static draw(random: Random = nodeRandom): Secret {
    const bytes = random.bytes(GENERATION_ENTROPY_BYTES);
    const entropy = new Secret(bytes);
    bytes.fill(0);
    return entropy;
  }

  /**
   * Begins the next generation.
   *
   * @throws KeysError KEYS_SEAL_GENERATIONS_MALFORMED for another length or too many generations
   */
  begin(entropy: Secret): void {
    const fits = entropy.byteLength === GENERATION_ENTROPY_BYTES;
    if (!fits || this.current >= GENERATIONS_MAX) throw malformed('entropy');
    this.#entropies.push(entropy);
  }

  /** Whether a generation began with this. */
  knows(entropy: Secret): boolean {
    return this.#entropies.some((known) => known.equals(entropy));
  }

  /** What a generation's keys derive from. @throws KeysError KEYS_SEAL_GENERATION_UNKNOWN */
  rootOf(generation: number): Seed {
    if (generation === 0) return this.#seed;
    const entropy = this.#entropies[generation - 1];
    if (entropy === undefined) {
      const message = 'sealed in a generation of keys that this holder was not told of';
      throw new KeysError('KEYS_SEAL_GENERATION_UNKNOWN', message, {
        fields: { newest: this.current, found: generation },
      });
    }
    const known = this.#roots.get(generation);
    if (known !== undefined) return known;
    const root = deriveSealingRoot(this.#seed, this.#clusterId, generation, entropy);
    this.#roots.set(generation, root);
    return root;
  }

  /** The list as bytes, to be sealed. */
  encode(): Secret {
    const bytes = new CanonicalWriter()
      .text(LABEL)
      .list(this.#entropies, (writer, entropy) => writer.fixed(entropy.expose()))
      .finish();
    const secret = new Secret(bytes);
    bytes.fill(0);
    return secret;
  }

  /**
   * Takes a list up: the generations behind those known here. A shorter one, as an older snapshot
   * holds it, changes nothing.
   *
   * @throws KeysError KEYS_SEAL_GENERATIONS_MALFORMED, also where the lists differ
   */
  restore(encoded: Secret): void {
    const list = decode(encoded);
    for (const [at, entropy] of list.entries()) {
      const known = this.#entropies[at];
      if (known === undefined) this.#entropies.push(entropy);
      else if (!known.equals(entropy)) throw malformed('another list');
    }
  }
}

function decode(encoded: Secret): readonly Secret[] {
  try {
    const reader = new CanonicalReader(encoded.expose());
    if (reader.text(64) !== LABEL) throw malformed('label');
    const list = reader.list(GENERATIONS_MAX, (from) => {
      const bytes = from.fixed(GENERATION_ENTROPY_BYTES);
      const entropy = new Secret(bytes);
      bytes.fill(0);
      return entropy;
    });
    reader.end();
    return list;
  } catch (cause) {
    if (cause instanceof CanonicalError) throw malformed(cause.code);
    throw cause;
  }
}

function malformed(check: string): KeysError {
  const message = 'bytes are not a list of sealing generations';
  return new KeysError('KEYS_SEAL_GENERATIONS_MALFORMED', message, { fields: { check } });
}
