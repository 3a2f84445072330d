/** When a newcomer was swapped in, by what the leader logged. Asking replicas would cost time. */
import { readFile } from 'node:fs/promises';
import type { DevCluster } from '../cluster.ts';
import { DevClusterError } from '../errors.ts';
import { sleepMs } from '../processes.ts';

const WAIT_MS = 60_000;
const POLL_MS = 20;
const SWAPS: ReadonlySet<unknown> = new Set(['newcomer swapped in', 'vacant slot filled']);

/**
 * Waits until some leader has swapped in a newcomer of a slot.
 *
 * @param afterMs milliseconds since 1970; earlier swaps do not count
 * @throws DevClusterError DEVCLUSTER_STEP_FAILED
 */
export async function swapOf(
  cluster: DevCluster,
  slot: string,
  afterMs: number,
): Promise<{ readonly swappedMs: number }> {
  const untilMs = performance.now() + WAIT_MS;
  while (performance.now() < untilMs) {
    for (const { slot: other } of cluster.slots) {
      const text = await readFile(cluster.layout.log(other), 'utf8').catch(() => '');
      // What matters was written last.
      const found = text
        .split('\n')
        .slice(-50)
        .map((line) => swappedMs(line, slot));
      const swapped = found.find((timeMs) => timeMs !== undefined && timeMs >= afterMs);
      if (swapped !== undefined) return { swappedMs: swapped };
    }
    await sleepMs(POLL_MS);
  }
  const fields = { expected: `${slot} is swapped in`, found: 'nothing' };
  throw new DevClusterError('DEVCLUSTER_STEP_FAILED', 'no newcomer came', { fields });
}

/** The time of a line that tells of a swap of this slot. */
export function swappedMs(line: string, slot: string): number | undefined {
  if (!line.startsWith('{') || !line.endsWith('}')) return undefined;
  const { msg, peer, time } = JSON.parse(line) as Readonly<Record<string, unknown>>;
  return SWAPS.has(msg) && peer === slot ? Date.parse(String(time)) : undefined;
}
