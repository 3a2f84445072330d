/** Three replicas of replica-main.ts. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineTuning } from '@witan/replica';
import type { ReplicaFigures, ReplicaSettings } from './replica.ts';
import { freePorts } from './ports.ts';
import { killProcess } from './processes.ts';
import type { RunningSystem } from './system.ts';

const MEMBERS = 3;
const STOP_MS = 5_000;

/** A group of replicas, which can be asked about their insides. */
export interface WitanSystem extends RunningSystem {
  /** Holds one directory for each replica, with its journal. */
  readonly home: string;
  /** What each running replica says, in the order of their numbers. */
  figures(): Promise<readonly ReplicaFigures[]>;
  /** Starts a member that was left out at the beginning. */
  startMember(member: number): Promise<void>;
}

/** How a group is started. */
export interface WitanOptions {
  readonly tuning?: Partial<EngineTuning>;
  /** Members, from 0, that are not started yet. */
  readonly without?: readonly number[];
}

/** Starts three replicas. */
export async function startWitan(
  directory: string,
  options: WitanOptions = {},
): Promise<WitanSystem> {
  const home = await mkdtemp(join(directory, 'witan-'));
  const ports = await freePorts(MEMBERS + MEMBERS * MEMBERS);
  const clientPorts = ports.slice(0, MEMBERS);
  const ids = Array.from({ length: MEMBERS }, (_, at) => at + 1);
  const peerPorts = ids.map((id) => ports.slice(MEMBERS * id, MEMBERS * (id + 1)));
  const children: (ChildProcess | undefined)[] = ids.map(() => undefined);
  const startMember = async (member: number): Promise<void> => {
    children[member] = await startReplica({
      id: member + 1,
      directory: home,
      clientPort: clientPorts[member] ?? 0,
      peerPorts,
      voters: ids,
      ...(options.tuning === undefined ? {} : { tuning: options.tuning }),
    });
  };
  const now = [...ids.keys()].filter((member) => options.without?.includes(member) !== true);
  await Promise.all(now.map(startMember));
  const running = (): readonly ChildProcess[] =>
    children.filter(
      (child) => child?.exitCode === null && child.signalCode === null,
    ) as ChildProcess[];
  return {
    name: 'witan',
    home,
    endpoints: clientPorts.map((port) => `127.0.0.1:${port}`),
    startMember,
    kill: (member) => killProcess(children[member]),
    figures: () => Promise.all(running().map(ask)),
    stop: async () => {
      await Promise.all(running().map(end));
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function startReplica(settings: ReplicaSettings): Promise<ChildProcess> {
  const main = join(import.meta.dirname, 'replica-main.ts');
  // For profiles: WITAN_BENCH_NODE_OPTIONS="--cpu-prof --cpu-prof-dir=DIR".
  const execArgv = (process.env['WITAN_BENCH_NODE_OPTIONS'] ?? '').split(' ').filter(Boolean);
  const child = fork(main, [JSON.stringify(settings)], {
    execArgv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit').then(() => {
    throw new Error('a replica ended before it was ready');
  });
  ended.catch(() => undefined);
  await Promise.race([once(child, 'message'), ended]);
  return child;
}

async function ask(child: ChildProcess): Promise<ReplicaFigures> {
  const answer = once(child, 'message');
  child.send({ ask: 'figures' });
  const [figures] = (await answer) as [ReplicaFigures];
  return figures;
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  // Orderly, because a profile is written at the end.
  child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(timer);
}
