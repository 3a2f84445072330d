import { clusterId, fromHex, generation, unixMillis, type Epoch } from '@witan/core';
import { COORDINATOR, Scene, TestCluster } from '@witan/client/testing';
import { describe, expect, it } from 'vitest';
import { memoryFloorStore } from '../src/index.ts';
import { Stage, code } from './support/stage.ts';

const stage = new Stage();

describe('the floor (I6)', () => {
  const epochs = (number: number): Epoch => number as Epoch;

  it.each([
    ['a lower index', { commitIndex: 1 }, 'CLIENT_BELOW_FLOOR'],
    ['no generation', { generation: generation(0) }, 'CLIENT_BELOW_FLOOR'],
    ['another transition', { transitionHash: 'a'.repeat(64) as never }, 'CLIENT_HISTORY_FORKED'],
    ['another cluster', { clusterId: clusterId('b'.repeat(64)) }, 'CLIENT_OTHER_CLUSTER'],
  ] as const)('refuses a mark with %s', async (_what, changes, expected) => {
    const client = await stage.settled();
    for (const { faults } of stage.scene.replicas) {
      faults.deployment = (answer) => ({
        ...answer,
        highWaterMark: stage.scene.cluster.mark(changes),
      });
    }
    await expect(client.getDeployment()).rejects.toThrow(code(expected));
  });

  it('refuses a lower epoch', async () => {
    const client = await stage.settled();
    stage.scene.cluster.recover();
    stage.scene.cluster.recover();
    await client.getDeployment();
    stage.scene.cluster.recoveries.pop();
    stage.scene.cluster.epoch = 2;
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_BELOW_FLOOR'));
    expect(client.known.floor?.epoch).toBe(epochs(3));
  });

  it('refuses a cluster that was recovered from below it and has grown past it (I7)', async () => {
    const client = await stage.settled();
    const { cluster } = stage.scene;
    const transitionHash = cluster.head;
    const from = { epoch: epochs(1), term: 1, generation: generation(1), transitionHash };
    cluster.recover({ from: { ...from, index: cluster.index - 1 } });
    cluster.index += 100;
    await expect(client.getDeployment()).rejects.toMatchObject({
      code: 'CLIENT_BELOW_FLOOR',
      fields: { check: 'recovered-from-lower-index' },
    });
  });

  it('refuses another recovery of an epoch that it has seen, also from a store (I7)', async () => {
    await stage.withReplicas(1);
    const store = memoryFloorStore();
    const client = stage.scene.client({ store });
    await stage.scene.set(client, stage.scene.manifest());
    const { cluster } = stage.scene;
    cluster.recover();
    await client.getDeployment();
    const [seen] = cluster.recoveries;
    if (seen === undefined) throw new Error('there is a recovery');
    cluster.recoveries.splice(0, 1, { ...seen, timeMs: unixMillis(5) });
    cluster.index += 100;
    for (const one of [client, stage.scene.client({ store })]) {
      await expect(one.getDeployment()).rejects.toMatchObject({
        code: 'CLIENT_HISTORY_FORKED',
        fields: { check: 'recoveries' },
      });
    }
    // Nor does one more recovery hide the fork.
    cluster.recover();
    await expect(stage.scene.client({ store }).getDeployment()).rejects.toMatchObject({
      code: 'CLIENT_HISTORY_FORKED',
    });
  });

  it.each([
    ['none', () => ({})],
    ['one of another epoch', (first: object) => first],
    [
      'one under another key',
      (_: object, last: { signature: Uint8Array; recovery: Uint8Array }) => ({
        recovery: { ...last, signature: new Uint8Array(64) },
      }),
    ],
  ] as const)('refuses a later epoch with %s for its recovery', async (_name, pick) => {
    const client = await stage.settled();
    const { cluster } = stage.scene;
    cluster.recover();
    cluster.recover();
    const [first, last] = cluster.wireRecoveries();
    if (first === undefined || last === undefined) throw new Error('there are two');
    for (const { faults } of stage.scene.replicas) {
      faults.deployment = ({ recovery: _dropped, ...answer }) => ({
        ...answer,
        ...pick(first, last.recovery),
      });
    }
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_ANSWER_INCONSISTENT'));
  });

  it('survives in a store, for another client', async () => {
    await stage.withReplicas(1);
    const store = memoryFloorStore();
    await stage.scene.set(stage.scene.client({ store }), stage.scene.manifest());
    stage.scene.cluster.index -= 1;
    const [expected] = await store.list();
    if (expected === undefined) throw new Error('nothing was pinned');
    const later = stage.scene.client({ expected });
    await expect(later.getDeployment()).rejects.toThrow(code('CLIENT_BELOW_FLOOR'));
  });

  it('in a store holds for a client that was told nothing else', async () => {
    await stage.withReplicas(1);
    const store = memoryFloorStore();
    await stage.scene.set(stage.scene.client({ store }), stage.scene.manifest());
    stage.scene.cluster.index -= 1;
    const refused = code('CLIENT_BELOW_FLOOR');
    await expect(stage.scene.client({ store }).getDeployment()).rejects.toThrow(refused);
    await expect(stage.scene.client({ store }).getHistory()).rejects.toThrow(refused);
    const report = await stage.scene.client({ store }).verify();
    expect(report.replicas[0]?.code).toBe('CLIENT_BELOW_FLOOR');
    stage.scene.cluster.index += 1;
    stage.scene.cluster.manifests.pop();
    stage.scene.cluster.transitions.pop();
    await expect(stage.scene.client({ store }).getDeployment()).rejects.toThrow(refused);
  });

  it('refuses a mark under another key', async () => {
    const client = await stage.settled();
    const forger = new TestCluster();
    for (const { faults } of stage.scene.replicas) {
      faults.deployment = (answer) => ({
        ...answer,
        highWaterMark: {
          mark: stage.scene.cluster.mark().mark,
          signature: forger.mark().signature,
        },
      });
    }
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_MARK_INVALID'));
  });

  it('refuses a cluster that forgot its manifest', async () => {
    const client = await stage.settled();
    stage.scene.cluster.manifests.pop();
    stage.scene.cluster.transitions.pop();
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_BELOW_FLOOR'));
  });

  it('refuses genuine Coordinators of another cluster (diversion)', async () => {
    const client = await stage.settled();
    const { known } = client;
    const other = new Scene(stage.hardware);
    await other.start();
    await other.set(other.client(), other.manifest());
    const endpoints = other.replicas.map(({ address }) => address);
    await expect(
      stage.scene.client({ endpoints, expected: known }).getDeployment(),
    ).rejects.toThrow(code('CLIENT_OTHER_CLUSTER'));
    await other.close();
  });
});

