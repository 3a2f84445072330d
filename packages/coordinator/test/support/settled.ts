import type { Cluster } from '@witan/replica';

/** Whether as many members vote as there are slots, and nothing is under way. */
export function isSettled(cluster: Cluster<unknown> | undefined, count: number): boolean {
  const status = cluster?.status();
  if (cluster === undefined || status === undefined) return false;
  const { voters, votersOutgoing, learners } = status.configuration;
  return (
    voters.length === count &&
    votersOutgoing.length === 0 &&
    learners.length === 0 &&
    !cluster.isRekeyingDue
  );
}
