/**
 * Keyrings of simulated replicas: the real sealing of the keys package, or none where a run spends
 * its time on something else.
 */
import { utf8, type ClusterId, type Epoch, type IncarnationId } from '@witan/core';
import { createSealer, createUnsealer, seedFromBytes, type SealUse } from '@witan/keys';
import type { Keyring, Seed } from '@witan/replica';

/** Leaves everything as it is. */
export const plainKeyring: Keyring = {
  sealCommand: (bytes) => bytes,
  openCommand: (bytes) => bytes,
  sealSnapshot: (bytes) => bytes,
  openSnapshot: (bytes) => bytes,
};

/** Seals as a Coordinator does, under the subkeys of one incarnation (I9). */
export function sealingKeyring(options: {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly incarnation: IncarnationId;
}): Keyring {
  const parts = { ...options, seed: seedFromBytes(options.seed.expose()) };
  const pair = (use: SealUse) => {
    const sealer = createSealer({ ...parts, use });
    const unsealer = createUnsealer({ ...parts, use });
    const aad = utf8(`simulated/${use}`);
    return {
      seal: (plaintext: Uint8Array) => sealer.seal(plaintext, aad),
      open: (sealed: Uint8Array) => unsealer.open(sealed, aad),
    };
  };
  const command = pair('log-command');
  const snapshot = pair('snapshot');
  return {
    sealCommand: command.seal,
    openCommand: command.open,
    sealSnapshot: snapshot.seal,
    openSnapshot: snapshot.open,
  };
}
