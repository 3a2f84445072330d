/**
 * Coordinators are upgraded in place (docs/upgrading.md): a manifest with both measurements,
 * replicas replaced one by one, a manifest without the old one. Meanwhile pods ask for certificates
 * and start; nothing acknowledged is lost (I3), and whoever is no longer listed is cut off (I1).
 */
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import {
  NEXT_VERSION,
  prepareNextVersion,
  runInitializer,
  startLoad,
  statusesOf,
  waitForStatuses,
  type NextVersion,
} from '@witan/devcluster';
import { STATE_VERSION } from '@witan/state-machine';
import { countLost, listCoordinators, runWitan, useDeployment } from '../support/deployment.ts';

let next: NextVersion | undefined;
const test = useDeployment({
  prepare: async (cluster, directory) => {
    next = await prepareNextVersion(cluster, join(directory, 'version'));
  },
});

/** Stops a slot as a preStop hook would, and starts the next version in it. */
async function replace(slot: string, version: NextVersion): Promise<void> {
  const { cluster, options } = test.current;
  const safe = await runWitan('cluster', 'can-stop', slot, '--wait', '30', ...options);
  expect(safe, safe.stderr).toMatchObject({ code: 0 });
  const { guestId } = cluster.slot(slot);
  await cluster.tee.signal(guestId, 'SIGTERM');
  await cluster.tee.wait(guestId);
  await cluster.startSlot(slot, { version });
  await votes(slot);
}

async function votes(slot: string): Promise<void> {
  await waitForStatuses(test.current.cluster, `the next version votes for ${slot}`, (all) =>
    all.some(({ slot: at, version: is, phase }) => {
      return at === slot && is === NEXT_VERSION && phase === 'serving';
    }),
  );
}

async function witan(...argv: readonly string[]) {
  const ran = await runWitan(...argv, ...test.current.options, '--json');
  return { ...ran, json: JSON.parse(ran.stdout) as Record<string, unknown> };
}

const rotateSealing = () => witan('rotate', 'sealing', '--owner-key', test.current.ownerKeyFile);
const membersNow = async () => (await witan('cluster', 'members')).json;

/** What the next version alone applies is proposed by no leader that has it (record 0076). */
async function refusesWhatIsNewer(last: string, newer: number): Promise<void> {
  await witan('cluster', 'step-down', '--if-leader', last);
  // A new leader hears from everybody within a few beats.
  await vi.waitFor(
    async () => {
      const { members } = await membersNow();
      const versions = (members as { slot: string; version: number }[]).map(({ slot, version }) =>
        slot === last ? version === STATE_VERSION : version === newer,
      );
      expect(versions).toEqual([true, true, true]);
    },
    { timeout: 20_000, interval: 100 },
  );
  const { code, stdout } = await rotateSealing();
  expect(code).not.toBe(0);
  for (const part of ['MEMBER_VERSION_TOO_OLD', last, `version ${newer} or later`]) {
    expect(stdout).toContain(part);
  }
}

/** Starts pods one after the other until it is told to stop. */
function initializers(): { readonly stop: () => Promise<readonly string[]> } {
  const { current } = test;
  let isOver = false;
  const loop = async (): Promise<readonly string[]> => {
    const ends: string[] = [];
    while (!isOver) {
      const name = `pod-${ends.length}`;
      const run = await runInitializer(current.cluster, {
        name,
        initdata: await current.initdata('storefront'),
        endpoints: current.cluster.endpoints,
        output: join(test.directory, name),
      });
      ends.push(run.exit.exitCode === 0 ? 'started' : run.log);
    }
    return ends;
  };
  const running = loop();
  return {
    stop: () => {
      isOver = true;
      return running;
    },
  };
}

it('replaces every replica under load, and loses nothing acknowledged (I1, I3)', async () => {
  const { current } = test;
  const { cluster } = current;
  if (next === undefined) throw new Error('the next version was prepared');
  const { before, after } = next;
  await listCoordinators(current, before);
  const load = await startLoad(cluster, await current.initdata('orders'), {
    workload: 'orders',
    channel: 'fresh',
    concurrency: 2,
    durationMs: 180_000,
    pauseMs: 20,
  });
  await load.reach(5);
  const pods = initializers();

  await listCoordinators(current, [...before, ...after]);
  const all = await statusesOf(cluster);
  const last = all.find(({ role }) => role === 'voter')?.slot ?? '';
  const others = cluster.slots.filter(({ slot }) => slot !== last);
  for (const { slot } of others) await replace(slot, next);
  await refusesWhatIsNewer(last, next.stateVersion);

  // The last one runs on when its measurement is taken out: the others close its connections.
  const dropped = (await statusesOf(cluster)).map(
    ({ counters }) => counters['connections_dropped'],
  );
  const upgraded = others.map(({ address }) => address);
  await listCoordinators(current, after, upgraded);
  await waitForStatuses(cluster, 'the old version is cut off', (statuses) =>
    statuses.some(
      ({ members, role }) =>
        role === 'leader' && members.some(({ slot, reachable }) => slot === last && !reachable),
    ),
  );
  const now = (await statusesOf(cluster)).map(({ counters }) => counters['connections_dropped']);
  expect(Math.max(...now.map((count) => count ?? 0))).toBeGreaterThan(
    Math.max(...dropped.map((count) => count ?? 0)),
  );
  await cluster.killSlot(last);
  await cluster.startSlot(last, { version: next });
  await votes(last);
  expect(await rotateSealing()).toMatchObject({ code: 0, json: { ok: true, step: 'sealing' } });
  expect(await membersNow()).toMatchObject({ versionInUse: next.stateVersion });
  await load.reach((await load.acknowledged()).length + 10);
  const acknowledged = await load.stop();
  const ends = await pods.stop();
  expect((await load.lines()).filter(({ kind }) => kind === 'failed')).toEqual([]);
  expect(await countLost(current, acknowledged)).toBe(0);
  expect(ends.length).toBeGreaterThan(2);
  expect(ends.filter((end) => end !== 'started')).toEqual([]);
  const versions = (await statusesOf(cluster)).map(({ version }) => version);
  expect(versions).toEqual([NEXT_VERSION, NEXT_VERSION, NEXT_VERSION]);
});
