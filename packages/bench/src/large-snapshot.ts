/**
 * A member that comes late gets a state of 100 MiB and more as a snapshot, while the others go on:
 * writes are acknowledged meanwhile, and nobody starts an election.
 */
import { PATHS, encodePut } from './etcd-wire.ts';
import { GrpcClient } from './grpc-client.ts';
import { Members } from './members.ts';
import { SteadyWrites } from './steady-writes.ts';
import { startWitan } from './witan-system.ts';

const MIB = 1024 * 1024;
const VALUE_BYTES = 15 * 1024;
const LATE = 2;
const START_MS = 20_000;
const ARRIVE_MS = 120_000;
const LOOK_MS = 50;

/** What was seen. */
export interface LargeSnapshotResult {
  readonly stateMib: number;
  /** From the start of the late member until it holds everything, in milliseconds. */
  readonly caughtUpMs: number;
  /** Longest time without an acknowledged write in between, in milliseconds. */
  readonly longestGapMs: number;
  readonly writes: number;
  readonly elections: number;
}

/** Fills two members, starts the third, and watches. */
export async function streamLargeSnapshot(
  directory: string,
  stateMib: number,
): Promise<LargeSnapshotResult> {
  // Short logs, so that the late member's beginning is gone from them.
  const tuning = { keepEntries: 100, snapshotBytes: 16 * MIB };
  const system = await startWitan(directory, { tuning, without: [LATE] });
  const members = new Members(system.endpoints);
  try {
    const leader = await members.untilLeader(START_MS);
    await fill(system.endpoints[leader] ?? '', stateMib);
    const writes = new SteadyWrites(members, leader);
    await writes.reach(500);
    const before = await system.figures();
    const startedMs = performance.now();
    const countBefore = writes.acknowledgedMs.length;
    await system.startMember(LATE);
    while ((await system.figures()).at(-1)?.keys !== (await system.figures())[0]?.keys) {
      if (performance.now() - startedMs > ARRIVE_MS) throw new Error('the snapshot never arrived');
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    const caughtUpMs = performance.now() - startedMs;
    await writes.reach(500);
    await writes.stop();
    const after = await system.figures();
    return {
      stateMib,
      caughtUpMs,
      longestGapMs: writes.longestGapMs(startedMs),
      writes: writes.acknowledgedMs.length - countBefore,
      elections: Math.max(...after.map(({ term }) => term)) - (before[0]?.term ?? 0),
    };
  } finally {
    members.close();
    await system.stop();
  }
}

async function fill(endpoint: string, stateMib: number): Promise<void> {
  const client = new GrpcClient(endpoint);
  const count = Math.ceil((stateMib * MIB) / VALUE_BYTES);
  let number = 0;
  const work = async (): Promise<void> => {
    while (number < count) {
      number += 1;
      const key = Buffer.from(`fill-${number}`);
      await client.call(PATHS.put, encodePut(key, Buffer.alloc(VALUE_BYTES, number % 256)));
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  client.close();
}
