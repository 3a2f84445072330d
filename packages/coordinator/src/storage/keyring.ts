/** The replica's Keyring port on the keys package (I4, I9). */
import {
  assert,
  BytesError,
  CanonicalError,
  CanonicalReader,
  CanonicalWriter,
  Secret,
  utf8,
  type ClusterId,
  type Epoch,
  type IncarnationId,
} from '@witan/core';
import {
  GENERATIONS_MAX,
  GENERATION_ENTROPY_BYTES,
  KeysError,
  SealingGenerations,
  createSealer,
  createUnsealer,
  parseSealHeader,
  seedFromBytes,
  type SealUse,
  type Seed,
} from '@witan/keys';
import { decodeSeeds, encodeSeeds, type KeyGenerations, type Keyring } from '@witan/replica';

/** Says where the bytes belong; the header inside names epoch and incarnation. */
const COMMAND_AAD = utf8('witan/v1/log-command');
const SNAPSHOT_AAD = utf8('witan/v1/snapshot');
const GENERATIONS_AAD = utf8('witan/v1/sealing-generations');
const BEGIN_LABEL = 'witan/begin-sealing-generation/v1';

export interface KeyringOptions {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly incarnation: IncarnationId;
  readonly generations: SealingGenerations;
}

export function createKeyring(options: KeyringOptions): Keyring {
  const { clusterId, generations } = options;
  const seed = anySeedOf(generations);
  const pair = (use: SealUse, aad: Uint8Array) => {
    const sealer = createSealer({ ...options, seed, use });
    const unsealer = createUnsealer({ seed, clusterId, use, generations });
    return {
      seal: (plaintext: Uint8Array) => sealer.seal(plaintext, aad),
      open: (sealed: Uint8Array) => unsealer.open(sealed, aad),
    };
  };
  const command = pair('log-command', COMMAND_AAD);
  const snapshot = pair('snapshot', SNAPSHOT_AAD);
  return {
    sealCommand: command.seal,
    openCommand: command.open,
    sealSnapshot: snapshot.seal,
    openSnapshot: snapshot.open,
    generations: keyGenerations(options),
  };
}

/** The generations of a cluster's sealing keys, for whoever was given these seeds. */
export function generationsOf(seed: Secret, clusterId: ClusterId): SealingGenerations {
  const { seeds, usableFrom } = decodeSeeds(seed);
  const own = seeds.map((held) => ({
    number: held.number,
    seed: seedFromBytes(held.seed.expose()),
  }));
  return new SealingGenerations(own, clusterId, usableFrom);
}

/** The seeds that generations know of, with those that may come into force. */
export function seedsOf(generations: SealingGenerations, candidates: readonly Secret[]): Secret {
  const { usableFrom } = generations;
  return encodeSeeds({ seeds: generations.seeds(), usableFrom, candidates });
}

/**
 * The list of generations as it is kept beside what they seal: under the seed in force itself,
 * because it is needed before any generation can be opened.
 */
export function sealGenerations(options: KeyringOptions): Uint8Array {
  const { clusterId, epoch, incarnation, generations } = options;
  const { seedNumber } = generations;
  const seed = generations.seedOf(seedNumber);
  assert(seed !== undefined, 'the seed in force is held');
  const scope = { clusterId, epoch, incarnation, seedNumber };
  const sealer = createSealer({ seed, ...scope, use: 'keyring' });
  const list = generations.encode();
  try {
    return sealer.seal(list.expose(), GENERATIONS_AAD);
  } finally {
    list.wipe();
  }
}

/**
 * Takes up a list that `sealGenerations` gave.
 *
 * @param candidates seeds of unknown numbers: one that opens the list has the number in its header
 * @throws KeysError KEYS_SEAL_*
 */
export function openGenerations(
  { clusterId, generations }: Pick<KeyringOptions, 'clusterId' | 'generations'>,
  sealed: Uint8Array,
  candidates: readonly Secret[] = [],
): void {
  const seedNumber = parseSealHeader(sealed).generation + 1;
  const held = generations.seedOf(seedNumber);
  const others = held === undefined ? candidates : [];
  const seeds = held === undefined ? [] : [held];
  for (const candidate of others) seeds.push(seedFromBytes(candidate.expose()));
  let refusal = new KeysError('KEYS_SEAL_GENERATION_UNKNOWN', 'sealed under a seed not held here', {
    fields: { newest: generations.seedNumber, found: seedNumber },
  });
  for (const seed of seeds) {
    try {
      const unsealer = createUnsealer({ seed, clusterId, use: 'keyring', seedNumber });
      const bytes = unsealer.open(sealed, GENERATIONS_AAD);
      const list = new Secret(bytes);
      bytes.fill(0);
      generations.restore(list, { number: seedNumber, seed });
      return;
    } catch (error) {
      if (!(error instanceof KeysError)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/** Where there are generations, what is sealed takes its keys from them. */
export function anySeedOf(generations: SealingGenerations): Seed {
  const [first] = generations.seeds();
  assert(first !== undefined, 'a keyring is made from a seed');
  return first.seed;
}

function keyGenerations(options: KeyringOptions): KeyGenerations {
  const { generations } = options;
  return {
    begin(afterIndex: number): Uint8Array {
      const entropy = SealingGenerations.draw();
      return new CanonicalWriter()
        .text(BEGIN_LABEL)
        .u64(afterIndex)
        .fixed(entropy.expose())
        .finish();
    },
    take(command: Uint8Array) {
      const begun = readBegin(command);
      if (begun === undefined) return undefined;
      // A full list keeps its last generation; refusing would stop every replica at once (I10).
      if (!generations.knows(begun.entropy) && generations.current < GENERATIONS_MAX) {
        generations.begin(begun.entropy);
      }
      return { generation: generations.current, afterIndex: begun.afterIndex };
    },
    seal: () => sealGenerations(options),
    open: (sealed: Uint8Array, candidates: readonly Secret[] = []) => {
      openGenerations(options, sealed, candidates);
    },
    get seedNumber() {
      return generations.seedNumber;
    },
    beginUnder: (number: number, seed: Secret, salt: Uint8Array) => {
      const entropy = new Secret(salt);
      generations.beginUnder({ number, seed: seedFromBytes(seed.expose()) }, entropy);
    },
    forgetFormer: () => {
      generations.forgetFormer();
    },
  };
}

/** Whatever else a command is, it does not start with this label. */
function readBegin(
  command: Uint8Array,
): { readonly afterIndex: number; readonly entropy: Secret } | undefined {
  try {
    const reader = new CanonicalReader(command);
    if (reader.text(64) !== BEGIN_LABEL) return undefined;
    const afterIndex = reader.u64();
    const entropy = new Secret(reader.fixed(GENERATION_ENTROPY_BYTES));
    reader.end();
    return { afterIndex, entropy };
  } catch (error) {
    if (error instanceof CanonicalError || error instanceof BytesError) return undefined;
    throw error;
  }
}
