/** When something happened, by what replicas logged. Asking them would cost time. */
import { readFile } from 'node:fs/promises';
import type { DevCluster } from '../cluster.ts';
import { DevClusterError } from '../errors.ts';
import { sleepMs } from '../processes.ts';

const WAIT_MS = 60_000;
const POLL_MS = 20;
/** Lines looked at from the end of each log. */
const LINES = 200;
const SWAPS: ReadonlySet<unknown> = new Set(['newcomer swapped in', 'vacant slot filled']);

/** What a line of a replica's log says, as far as it matters here. */
export interface LogLine {
  readonly msg?: unknown;
  readonly peer?: unknown;
  readonly time?: unknown;
}

/** Waits until some leader has swapped in a newcomer of a slot; see `logged`. */
export async function swapOf(
  cluster: DevCluster,
  slot: string,
  afterMs: number,
): Promise<{ readonly swappedMs: number }> {
  const { loggedMs } = await logged(cluster, (line) => isSwapOf(line, slot), afterMs);
  return { swappedMs: loggedMs };
}

/** Whether a line tells of a swap of this slot. */
export function isSwapOf({ msg, peer }: LogLine, slot: string): boolean {
  return SWAPS.has(msg) && peer === slot;
}

/**
 * Waits for a line in some replica's log.
 *
 * @param afterMs milliseconds since 1970; earlier lines do not count
 * @returns when the first such line was written, in milliseconds since 1970
 * @throws DevClusterError DEVCLUSTER_STEP_FAILED
 */
export async function logged(
  cluster: DevCluster,
  isIt: (line: LogLine) => boolean,
  afterMs: number,
): Promise<{ readonly loggedMs: number }> {
  const untilMs = performance.now() + WAIT_MS;
  while (performance.now() < untilMs) {
    const logs = cluster.slots.map(({ slot }) => readFile(cluster.layout.log(slot), 'utf8'));
    const found = (await Promise.all(logs))
      .flatMap((text) => text.split('\n').slice(-LINES).map(parsed))
      .filter((line) => line !== undefined && isIt(line))
      .map((line) => Date.parse(String(line?.time)))
      .filter((timeMs) => timeMs >= afterMs);
    if (found.length > 0) return { loggedMs: Math.min(...found) };
    await sleepMs(POLL_MS);
  }
  const fields = { expected: 'a line in a log', found: 'nothing' };
  throw new DevClusterError('DEVCLUSTER_STEP_FAILED', 'what was waited for did not happen', {
    fields,
  });
}

/** A line of a log; undefined for one that is none, or not finished yet. */
export function parsed(line: string): LogLine | undefined {
  if (!line.startsWith('{') || !line.endsWith('}')) return undefined;
  return JSON.parse(line) as LogLine;
}
