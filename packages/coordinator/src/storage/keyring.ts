/** The replica's Keyring port on the keys package (I4, I9). */
import {
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
  SealingGenerations,
  createSealer,
  createUnsealer,
  type SealUse,
  type Seed,
} from '@witan/keys';
import type { KeyGenerations, Keyring } from '@witan/replica';

/** Says where the bytes belong; the header inside names epoch and incarnation. */
const COMMAND_AAD = utf8('witan/v1/log-command');
const SNAPSHOT_AAD = utf8('witan/v1/snapshot');
const GENERATIONS_AAD = utf8('witan/v1/sealing-generations');
const BEGIN_LABEL = 'witan/begin-sealing-generation/v1';

export interface KeyringOptions {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly incarnation: IncarnationId;
  readonly generations: SealingGenerations;
}

export function createKeyring(options: KeyringOptions): Keyring {
  const { seed, clusterId, generations } = options;
  const pair = (use: SealUse, aad: Uint8Array) => {
    const sealer = createSealer({ ...options, use });
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

/**
 * The list of generations as it is kept beside what they seal: under generation 0, because it is
 * needed before any other can be opened.
 */
export function sealGenerations(options: KeyringOptions): Uint8Array {
  const { seed, clusterId, epoch, incarnation, generations } = options;
  const sealer = createSealer({ seed, clusterId, epoch, incarnation, use: 'keyring' });
  const list = generations.encode();
  try {
    return sealer.seal(list.expose(), GENERATIONS_AAD);
  } finally {
    list.wipe();
  }
}

/** Takes up a list that `sealGenerations` gave. @throws KeysError KEYS_SEAL_* */
export function openGenerations(
  options: Pick<KeyringOptions, 'seed' | 'clusterId' | 'generations'>,
  sealed: Uint8Array,
): void {
  const { seed, clusterId, generations } = options;
  const bytes = createUnsealer({ seed, clusterId, use: 'keyring' }).open(sealed, GENERATIONS_AAD);
  const list = new Secret(bytes);
  bytes.fill(0);
  generations.restore(list);
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
    open: (sealed: Uint8Array) => {
      openGenerations(options, sealed);
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
    if (error instanceof CanonicalError) return undefined;
    throw error;
  }
}
