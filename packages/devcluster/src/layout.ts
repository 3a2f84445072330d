/** Where a development cluster keeps its things, and the file that describes it. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ProgramSpec } from '@witan/tee-sim';
import { DevClusterError } from './errors.ts';
import type { Tee, TeeChoice } from './reference-values.ts';

/** Paths of one development cluster. */
export interface Layout {
  readonly directory: string;
  /** The simulated hardware's keys and control socket. */
  readonly tee: string;
  readonly teeLog: string;
  readonly state: string;
  /** Measured configuration of the Coordinators. */
  readonly initdata: string;
  /** For `witan generate`: what the simulated hardware makes of the programs. */
  readonly referenceValues: string;
  data(slot: string): string;
  log(slot: string): string;
}

/** The paths below a directory. */
export function layoutOf(directory: string): Layout {
  const root = resolve(directory);
  return {
    directory: root,
    tee: join(root, 'tee'),
    teeLog: join(root, 'tee-sim.log'),
    state: join(root, 'cluster.json'),
    initdata: join(root, 'coordinator-initdata.json'),
    referenceValues: join(root, 'reference-values.json'),
    data: (slot) => join(root, 'slots', slot, 'data'),
    log: (slot) => join(root, 'slots', slot, 'coordinator.log'),
  };
}

/** One slot of a development cluster and the process that fills it. */
export interface SlotState {
  readonly slot: string;
  readonly address: string;
  /** Where its process listens; another port than `address` behind a relay. */
  readonly listen: string;
  /** What its newest process runs in. */
  readonly tee: Tee;
  /** Id of the newest guest that was launched for the slot. */
  readonly guestId: string;
  readonly pid: number;
}

/** What `cluster.json` says. */
export interface ClusterFile {
  readonly teeSimPid: number;
  readonly tee: TeeChoice;
  /** What runs in the slots, where it is not the Coordinator. */
  readonly coordinator?: ProgramSpec;
  readonly slots: readonly SlotState[];
}

/** @throws DevClusterError DEVCLUSTER_NOT_RUNNING, DEVCLUSTER_STATE_UNREADABLE */
export async function readClusterFile(layout: Layout): Promise<ClusterFile> {
  let text: string;
  try {
    text = await readFile(layout.state, 'utf8');
  } catch (cause) {
    const message = 'no development cluster is running here; start one with `witan dev up`';
    const fields = { directory: layout.directory };
    throw new DevClusterError('DEVCLUSTER_NOT_RUNNING', message, { fields, cause });
  }
  try {
    const file = JSON.parse(text) as ClusterFile;
    if (Array.isArray(file.slots)) return file;
  } catch {
    // Reported below.
  }
  const message = 'cluster.json cannot be read; stop the processes and remove the directory';
  throw new DevClusterError('DEVCLUSTER_STATE_UNREADABLE', message, {
    fields: { file: layout.state },
  });
}

export async function writeClusterFile(layout: Layout, file: ClusterFile): Promise<void> {
  const temporary = `${layout.state}.new`;
  await writeFile(temporary, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  await rename(temporary, layout.state);
}
