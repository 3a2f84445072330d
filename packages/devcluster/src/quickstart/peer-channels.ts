/** Counts attested channels between replicas, by what the replicas logged. */
import { readFile } from 'node:fs/promises';
import type { DevCluster } from '../cluster.ts';

/** How often a replica has logged that it attested another. */
export async function countPeerChannels(cluster: DevCluster): Promise<number> {
  const logs = await Promise.all(
    cluster.slots.map(({ slot }) => readFile(cluster.layout.log(slot), 'utf8')),
  );
  return logs.join('').split('"msg":"peer attested"').length - 1;
}
