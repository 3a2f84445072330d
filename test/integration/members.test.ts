/**
 * What operators ask about members, on a real cluster: through any replica, answered by the leader
 * after a ReadIndex round (I5).
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { allServe, sleepMs, waitForStatuses } from '@witan/devcluster';
import { runWitan, useDeployment } from '../support/deployment.ts';

const test = useDeployment();

interface Members {
  readonly term: number;
  readonly slots: readonly string[];
  readonly members: readonly {
    readonly slot: string;
    readonly role: string;
    readonly reachable: boolean;
    readonly matchIndex: number;
    readonly behind: number;
  }[];
}

/** Runs a command of the group against one replica alone. */
async function cluster(endpoint: string, ...argv: readonly string[]) {
  const [, , ...options] = test.current.options;
  const ran = await runWitan('cluster', ...argv, '--endpoint', endpoint, ...options, '--json');
  return { ...ran, json: JSON.parse(ran.stdout) as Record<string, unknown> };
}

async function membersAt(endpoint: string): Promise<Members> {
  return (await cluster(endpoint, 'members')).json as unknown as Members;
}

describe('witan cluster', () => {
  it('shows the same members through every replica', async () => {
    const all = await Promise.all(test.current.cluster.endpoints.map(membersAt));
    for (const { slots, members } of all) {
      expect(slots).toEqual(['witan-0', 'witan-1', 'witan-2']);
      expect(members.map(({ slot }) => slot)).toEqual(slots);
      expect(members.map(({ role }) => role).toSorted()).toEqual(['leader', 'voter', 'voter']);
      expect(members.every(({ reachable, matchIndex }) => reachable && matchIndex > 0)).toBe(true);
    }
    const [endpoint = ''] = test.current.cluster.endpoints;
    const [, , ...options] = test.current.options;
    const { stdout } = await runWitan('cluster', 'members', '--endpoint', endpoint, ...options);
    expect(stdout).toMatch(/witan-1 .*yes/);
  });

  it('says whether a slot may stop, by exit code, and steps down for it', async () => {
    const { cluster: dev } = test.current;
    const leaderOf = ({ members }: Members) => members.find(({ role }) => role === 'leader')?.slot;
    const [first = ''] = dev.endpoints;
    const leader = leaderOf(await membersAt(first)) ?? '';
    const [follower, other] = dev.slots.filter(({ slot }) => slot !== leader);
    if (follower === undefined || other === undefined) throw new Error('three slots');
    expect(await cluster(other.address, 'can-stop', follower.slot)).toMatchObject({
      code: 0,
      json: { ok: true, safe: true, needed: 2 },
    });
    expect(await cluster(other.address, 'can-stop', 'witan-9')).toMatchObject({
      code: 5,
      json: { ok: false, code: 'SLOT_UNKNOWN' },
    });
    await dev.signalSlot(follower.slot, 'SIGSTOP');
    const refused = await cluster(other.address, 'can-stop', leader);
    expect(refused).toMatchObject({ code: 5, json: { safe: false, missing: [follower.slot] } });
    expect(refused.stderr).toContain('CLI_STOP_UNSAFE');
    await dev.signalSlot(follower.slot, 'SIGCONT');
    const waited = await cluster(other.address, 'can-stop', leader, '--wait', '20');
    expect(waited).toMatchObject({ code: 0, json: { safe: true } });
    const idle = await cluster(other.address, 'step-down', '--if-leader', follower.slot);
    expect(idle.json).toMatchObject({ ok: true, changed: false, to: leader });
    const ended = await cluster(other.address, 'step-down');
    expect(ended).toMatchObject({ code: 0, json: { ok: true, changed: true, from: leader } });
    const now = await waitForStatuses(dev, 'a leader', (all) => allServe(dev, all));
    expect(now.every((status) => status.leader === ended.json['to'])).toBe(true);
    expect(ended.json['to']).not.toBe(leader);
  });

  it('puts a stop off until the rest keeps its quorum, and then hands over', async () => {
    const { cluster: dev } = test.current;
    const [first, second] = dev.slots;
    if (first === undefined || second === undefined) throw new Error('three slots');
    await dev.killSlot(first.slot);
    await dev.startSlot(first.slot, { env: { WITAN_STOP_WAIT: '60' } });
    await waitForStatuses(dev, 'all vote', (all) => allServe(dev, all));
    await dev.signalSlot(second.slot, 'SIGSTOP');
    // What it has sent before arrives, and speaks for it no more.
    await sleepMs(1_000);
    await dev.signalSlot(first.slot, 'SIGTERM');
    let hasEnded = false;
    const ended = dev.tee.wait(dev.slot(first.slot).guestId).then((exit) => {
      hasEnded = true;
      return exit;
    });
    const log = dev.layout.log(first.slot);
    const wasPutOff = async (): Promise<boolean> =>
      (await readFile(log, 'utf8')).includes('QUORUM_WOULD_BE_LOST');
    while (!hasEnded && !(await wasPutOff())) await sleepMs(50);
    expect(hasEnded).toBe(false);
    await dev.signalSlot(second.slot, 'SIGCONT');
    expect(await ended).toMatchObject({ exitCode: 0 });
    await dev.startSlot(first.slot);
    await waitForStatuses(dev, 'all vote', (all) => allServe(dev, all));
  });

  it('refuses what it cannot read', async () => {
    const [endpoint = ''] = test.current.cluster.endpoints;
    const bad = await cluster(endpoint, 'can-stop', 'No Slot');
    expect(bad).toMatchObject({ code: 3 });
    expect(bad.stderr).toContain('REQUEST_INVALID');
    const wait = await cluster(endpoint, 'can-stop', 'witan-0', '--wait', 'long');
    expect(wait).toMatchObject({ code: 2, json: { error: { code: 'CLI_USAGE' } } });
  });
});
