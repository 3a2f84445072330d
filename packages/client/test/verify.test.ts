import { COORDINATOR, TestCluster } from '@witan/client/testing';
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
      'floor passed',
      'agreement passed',
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
    stage.scene.cluster.epoch = 2;
    const report = await stage.scene.client().verify();
    expect(report.checks.find(({ name }) => name === 'epoch')?.detail).toContain('recovered');
  });
});
