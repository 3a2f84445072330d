/**
 * A cluster id follows from its seed. Owners approve manifests for a cluster id, so that what they
 * have approved counts for one seed only: a host that makes up a seed, and with it disks, a
 * recovery header and a history, cannot have the approvals of the true cluster count in it (I6).
 *
 * This is the one derivation whose label holds no cluster id, because it gives the id (I9).
 */
import { clusterId, toHex, utf8, type ClusterId, type Crypto } from '@witan/core';
import type { Seed } from '../ports.ts';

const LABEL = utf8('witan/cluster-id/v1');

/** SHA-256 over the label and the 32 bytes of the seed, which nobody can guess. */
export function clusterIdOf(crypto: Pick<Crypto, 'hash'>, seed: Seed): ClusterId {
  return clusterId(toHex(crypto.hash('sha256', LABEL, seed.expose())));
}
