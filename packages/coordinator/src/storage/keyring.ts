/** The replica's Keyring port on the keys package (I4, I9). */
import { utf8, type ClusterId, type Epoch, type IncarnationId } from '@witan/core';
import { createSealer, createUnsealer, type SealUse, type Seed } from '@witan/keys';
import type { Keyring } from '@witan/replica';

/** Says where the bytes belong; the header inside names epoch and incarnation. */
const COMMAND_AAD = utf8('witan/v1/log-command');
const SNAPSHOT_AAD = utf8('witan/v1/snapshot');

export interface KeyringOptions {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly incarnation: IncarnationId;
}

export function createKeyring(options: KeyringOptions): Keyring {
  const { seed, clusterId } = options;
  const pair = (use: SealUse, aad: Uint8Array) => {
    const sealer = createSealer({ ...options, use });
    const unsealer = createUnsealer({ seed, clusterId, use });
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
  };
}