describe('an answer is refused that', () => {
  it.each([
    ['names another generation than its mark', { generation: 2n }, 'CLIENT_ANSWER_INCONSISTENT'],
    ['names another epoch than its mark', { epoch: 2n }, 'CLIENT_ANSWER_INCONSISTENT'],
    ['has a cluster id of a wrong length', { clusterId: fromHex('00') }, 'CLIENT_ANSWER_MALFORMED'],
    ['has a manifest that is none', { manifest: fromHex('7b') }, 'CLIENT_MANIFEST_INVALID'],
    ['has no root certificate', { rootCertificate: fromHex('') }, 'CLIENT_PIN_MISMATCH'],
    ['has no mesh CA', { meshCaCertificate: fromHex('30') }, 'CLIENT_CERTIFICATE_INVALID'],
    ['has another history key', { historyPublicKey: fromHex('00') }, 'CLIENT_PIN_MISMATCH'],
  ] as const)('%s', async (_what, changes, expected) => {
    const client = await stage.settled();
    for (const { faults } of stage.scene.replicas) {
      faults.deployment = (answer) => ({ ...answer, ...changes });
    }
    await expect(client.getDeployment()).rejects.toThrow(code(expected));
  });

  it('serves a manifest that does not list the Coordinator', async () => {
    const client = await stage.settled();
    const other = { ...COORDINATOR, measurement: 'dd'.repeat(48) };
    const foreign = stage.scene.manifest({ coordinators: [stage.hardware.referenceValues(other)] });
    for (const { faults } of stage.scene.replicas) {
      faults.deployment = (answer) => ({ ...answer, manifest: foreign.bytes });
    }
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_COORDINATOR_UNLISTED'));
  });
});
