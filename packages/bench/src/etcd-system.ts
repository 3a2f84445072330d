/** A group of three etcd servers with their own defaults, on loopback, fsync on. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from './ports.ts';
import { killProcess } from './processes.ts';
import type { RunningSystem } from './system.ts';

const MEMBERS = 3;

/** What to do when there is no etcd. */
export const ETCD_MISSING =
  'etcd is not installed. On Debian: apt-get install etcd-server. Or run with --skip-etcd.';

/** First line of `etcd --version`; undefined when it is not installed. */
export function etcdVersion(): string | undefined {
  const { stdout, status } = spawnSync('etcd', ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0] : undefined;
}

/** Starts three servers. */
export async function startEtcd(directory: string): Promise<RunningSystem> {
  const home = await mkdtemp(join(directory, 'etcd-'));
  const ports = await freePorts(2 * MEMBERS);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const names = Array.from({ length: MEMBERS }, (_, at) => `member-${at + 1}`);
  const initial = names.map((name, at) => `${name}=${urls[MEMBERS + at]}`).join(',');
  const children = names.map((name, at) =>
    spawn(
      'etcd',
      [
        ['--name', name],
        ['--data-dir', join(home, name)],
        ['--listen-client-urls', urls[at] ?? ''],
        ['--advertise-client-urls', urls[at] ?? ''],
        ['--listen-peer-urls', urls[MEMBERS + at] ?? ''],
        ['--initial-advertise-peer-urls', urls[MEMBERS + at] ?? ''],
        ['--initial-cluster', initial],
        ['--logger', 'zap'],
        ['--log-level', 'error'],
      ].flat(),
      { stdio: ['ignore', 'ignore', 'inherit'] },
    ),
  );
  return {
    name: 'etcd',
    endpoints: ports.slice(0, MEMBERS).map((port) => `127.0.0.1:${port}`),
    kill: (member) => killProcess(children[member]),
    stop: async () => {
      await Promise.all(children.map(killProcess));
      await rm(home, { recursive: true, force: true });
    },
  };
}
