/** How long writes stop when the leader dies, or hands over as asked. */
import { Members } from './members.ts';
import { SteadyWrites } from './steady-writes.ts';
import type { System } from './system.ts';

const START_MS = 20_000;
/** Writes before and after what is measured. */
const SETTLE_WRITES = 300;

/** One interruption. */
export interface Interruption {
  readonly gapMs: number;
  /** Writes that were not answered and had to be repeated. */
  readonly repeated: number;
}

/** Kills the leader of a fresh group under load, by SIGKILL. */
export async function killLeader(system: System, directory: string): Promise<Interruption> {
  const running = await system.start(directory);
  const members = new Members(running.endpoints);
  try {
    const writes = new SteadyWrites(members, await members.untilLeader(START_MS));
    await writes.reach(SETTLE_WRITES);
    const killedMs = performance.now();
    const failedBefore = writes.failedAttempts;
    void running.kill(writes.leader);
    await writes.reach(SETTLE_WRITES);
    await writes.stop();
    return {
      gapMs: writes.longestGapMs(killedMs),
      repeated: writes.failedAttempts - failedBefore,
    };
  } finally {
    members.close();
    await running.stop();
  }
}

/** Lets leadership move on under load, as often as asked, within one group. */
export async function moveLeader(
  system: System,
  directory: string,
  times: number,
): Promise<readonly Interruption[]> {
  if (times === 0) return [];
  const running = await system.start(directory);
  const members = new Members(running.endpoints);
  const interruptions: Interruption[] = [];
  try {
    const writes = new SteadyWrites(members, await members.untilLeader(START_MS));
    await writes.reach(SETTLE_WRITES * 3);
    for (let round = 0; round < times; round += 1) {
      const from = await members.untilLeader(START_MS);
      const askedMs = performance.now();
      const failedBefore = writes.failedAttempts;
      await members.move(from, (from + 1) % running.endpoints.length);
      await writes.reach(SETTLE_WRITES);
      const repeated = writes.failedAttempts - failedBefore;
      interruptions.push({ gapMs: writes.longestGapMs(askedMs), repeated });
    }
    await writes.stop();
  } finally {
    members.close();
    await running.stop();
  }
  return interruptions;
}
