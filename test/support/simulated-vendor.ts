/** The vendor's service of a cluster's simulated SEV-SNP hardware, as a mirror on loopback. */
import type { DevCluster } from '@witan/devcluster';
import { amdAnswersOf, startMirror, type Mirror } from '@witan/endorsements/testing';
import { inProcessEvidenceProvider, loadOrCreateHierarchy } from '@witan/tee-sim';

/** Serves AMD's paths for the chips of a cluster's slots, under its development root. */
export async function startSimulatedVendor(cluster: DevCluster): Promise<Mirror> {
  const { product } = await cluster.tee.info();
  const hierarchy = loadOrCreateHierarchy(cluster.layout.tee, product);
  const guests = cluster.slots.map(async ({ slot }) => {
    const guest = { measurement: new Uint8Array(48), hostData: new Uint8Array(32) };
    const provider = inProcessEvidenceProvider(hierarchy, { ...guest, chip: `chip-${slot}` });
    return await provider.collect(new Uint8Array(64));
  });
  return await startMirror(amdAnswersOf(product, await Promise.all(guests)));
}
