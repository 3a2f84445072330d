/** A leader that stops as asked leaves no gap: the best follower takes over first. */
import type { ReferenceValues } from '@witan/attestation';
import type { Cluster } from '@witan/replica';

const HAND_OVER_MS = 1_500;
const LOOK_MS = 20;

/** Returns when another one leads, or after a moment. */
export async function handOver(cluster: Cluster<ReferenceValues> | undefined): Promise<void> {
  if (cluster?.status().role !== 'leader') return;
  const best = cluster.steward.successor();
  if (best === undefined) return;
  cluster.engine.transferLeadership(best.nodeId);
  const untilMs = performance.now() + HAND_OVER_MS;
  while (performance.now() < untilMs && cluster.status().role === 'leader') {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
