/**
 * Parts of the audit log: every leaf of a part is checked, whatever a replica leaves out, and what
 * is too old for a proof is said to be.
 */
import { describe, expect, it } from 'vitest';
import { epoch, generation, sha256Hex, slotName, unixMillis, type UnixMillis } from '@witan/core';
import { TestLog, type Faults } from '@witan/client/testing';
import { LOG_LIMITS, type LeafEvent, type LogLeaf } from '@witan/manifest';
import { memoryFloorStore, type Client, type LeafRange } from '../src/index.ts';
import { code, Stage } from './support/stage.ts';

const stage = new Stage();
const hash = sha256Hex('ab'.repeat(32));

function leaf(number: number, event: LeafEvent): LogLeaf {
  const timeMs: UnixMillis = unixMillis(1_000 + number);
  return { index: number + 5, epoch: epoch(1), generation: generation(1), timeMs, ...event };
}

const approval = (number: number): LogLeaf =>
  leaf(number, { kind: 'approval', owner: hash, action: `generation ${number}` });

const issuance = (number: number): LogLeaf =>
  leaf(number, {
    kind: 'issuance',
    serial: number.toString(16).padStart(32, '0'),
    workload: 'web',
    spkiSha256: hash,
    evidenceSha256: hash,
    measurement: 'aa',
    notBeforeMs: unixMillis(0),
    notAfterMs: unixMillis(9),
    servedBy: slotName('witan-0'),
  });

/** A cluster whose log has so many leaves, every third an approval. */
async function logged(count: number, log = new TestLog()): Promise<Client> {
  const client = await stage.settled(1);
  log.pageMax = 7;
  for (let at = 0; at < count; at += 1) log.append(at % 3 === 0 ? approval(at) : issuance(at));
  stage.scene.cluster.log = log;
  return client;
}

function faults(): Faults {
  return stage.scene.replicas[0]?.faults ?? expect.fail();
}

const numbersOf = ({ leaves }: { readonly leaves: readonly { readonly number: number }[] }) =>
  leaves.map(({ number }) => number);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);

const PARTS: readonly (readonly [LeafRange, number, number])[] = [
  [{}, 0, 50],
  [{ from: 20 }, 20, 50],
  [{ to: 20 }, 0, 20],
  [{ from: 13, to: 29 }, 13, 29],
  [{ limit: 9 }, 41, 50],
  [{ limit: 90 }, 0, 50],
  [{ from: 10, to: 40, limit: 5 }, 35, 40],
  [{ from: 48, limit: 9 }, 48, 50],
  [{ from: 50 }, 50, 50],
  [{ from: 900, to: 901 }, 50, 50],
];

describe('a part of the log', () => {
  it('is given whole, and checked against a signed head', async () => {
    const client = await logged(0);
    for (const [asked, from, to] of PARTS) {
      const log = new TestLog();
      log.pageMax = 7;
      log.append(...range(0, 50).map(issuance));
      stage.scene.cluster.log = log;
      const fetched = await client.getLeaves(asked);
      expect(fetched).toMatchObject({ from, to, isPruned: false, head: { size: 50 } });
      expect(numbersOf(fetched)).toEqual(range(from, to));
      // The log grows between two answers; the part stays what it is.
      let isGrown = false;
      faults().before = (method) => {
        if (isGrown || method !== 'getLeaves') return;
        isGrown = true;
        log.append(...range(50, 53).map(approval));
      };
      const again = await client.getLeaves({ ...asked, to });
      expect(numbersOf(again)).toEqual(range(from, to));
      expect(again.head.size).toBe(53);
    }
  });

  it('is checked whole where only some kinds are asked for', async () => {
    const client = await logged(50);
    const { leaves } = await client.getLeaves({ from: 9, to: 21, kinds: ['approval'] });
    expect(leaves.map(({ number }) => number)).toEqual([9, 12, 15, 18]);
    faults().leaves = (answer) => ({
      ...answer,
      // A replica that hides one approval, where nobody asked for its neighbours.
      leaves: (answer.leaves ?? []).filter((_, at) => at !== 3),
    });
    const hidden = client.getLeaves({ from: 9, to: 21, kinds: ['approval'] });
    await expect(hidden).rejects.toEqual(code('CLIENT_LOG_INCONSISTENT'));
  });

  it.each<[string, NonNullable<Faults['leaves']>]>([
    ['another leaf', (answer) => ({ ...answer, leaves: [...(answer.leaves ?? [])].reverse() })],
    ['an earlier frontier', (answer) => ({ ...answer, frontier: [new Uint8Array(32)] })],
    ['no frontier', (answer) => ({ ...answer, frontier: [] })],
    [
      'a later page',
      (answer) => {
        const page = stage.scene.cluster.log?.page({ from: 15n, size: 30n });
        return { ...answer, leaves: page?.leaves ?? [] };
      },
    ],
  ])('with %s is refused', async (_what, change) => {
    const client = await logged(50);
    faults().leaves = (answer) => (answer.leaves?.length === 0 ? answer : change(answer));
    for (const asked of [{ from: 14, to: 30 }, { from: 14 }, { from: 14, limit: 30 }]) {
      await expect(client.getLeaves(asked)).rejects.toEqual(code('CLIENT_LOG_INCONSISTENT'));
    }
  });

  it('that ends too early, begins too early or never ends is refused', async () => {
    const client = await logged(50);
    const refused = (what: string) =>
      expect(client.getLeaves({ from: 14, to: 30 }), what).rejects.toEqual(
        code('CLIENT_ANSWER_MALFORMED'),
      );
    faults().leaves = (answer) => ({ ...answer, leaves: [] });
    await refused('no leaves');
    faults().leaves = (answer) => ({ ...answer, from: 13n });
    await refused('a part that begins before');
    faults().leaves = (answer) => ({ ...answer, leaves: [new Uint8Array(3)] });
    await refused('no leaf at all');
  });

  it('is refused where the proof that the log goes on from it is bad', async () => {
    const client = await logged(50);
    for (const path of [[], [new Uint8Array(32)], [new Uint8Array(3)]]) {
      faults().consistency = (answer) => ({ ...answer, path });
      await expect(client.getLeaves({ to: 30 })).rejects.toEqual(code('CLIENT_LOG_INCONSISTENT'));
    }
  });

  it('says where older leaves are no longer kept', async () => {
    const client = await logged(50);
    if (stage.scene.cluster.log !== undefined) stage.scene.cluster.log.keptFrom = 20;
    expect(await client.getLeaves()).toMatchObject({ from: 20, to: 50, isPruned: true });
    expect(await client.getLeaves({ from: 25 })).toMatchObject({ from: 25, isPruned: false });
    expect(await client.getLeaves({ to: 15 })).toMatchObject({ from: 15, to: 15, isPruned: true });
  });
});

