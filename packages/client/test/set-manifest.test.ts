import { PublicError } from '@witan/transport';
import { COORDINATOR, makeOwner } from '@witan/client/testing';
import { describe, expect, it } from 'vitest';
import { memoryFloorStore } from '../src/index.ts';
import { Stage, code } from './support/stage.ts';

const stage = new Stage();

describe('setting a manifest', () => {
  it('verifies and pins what comes back', async () => {
    await stage.withReplicas(1);
    const store = memoryFloorStore();
    const client = stage.scene.client({ store });
    const manifest = stage.scene.manifest();
    const result = await stage.scene.set(client, manifest);
    expect(result.transition.transition.manifestDigest).toBe(manifest.digest);
    expect(result.simulated).toBe(true);
    const pinned = await store.load(stage.scene.cluster.clusterId);
    expect(pinned?.rootCertificate).toEqual(result.rootCertificate);
    expect(pinned?.floor.generation).toBe(1);
    expect(pinned?.manifest).toEqual(manifest.bytes);
    expect(pinned?.endpoints).toEqual([stage.scene.replicas[0]?.address]);
  });

  it('is done once although its first answer was lost', async () => {
    await stage.withReplicas(1);
    let lost = 0;
    for (const { faults } of stage.scene.replicas) {
      faults.before = (method) => {
        if (method !== 'setManifest:answer' || lost > 0) return;
        lost += 1;
        throw new PublicError('UNAVAILABLE', 'REPLICA_TIMED_OUT', 'lost');
      };
    }
    const result = await stage.scene.set(stage.scene.client(), stage.scene.manifest());
    expect(lost).toBe(1);
    expect(result.mark.generation).toBe(1);
    expect(stage.scene.cluster.transitions).toHaveLength(1);
  });

  it('gives a conflict with both hashes when it builds on an old transition', async () => {
    const client = await stage.settled();
    const manifest = stage.scene.manifest({ workloads: {} });
    const { clusterId: cluster } = stage.scene.cluster;
    const previousTransition = stage.scene.manifest().digest;
    const approvals = [stage.scene.approve(cluster, previousTransition, manifest)];
    const request = { clusterId: cluster, previousTransition, manifest, approvals };
    await expect(client.setManifest(request)).rejects.toThrow(
      expect.objectContaining({
        code: 'CLIENT_CONFLICT',
        fields: expect.objectContaining({
          expected: stage.scene.cluster.head,
          found: previousTransition,
        }) as unknown,
      }),
    );
  });

  it('is not sent to a Coordinator that the manifest does not list', async () => {
    const client = await stage.settled();
    const other = { ...COORDINATOR, measurement: 'dd'.repeat(48) };
    const manifest = stage.scene.manifest({
      coordinators: [stage.hardware.referenceValues(other)],
    });
    await expect(stage.scene.set(client, manifest)).rejects.toThrow(
      code('CLIENT_COORDINATOR_UNLISTED'),
    );
    expect(stage.scene.replicas[0]?.calls.filter((call) => call === 'setManifest')).toHaveLength(1);
  });

  it('shows why the Coordinator refuses it', async () => {
    await stage.withReplicas(1);
    const client = stage.scene.client();
    const manifest = stage.scene.manifest();
    const { clusterId: cluster, transitionHash } = await client.getDeployment();
    const mallory = makeOwner('mallory');
    const approvals = [stage.scene.approve(cluster, transitionHash, manifest, mallory)];
    const request = {
      clusterId: cluster,
      previousTransition: transitionHash,
      manifest,
      approvals,
    };
    await expect(client.setManifest(request)).rejects.toThrow(
      expect.objectContaining({
        code: 'CLIENT_REQUEST_REFUSED',
        fields: expect.objectContaining({ remoteCode: 'APPROVAL_UNKNOWN_OWNER' }) as unknown,
      }),
    );
  });

  it.each([
    ['transition', 'CLIENT_ANSWER_MALFORMED'],
    ['highWaterMark', 'CLIENT_MARK_INVALID'],
    ['rootCertificate', 'CLIENT_CERTIFICATE_INVALID'],
    ['meshCaCertificate', 'CLIENT_CERTIFICATE_INVALID'],
    ['historyPublicKey', 'CLIENT_MARK_INVALID'],
  ] as const)('refuses an answer without %s', async (part, expected) => {
    await stage.withReplicas(1);
    for (const { faults } of stage.scene.replicas) {
      faults.set = ({ [part]: _left, ...rest }) => rest;
    }
    await expect(stage.scene.set(stage.scene.client(), stage.scene.manifest())).rejects.toThrow(
      code(expected),
    );
  });

  it('refuses a transition that records another manifest', async () => {
    const client = await stage.settled();
    for (const { faults } of stage.scene.replicas) {
      faults.set = (answer) => ({ ...answer, transition: stage.scene.cluster.wireTransition(1) });
    }
    const request = stage.scene.set(client, stage.scene.manifest({ workloads: {} }));
    await expect(request).rejects.toThrow(code('CLIENT_TRANSITION_INVALID'));
  });
});
