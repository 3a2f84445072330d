/**
 * Makes sure that the comparison is honest: every process of the group is killed with writes under
 * way, and each write that was acknowledged must be in the journals of a majority.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openJournal } from '@witan/journal';
import { PATHS, encodePut } from './etcd-wire.ts';
import { GrpcClient } from './grpc-client.ts';
import { Members } from './members.ts';
import { startWitan } from './witan-system.ts';

const WRITERS = 16;
const MAJORITY = 2;
const START_MS = 20_000;

/** What was found. */
export interface DurabilityResult {
  readonly acknowledged: number;
  /** Keys of acknowledged writes that fewer than two journals hold. */
  readonly lost: readonly string[];
}

/** Writes for `durationMs`, kills everything at once, and reads the journals back. */
export async function checkDurability(
  directory: string,
  durationMs: number,
): Promise<DurabilityResult> {
  const system = await startWitan(directory);
  try {
    const acknowledged = await writeUntilKilled(system, durationMs);
    const journals = await Promise.all(
      (await readdir(system.home)).map((name) => readJournal(join(system.home, name))),
    );
    const lost = acknowledged.filter(
      (key) => journals.filter((bytes) => bytes.includes(key)).length < MAJORITY,
    );
    return { acknowledged: acknowledged.length, lost };
  } finally {
    await system.stop();
  }
}

async function writeUntilKilled(
  system: Awaited<ReturnType<typeof startWitan>>,
  durationMs: number,
): Promise<readonly string[]> {
  const members = new Members(system.endpoints);
  const leader = await members.untilLeader(START_MS);
  members.close();
  const client = new GrpcClient(system.endpoints[leader] ?? '', 2);
  const acknowledged: string[] = [];
  let number = 0;
  let isOver = false;
  const write = async (): Promise<void> => {
    while (!isOver) {
      number += 1;
      const key = `durable-${String(number).padStart(8, '0')}.`;
      try {
        await client.call(PATHS.put, encodePut(Buffer.from(key), Buffer.alloc(256, 120)));
        acknowledged.push(key);
      } catch {
        return;
      }
    }
  };
  const writers = Array.from({ length: WRITERS }, write);
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  await Promise.all(system.endpoints.map((_, member) => system.kill(member)));
  await Promise.all(writers);
  isOver = true;
  client.close();
  return acknowledged;
}

/** All records of a journal in one piece: keys stand in them as they are. */
async function readJournal(directory: string): Promise<Buffer> {
  const { journal, recovered } = await openJournal({ directory });
  await journal.close();
  const records = recovered.records.map(({ data }) => data);
  const parts = [...records, recovered.snapshot?.data ?? new Uint8Array(0)];
  return Buffer.concat(parts);
}
