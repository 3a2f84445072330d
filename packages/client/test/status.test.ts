import { generation } from '@witan/core';
import { TestCluster } from '@witan/client/testing';
import { describe, expect, it } from 'vitest';
import type { Client, EndpointStatus } from '../src/index.ts';
import { Stage } from './support/stage.ts';

const stage = new Stage();

async function only(client: Client): Promise<EndpointStatus> {
  const [answer] = await client.getStatus();
  if (answer === undefined) throw new Error('one endpoint gives one answer');
  return answer;
}

describe('a status', () => {
  it('carries the signed high-water mark (I6)', async () => {
    const client = await stage.settled();
    await client.getDeployment();
    const mark = { confirmed: true, verified: true, belowFloor: false, commitIndex: 8 };
    expect(await only(client)).toMatchObject({ kind: 'ok', status: { mark } });
    // Somebody who knows no history key sees the mark, and that nobody verified it.
    expect(await only(stage.scene.client())).toMatchObject({
      status: { mark: { ...mark, verified: false } },
    });
  });

  it('has none before the first manifest', async () => {
    await stage.withReplicas(1);
    const answer = await only(stage.scene.client());
    expect(answer.kind === 'ok' && answer.status.mark).toBeUndefined();
  });

  it('says that a mark is an earlier one, which may be below the floor', async () => {
    const client = await stage.settled();
    await client.getDeployment();
    const highWaterMark = stage.scene.cluster.mark({ commitIndex: 3 });
    for (const { faults } of stage.scene.replicas) {
      faults.status = (answer) => ({
        ...answer,
        highWaterMark,
        highWaterMarkConfirmed: false,
      });
    }
    const mark = { confirmed: false, verified: true, belowFloor: true, commitIndex: 3 };
    expect(await only(client)).toMatchObject({ kind: 'ok', status: { mark } });
  });

  it.each([
    ['confirmed and below the floor', { commitIndex: 3 }, true, 'CLIENT_BELOW_FLOOR'],
    ['of another history', { transitionHash: 'a'.repeat(64) }, true, 'CLIENT_HISTORY_FORKED'],
    ['of another history once', { transitionHash: 'a'.repeat(64) }, false, 'CLIENT_HISTORY_FORKED'],
    ['of another cluster', { clusterId: 'b'.repeat(64) }, false, 'CLIENT_OTHER_CLUSTER'],
  ])('is refused with a mark %s', async (_name, changes, highWaterMarkConfirmed, code) => {
    const client = await stage.settled();
    await client.getDeployment();
    const highWaterMark = stage.scene.cluster.mark({
      generation: generation(1),
      ...changes,
    } as object);
    for (const { faults } of stage.scene.replicas) {
      faults.status = (answer) => ({ ...answer, highWaterMark, highWaterMarkConfirmed });
    }
    expect(await only(client)).toMatchObject({ kind: 'failed', error: { code } });
  });

  it('is refused with a mark under another key, confirmed or not', async () => {
    const client = await stage.settled();
    await client.getDeployment();
    const { mark } = stage.scene.cluster.mark();
    const highWaterMark = { mark, signature: new TestCluster().mark().signature };
    for (const { faults } of stage.scene.replicas) {
      faults.status = (answer) => ({ ...answer, highWaterMark, highWaterMarkConfirmed: false });
    }
    const error = { code: 'CLIENT_MARK_INVALID' };
    expect(await only(client)).toMatchObject({ kind: 'failed', error });
  });
});
