/** Following a history key that came with another seed, where owners approved it, and only then. */
import { describe, expect, it } from 'vitest';
import { toHex } from '@witan/core';
import { signP256, spkiOf } from '@witan/keys';
import { makeOwner, type Owner } from '@witan/client/testing';
import { memoryFloorStore } from '../src/index.ts';
import { Stage, code } from './support/stage.ts';

const stage = new Stage();

const hex = (bytes: Uint8Array | undefined): string => toHex(bytes ?? new Uint8Array());

function by(owner: Owner) {
  return (data: Uint8Array) => [
    { ownerFingerprint: owner.pair.fingerprint, signature: signP256(owner.privateKey, data) },
  ];
}

describe('a client that pinned the former history key', () => {
  it('follows a link that the former key signed and owners approved (I6)', async () => {
    const client = await stage.settled();
    const { cluster, alice } = stage.scene;
    const before = client.known.historyPublicKey;
    cluster.rotateSeed(by(alice));
    await client.getDeployment();
    expect(hex(client.known.historyPublicKey)).toBe(hex(spkiOf(cluster.historyKey)));
    expect(client.known.formerHistoryKeys?.map(hex)).toEqual([hex(before)]);
    // And goes on under it, also for what carries a mark alone.
    await stage.scene.set(client, stage.scene.manifest({ workloads: {} }));
    cluster.rotateSeed(by(alice));
    await client.getIdentities([]);
    const { history, keys } = await client.getHistory();
    expect(history.transitions).toHaveLength(2);
    expect(keys.all).toHaveLength(3);
    expect((await client.verify()).ok).toBe(true);
  });

  it('refuses one that a thief of that key signed, whose approvals fit another seed', async () => {
    const client = await stage.settled();
    const { cluster, alice } = stage.scene;
    // The owners’ word for the true next seed, in the place of their word for this one.
    const theirs = by(alice)(new TextEncoder().encode('seed activate 0123'));
    cluster.rotateSeed(() => theirs);
    await expect(client.getDeployment()).rejects.toThrow(
      expect.objectContaining({
        code: 'CLIENT_HISTORY_INVALID',
        fields: expect.objectContaining({ check: 'APPROVAL_SIGNATURE_INVALID' }) as object,
      }),
    );
    const report = await client.verify();
    expect(report.ok).toBe(false);
    expect(report.replicas[0]).toMatchObject({ kind: 'refused', code: 'CLIENT_HISTORY_INVALID' });
  });

  it.each([
    ['that nobody approved', () => [], 'APPROVALS_TOO_FEW'],
    ['that somebody else approved', by(makeOwner('mallory')), 'APPROVAL_UNKNOWN_OWNER'],
  ])('refuses one %s', async (_what, approve, check) => {
    const client = await stage.settled();
    stage.scene.cluster.rotateSeed(approve);
    await expect(client.getDeployment()).rejects.toThrow(
      expect.objectContaining({ fields: expect.objectContaining({ check }) as object }),
    );
  });

  it('refuses another key without any link', async () => {
    const client = await stage.settled();
    const { cluster, alice } = stage.scene;
    cluster.rotateSeed(by(alice));
    cluster.seedLinks.splice(0);
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_PIN_MISMATCH'));
  });

  it('refuses a link that the former key did not sign', async () => {
    const client = await stage.settled();
    const { cluster, alice } = stage.scene;
    cluster.rotateSeed(by(alice));
    const [signed] = cluster.seedLinks.splice(0);
    if (signed === undefined) throw new Error('no link');
    cluster.seedLinks.push({ ...signed, signature: new Uint8Array(64).fill(1) });
    await expect(client.getDeployment()).rejects.toThrow(
      expect.objectContaining({
        fields: expect.objectContaining({ check: 'SEED_LINK_SIGNATURE_INVALID' }) as object,
      }),
    );
  });

  it('refuses a link whose approvals nobody can check any more', async () => {
    const client = await stage.settled();
    const { cluster, alice, replicas } = stage.scene;
    cluster.rotateSeed(by(alice));
    for (const { faults } of replicas) {
      faults.history = (answer) => ({
        ...answer,
        records: (answer.records ?? []).map((record) => ({
          ...record,
          manifest: new Uint8Array(),
        })),
      });
    }
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_SEED_LINK_UNCHECKED'));
  });

  it('keeps both keys in its store, and neither goes back', async () => {
    const store = memoryFloorStore();
    await stage.withReplicas(1);
    const client = stage.scene.client({ store });
    await stage.scene.set(client, stage.scene.manifest());
    const { cluster, alice } = stage.scene;
    const [old] = await store.list();
    cluster.rotateSeed(by(alice));
    await client.getDeployment();
    const [record] = await store.list();
    expect(hex(record?.historyPublicKey)).toBe(hex(spkiOf(cluster.historyKey)));
    expect(record?.formerHistoryKeys?.map(hex)).toEqual([hex(old?.historyPublicKey)]);
    // An answer under the former key, as its thief can sign it, is refused from now on.
    const [former] = cluster.formerKeys.splice(0);
    cluster.historyKey = former ?? expect.fail();
    cluster.seedLinks.splice(0);
    cluster.index += 1;
    await expect(stage.scene.client({ store }).getDeployment()).rejects.toThrow(
      code('CLIENT_PIN_MISMATCH'),
    );
  });
});
