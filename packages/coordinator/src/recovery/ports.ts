/** The real parts of full recovery, put together for the replica (decision record 0050). */
import type { IncarnationId } from '@witan/core';
import { deriveHistorySigningKey, seedFromBytes, signP256, systemClock } from '@witan/keys';
import { recoveryBytes } from '@witan/manifest';
import { seedInForce, type RecoveryPorts } from '@witan/replica';
import { formerDisks, type FormerDisksOptions } from './former-disks.ts';
import { CollectedShares } from './share-desk.ts';

/** What of it belongs to this process. */
export interface RecoveryPartsOptions {
  readonly directories: readonly string[];
  readonly incarnation: IncarnationId;
  readonly onEvent: FormerDisksOptions['onEvent'];
  readonly providerSeeds?: RecoveryPorts['providerSeeds'] | undefined;
}

/** See the head of this file. */
export function recoveryPorts(options: RecoveryPartsOptions): RecoveryPorts {
  const shares = new CollectedShares();
  const { providerSeeds } = options;
  const onTried = shares.tried.bind(shares);
  return {
    shares,
    disks: formerDisks({ ...options, onTried }),
    sign: (seed, recovery) => {
      const inForce = seedInForce(seed)?.seed ?? seed;
      const key = deriveHistorySigningKey(seedFromBytes(inForce.expose()), recovery.clusterId);
      return { recovery, signature: signP256(key, recoveryBytes(recovery)) };
    },
    nowMs: () => systemClock.now(),
    ...(providerSeeds === undefined ? {} : { providerSeeds }),
  };
}
