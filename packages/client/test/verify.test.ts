import { epoch, generation, unixMillis } from '@witan/core';
import { COORDINATOR, TestCluster, makeOwner } from '@witan/client/testing';
import { signP256 } from '@witan/keys';
import { nextTransition, transitionBytes } from '@witan/manifest';
import { describe, expect, it } from 'vitest';
import { memoryFloorStore } from '../src/index.ts';
import { DEAD, IMPOSTER, Stage } from './support/stage.ts';

const stage = new Stage();

describe('verify', () => {
  it('passes for three replicas of one cluster and pins them', async () => {
    await stage.settled(3);
    const store = memoryFloorStore();
    const report = await stage.scene.client({ store }).verify(stage.scene.manifest());
    expect(report.checks.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'replicas passed',
      'manifest passed',
      'anchors passed',
      'history passed',
      'approvals passed',
      'changes passed',
      'floor passed',
      'agreement passed',
      'log skipped',
      'epoch passed',
    ]);
    expect(report).toMatchObject({ ok: true, simulated: true, generation: 1 });
    expect(await store.list()).toHaveLength(1);
  });

  it('fails by name when another manifest is in force, and pins nothing', async () => {
    await stage.settled(2);
    const store = memoryFloorStore();
    const expected = stage.scene.manifest({ workloads: {} });
    const report = await stage.scene.client({ store }).verify(expected);
    expect(report.ok).toBe(false);
    expect(report.checks.find(({ kind }) => kind === 'failed')).toMatchObject({
      name: 'manifest',
      expected: expected.digest,
      found: stage.scene.cluster.manifest?.digest,
    });
    expect(await store.list()).toEqual([]);
  });

  it('fails when one of the replicas is an imposter', async () => {
    await stage.settled(2);
    await stage.scene.start(IMPOSTER);
    const report = await stage.scene.client().verify();
    expect(report).toMatchObject({ ok: false, onlyUnreachable: false });
    expect(report.replicas.map(({ kind }) => kind)).toEqual(['verified', 'verified', 'refused']);
  });

  it('tells an unreachable replica from an untrusted one', async () => {
    await stage.settled(1);
    const endpoints = [...stage.scene.replicas.map(({ address }) => address), DEAD];
    const report = await stage.scene.client({ endpoints }).verify();
    expect(report).toMatchObject({ ok: false, onlyUnreachable: true });
  });

  it('fails when a genuine replica of another cluster is among them', async () => {
    await stage.settled(1);
    const other = new TestCluster();
    const stranger = await stage.scene.start(COORDINATOR, other);
    const lone = stage.scene.client({ endpoints: [stranger.address] });
    await stage.scene.set(lone, stage.scene.manifest());
    const report = await stage.scene.client().verify();
    expect(report.ok).toBe(false);
    expect(report.checks.find(({ kind }) => kind === 'failed')?.name).toBe('agreement');
  });

  it('says so when there is no manifest yet', async () => {
    await stage.withReplicas(1);
    const report = await stage.scene.client().verify();
    expect(report.checks.find(({ kind }) => kind === 'failed')?.code).toBe('CLIENT_NO_MANIFEST');
  });

  it('shows that a cluster was recovered as a whole (I7)', async () => {
    await stage.settled(1);
    stage.scene.cluster.recover();
    const report = await stage.scene.client().verify();
    expect(report.checks.find(({ name }) => name === 'epoch')?.detail).toBe(
      '2: recovered as a whole 1 time(s), without witan-2',
    );
    expect(report).toMatchObject({
      ok: true,
      recoveries: [
        {
          epoch: 2,
          from: { epoch: 1, index: 8, generation: 1 },
          key: 'shares',
          participants: [{ slot: 'witan-0' }, { slot: 'witan-1' }],
          acceptedMissing: ['witan-2'],
        },
      ],
    });
  });

  it('judges every update by the owners of the manifest before it (I6)', async () => {
    const client = await stage.settled(2);
    const { scene } = stage;
    const bob = makeOwner('bob');
    const owners = [{ name: 'bob', publicKey: bob.pair.publicKeyPem, roles: ['update'] }];
    await scene.set(client, scene.manifest({ owners }));
    expect((await scene.client().verify()).checks.find(({ name }) => name === 'approvals')).toEqual(
      expect.objectContaining({ kind: 'passed', detail: 'all 2, the newest by alice' }),
    );
    // A transition that nobody approved, under the true key: what a faulty replica could sign.
    const { cluster } = scene;
    const manifest = scene.manifest({ owners, workloads: {} });
    const transition = nextTransition({
      clusterId: cluster.clusterId,
      epoch: epoch(1),
      previousGeneration: generation(2),
      previous: cluster.head,
      manifestDigest: manifest.digest,
      approvals: [scene.approve(cluster.clusterId, cluster.head, manifest)],
      timeMs: unixMillis(0),
    });
    const signature = signP256(cluster.historyKey, transitionBytes(transition));
    cluster.transitions.push({ transition, signature });
    cluster.manifests.push(manifest);
    const report = await scene.client().verify();
    const failed = report.checks.find(({ kind }) => kind === 'failed');
    expect(failed).toMatchObject({ name: 'approvals', code: 'APPROVAL_UNKNOWN_OWNER' });
    expect(failed?.detail).toContain('transitions[2].approvals[0]');
  });

  it('says which approvals only the replicas have checked', async () => {
    const client = await stage.settled(1);
    await stage.scene.set(client, stage.scene.manifest({ workloads: {} }));
    for (const { faults } of stage.scene.replicas) {
      faults.history = (answer) => {
        const kept = (answer.records ?? []).map((record) => ({
          ...record,
          ...(answer.records?.length === 1 ? { manifest: new Uint8Array() } : {}),
        }));
        return { ...answer, records: kept };
      };
    }
    const { checks } = await stage.scene.client().verify();
    expect(checks.find(({ name }) => name === 'approvals')?.detail).toContain(
      'up to generation 2 as the replicas recorded',
    );
  });

  it('is not shown a manifest that its transition does not name', async () => {
    await stage.settled(1);
    const other = stage.scene.manifest({ workloads: {} });
    for (const { faults } of stage.scene.replicas) {
      faults.history = (answer) => ({
        ...answer,
        records: (answer.records ?? []).map((record) => ({ ...record, manifest: other.bytes })),
      });
    }
    const report = await stage.scene.client().verify();
    expect(report.replicas[0]?.code).toBe('CLIENT_HISTORY_INVALID');
  });

  it('names what is lower than seen before, and what forked (I6)', async () => {
    const client = await stage.settled(1);
    const { scene } = stage;
    scene.cluster.recover();
    await scene.set(client, scene.manifest({ workloads: {} }));
    const store = memoryFloorStore();
    await scene.client({ store }).verify();
    const floor = async () => {
      const report = await scene.client({ store }).verify();
      return report.checks.find(({ name }) => name === 'floor');
    };
    expect(await floor()).toMatchObject({ kind: 'passed' });
    scene.cluster.index -= 1;
    expect(await floor()).toMatchObject({ kind: 'failed', detail: shows('a lower index') });
    scene.cluster.index += 5;
    const [manifest, transition] = [scene.cluster.manifests.pop(), scene.cluster.transitions.pop()];
    expect(await floor()).toMatchObject({ kind: 'failed', detail: shows('a lower generation') });
    if (manifest !== undefined) scene.cluster.manifests.push(manifest);
    if (transition === undefined) throw new Error('there is a transition');
    const { transition: second } = transition;
    scene.cluster.transitions.push({ ...transition, transition: { ...second, timeMs: later } });
    expect(await floor()).toMatchObject({ kind: 'failed', code: 'CLIENT_HISTORY_FORKED' });
    scene.cluster.transitions.splice(1, 1, transition);
    const [recovery] = scene.cluster.recoveries;
    if (recovery === undefined) throw new Error('there is a recovery');
    scene.cluster.recoveries.splice(0, 1, { ...recovery, acceptedMissing: [] });
    expect(await floor()).toMatchObject({ kind: 'failed', code: 'CLIENT_HISTORY_FORKED' });
    expect((await floor())?.detail).toContain('another recovery');
    scene.cluster.recoveries.splice(0, 1);
    scene.cluster.epoch = 1;
    expect(await floor()).toMatchObject({ kind: 'failed', detail: shows('a lower epoch') });
  });

  const later = unixMillis(99);
  const shows = (what: string): unknown => expect.stringContaining(`shows ${what}`);
});