describe('a log since it was verified', () => {
  it('is what came after the head that was kept, and goes on from there (I6)', async () => {
    await logged(50);
    const store = memoryFloorStore();
    const { scene } = stage;
    expect(await scene.client({ store }).verify()).toMatchObject({ ok: true });
    expect(await scene.client({ store }).getLeaves({ sinceSeen: true })).toMatchObject({
      from: 50,
      to: 50,
    });
    scene.cluster.log?.append(...range(50, 70).map(approval));
    const since = await scene.client({ store }).getLeaves({ sinceSeen: true });
    expect(numbersOf(since)).toEqual(range(50, 70));
    const newest = await scene.client({ store }).getLeaves({ sinceSeen: true, limit: 5 });
    expect(numbersOf(newest)).toEqual(range(65, 70));
    // Nothing was verified by that, so the head is not kept.
    const again = await scene.client({ store }).getLeaves({ sinceSeen: true });
    expect(again.from).toBe(50);

    // A fork: the same number of leaves and more, but others.
    const fork = new TestLog();
    fork.append(...range(100, 180).map(approval));
    scene.cluster.log = fork;
    for (const limit of [80, 5]) {
      const forked = scene.client({ store }).getLeaves({ sinceSeen: true, limit });
      await expect(forked).rejects.toEqual(code('CLIENT_LOG_INCONSISTENT'));
    }
    const shorter = new TestLog();
    shorter.append(...range(0, 40).map(approval));
    scene.cluster.log = shorter;
    const shrunk = scene.client({ store }).getLeaves({ sinceSeen: true });
    await expect(shrunk).rejects.toEqual(code('CLIENT_LOG_INCONSISTENT'));
  });

  it('is not compared with a head that is older than the window, and verify says so', async () => {
    // As in production, but smaller: hashes of 16 leaves, then tiles of 4, then blocks of 16.
    const limits = { ...LOG_LIMITS, tileLevel: 2, blockLevel: 4, leafHashesMax: 16 };
    await logged(5, new TestLog({ ...limits, tiledLeavesMax: 32 }));
    const store = memoryFloorStore();
    const { scene } = stage;
    const logOf = async () => {
      const report = await scene.client({ store }).verify();
      return { report, check: report.checks.find(({ name }) => name === 'log') };
    };
    expect((await logOf()).check?.kind).toBe('passed');
    const { log } = scene.cluster;
    log?.append(...range(5, 150).map(approval));
    if (log !== undefined) log.keptFrom = 136;
    const client = scene.client({ store });
    await expect(client.getLeaves({ sinceSeen: true })).rejects.toMatchObject({
      code: 'CLIENT_REQUEST_REFUSED',
      fields: { remoteCode: 'MERKLE_PRUNED' },
    });
    const { report, check } = await logOf();
    expect(report.ok).toBe(true);
    expect(check).toMatchObject({ kind: 'skipped' });
    expect(check?.detail).toContain('too old to be compared');
    // It starts from the new head: the next time there is something to go on from.
    log?.append(approval(150));
    const next = await logOf();
    expect(next.check).toMatchObject({ kind: 'passed' });
    expect(next.check?.detail).toContain('1 since last seen');
  });

  it('cannot be had of a leaf whose hashes are gone: no receipt, by MERKLE_PRUNED', async () => {
    const limits = { ...LOG_LIMITS, tileLevel: 2, blockLevel: 4, leafHashesMax: 16 };
    const client = await logged(150, new TestLog({ ...limits, tiledLeavesMax: 32 }));
    await expect(client.getReceipt({ kind: 'index', index: 3 })).rejects.toMatchObject({
      code: 'CLIENT_REQUEST_REFUSED',
      fields: { remoteCode: 'MERKLE_PRUNED' },
    });
    expect(await client.getReceipt({ kind: 'index', index: 149 })).toMatchObject({
      leaf: { kind: 'issuance' },
    });
  });
});
