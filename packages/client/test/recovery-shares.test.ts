/** The recovery header of an answer: held to the manifest that the answer is about. */
import { describe, expect, it } from 'vitest';
import { decodeRecoveryHeaderUnverified, encodeRecoveryHeader } from '@witan/manifest';
import { clusterId, concatBytes } from '@witan/core';
import { makeOwner } from '@witan/client/testing';
import { Stage, code } from './support/stage.ts';

const stage = new Stage();
const bob = makeOwner('bob');

function holders(...names: readonly string[]): Readonly<Record<string, unknown>> {
  const { alice } = stage.scene;
  const entry = (owner: typeof alice, roles: readonly string[]) => ({
    name: owner.name,
    publicKey: owner.pair.publicKeyPem,
    roles: names.includes(owner.name) ? [...roles, 'recovery'] : roles,
  });
  const owners = [entry(alice, ['update'])];
  if (names.includes('bob')) owners.push(entry(bob, []));
  return { owners, recoveryThreshold: 1 };
}

describe('recovery shares', () => {
  it('come with the manifest that deals them, and from any replica afterwards', async () => {
    await stage.withReplicas(3);
    const client = stage.scene.client();
    const result = await stage.scene.set(client, stage.scene.manifest(holders('alice', 'bob')));
    expect(result.recoveryHeader).toMatchObject({ resharing: 1, threshold: 1 });
    for (const { address } of stage.scene.replicas) {
      const deployment = await stage.scene.client({ endpoints: [address] }).getDeployment();
      expect(deployment).toMatchObject({ recoveryHeader: result.recoveryHeader });
    }
  });

  it('are absent where no owner holds one', async () => {
    const client = await stage.settled();
    expect(await client.getDeployment()).not.toHaveProperty('recoveryHeader');
  });

  it('stay with the same owners, and are new with others', async () => {
    await stage.withReplicas(1);
    const { scene } = stage;
    const client = scene.client();
    const first = await scene.set(client, scene.manifest(holders('alice')));
    const same = await scene.set(client, scene.manifest({ ...holders('alice'), workloads: {} }));
    expect(same.recoveryHeader).toEqual(first.recoveryHeader);
    const other = await scene.set(client, scene.manifest(holders('bob')));
    expect(other.recoveryHeader?.resharing).toBe(2);
    const none = await scene.set(client, scene.manifest());
    expect(none.recoveryHeader).toBeUndefined();
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array, string]>([
    ['are left out', () => new Uint8Array(), 'CLIENT_ANSWER_INCONSISTENT'],
    [
      'are for other owners',
      (bytes) => {
        const header = decodeRecoveryHeaderUnverified(bytes);
        const { cluster } = stage.scene;
        const shares = header.shares.map((share) => ({ ...share, owner: cluster.head }));
        return encodeRecoveryHeader({ ...header, shares });
      },
      'CLIENT_ANSWER_INCONSISTENT',
    ],
    [
      'are of another cluster',
      (bytes) => {
        const header = decodeRecoveryHeaderUnverified(bytes);
        return encodeRecoveryHeader({ ...header, clusterId: clusterId('0'.repeat(64)) });
      },
      'CLIENT_ANSWER_INCONSISTENT',
    ],
    ['are damaged', (bytes) => bytes.subarray(1), 'CLIENT_ANSWER_MALFORMED'],
    ['are followed by more', (bytes) => concatBytes(bytes, bytes), 'CLIENT_ANSWER_MALFORMED'],
  ])('that %s are refused, with the whole answer', async (_name, change, expected) => {
    await stage.withReplicas(1);
    const { scene } = stage;
    await scene.set(scene.client(), scene.manifest(holders('alice')));
    const [replica] = scene.replicas;
    if (replica === undefined) return expect.fail();
    replica.faults.deployment = (answer) => ({
      ...answer,
      recoveryHeader: change(scene.cluster.wireRecoveryHeader()),
    });
    await expect(scene.client().getDeployment()).rejects.toThrow(code(expected as never));
    return undefined;
  });

  it('that nobody should hold are refused', async () => {
    const client = await stage.settled();
    const [replica] = stage.scene.replicas;
    if (replica === undefined) return expect.fail();
    const header = {
      clusterId: stage.scene.cluster.clusterId,
      resharing: 1,
      threshold: 1,
      shares: [
        {
          index: 1,
          owner: stage.scene.alice.pair.fingerprint,
          commitment: stage.scene.cluster.head,
          jwe: 'a.b.c.d.e',
        },
      ],
      wrappedSeed: new Uint8Array(60),
    };
    const recoveryHeader = encodeRecoveryHeader(header);
    replica.faults.deployment = (answer) => ({ ...answer, recoveryHeader });
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_ANSWER_INCONSISTENT'));
    return undefined;
  });
});
