import type { Scene } from '@witan/client/testing';
import { describe, expect, it } from 'vitest';
import { Stage, code } from './support/stage.ts';

const stage = new Stage();

describe('the history', () => {
  it('is verified from the first transition on', async () => {
    const client = await stage.settled();
    await stage.scene.set(client, stage.scene.manifest({ workloads: {} }));
    const { history } = await client.getHistory();
    expect(history.transitions.map(({ generation: number }) => number)).toEqual([1, 2]);
    expect(history.head).toBe(stage.scene.cluster.head);
  });

  it('is put together from parts, and refused where one of them is missing', async () => {
    const client = await stage.settled();
    for (const change of [{ workloads: {} }, {}, { workloads: {} }]) {
      await stage.scene.set(client, stage.scene.manifest(change));
    }
    let asked = 0;
    const limitTo = (last: number): void => {
      for (const { faults } of stage.scene.replicas) {
        faults.history = (answer) => {
          asked += 1;
          return { ...answer, records: asked > last ? [] : (answer.records ?? []).slice(0, 1) };
        };
      }
    };
    limitTo(4);
    const { history } = await client.getHistory();
    expect(history.transitions).toHaveLength(4);
    expect(history.head).toBe(stage.scene.cluster.head);
    expect(asked).toBe(4);
    asked = 0;
    limitTo(3);
    await expect(client.getHistory()).rejects.toThrow(code('CLIENT_HISTORY_INVALID'));
  });

  it('is an error before the first manifest', async () => {
    await stage.withReplicas(1);
    await expect(stage.scene.client().getHistory()).rejects.toThrow(code('CLIENT_NO_MANIFEST'));
  });

  it.each([
    ['is cut at the end', (length: number) => [0].slice(0, length - 1)],
    ['is cut at the beginning', () => [1]],
    ['repeats a transition', () => [0, 0]],
    ['changes the order', () => [1, 0]],
    ['is empty', () => []],
  ])('is refused when it %s', async (_what, pick: (length: number) => readonly number[]) => {
    const client = await stage.settled();
    await stage.scene.set(client, stage.scene.manifest({ workloads: {} }));
    for (const { faults } of stage.scene.replicas) {
      faults.history = (answer) => {
        const records = answer.records ?? [];
        return {
          ...answer,
          records: pick(records.length).flatMap((at) => records[at] ?? []),
        };
      };
    }
    await expect(client.getHistory()).rejects.toThrow(code('CLIENT_HISTORY_INVALID'));
  });

  it('is refused when it is long, consistent and not the one seen before', async () => {
    stage.empty();
    const fork = stage.scene;
    await fork.start();
    const forkClient = fork.client();
    await fork.set(forkClient, fork.manifest({ workloads: {} }));
    await fork.set(forkClient, fork.manifest());
    const divided = stage.scene.client({
      // Another first transition under the same key: what a rolled-back majority could show.
      expected: { ...forkClient.known, ...withFloor(fork) },
    });
    await expect(divided.getHistory()).rejects.toThrow(code('CLIENT_HISTORY_FORKED'));
  });

  function withFloor(fork: Scene): object {
    return {
      floor: {
        clusterId: fork.cluster.clusterId,
        epoch: 1,
        commitIndex: 1,
        generation: 1,
        transitionHash: 'f'.repeat(64),
      },
    };
  }
});
