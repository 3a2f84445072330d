/** When the state of a newcomer counts for whom it trusts. */
import type { Cluster, Replica } from '@witan/replica';

/**
 * The cluster, once its state is as new as this replica's admission. Before that a newcomer may
 * hold the state of an old disk, and whom the manifest of that day accepted decides nothing now: it
 * judges peers as it did before it had any state (I1, I4).
 */
export function settled<ReferenceValues>(
  replica: Replica<ReferenceValues>,
): Cluster<ReferenceValues> | undefined {
  const { cluster } = replica;
  return cluster?.isMember() === true ? cluster : undefined;
}
