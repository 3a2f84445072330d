/** What the driver cannot do, each with its code. */
import { describe, expect, it } from 'vitest';
import { incarnationId, slotName, utf8 } from '@witan/core';
import { nodeIdOf } from '@witan/state-machine';
import { Writer, type Forwarded, type ReplicaError } from '@witan/replica';
import { VirtualScheduler } from '@witan/testkit';
import {
  decodeMembershipContext,
  encodeMembershipContext,
} from '../src/life/membership-context.ts';
import { decodeEnvelope, encodeEnvelope } from '../src/raft/envelope.ts';
import { ReadBarrier } from '../src/raft/read-barrier.ts';
import { Waiters } from '../src/raft/waiters.ts';
import { World } from '../testing/world.ts';

async function founded(): Promise<World> {
  const world = new World(['witan-0', 'witan-1', 'witan-2']);
  for (const slot of ['witan-0', 'witan-1', 'witan-2']) world.start(slot);
  const all = (): boolean =>
    world.live().every((node) => (node.replica.cluster?.status().leaderId ?? 0) !== 0);
  await world.scheduler.run(10_000, all);
  return world;
}

describe('an engine', () => {
  it('gives REPLICA_NOT_LEADER with the leader’s id to whoever proposes elsewhere', async () => {
    const world = await founded();
    const follower = world.live().find((node) => node !== world.leader());
    const proposal = follower?.replica.cluster?.propose(utf8('x'), false, 100);
    await expect(proposal).rejects.toMatchObject({
      code: 'REPLICA_NOT_LEADER',
      fields: { leaderId: world.leader()?.self.nodeId },
    });
  });

  it('gives REPLICA_OUTCOME_UNKNOWN when leadership is lost meanwhile', async () => {
    const world = await founded();
    const leader = world.leader();
    for (const node of world.live()) if (node !== leader) node.paused = true;
    const proposal = leader?.replica.cluster?.propose(utf8('x'), false, 10_000);
    const outcome = proposal?.catch((error: unknown) => error);
    await world.scheduler.run(9_000);
    expect(await outcome).toMatchObject({ code: 'REPLICA_OUTCOME_UNKNOWN' });
  });

  it('gives REPLICA_STOPPED once it has stopped', async () => {
    const world = await founded();
    const cluster = world.leader()?.replica.cluster;
    await cluster?.stop();
    await expect(cluster?.propose(utf8('x'), false, 100)).rejects.toMatchObject({
      code: 'REPLICA_STOPPED',
    });
  });

  it('gives REPLICA_MEMBERSHIP_REFUSED for a change beside another', async () => {
    const world = await founded();
    const engine = world.leader()?.replica.cluster?.engine;
    const change = (digit: string) => {
      const incarnation = incarnationId(digit.repeat(64));
      const nodeId = nodeIdOf(incarnation);
      const added = { nodeId, slot: slotName('witan-0'), incarnation, address: 'host:1' };
      const context = encodeMembershipContext([added]);
      const whole = { addLearners: [nodeId], promote: [], remove: [], context };
      return engine?.changeMembership(whole, { timeoutMs: 5_000 }) ?? Promise.reject(new Error());
    };
    const both = Promise.allSettled([change('a'), change('b')]);
    await world.scheduler.run(6_000);
    const reasons = (await both).flatMap((one) =>
      one.status === 'rejected' ? [(one.reason as ReplicaError).code] : [],
    );
    expect(reasons).toEqual(['REPLICA_MEMBERSHIP_REFUSED']);
  });
});

describe('waiting', () => {
  it('is bounded in number: REPLICA_BUSY', async () => {
    const waiters = new Waiters<number, number>(new VirtualScheduler(), 1);
    void waiters.wait(1, 1_000, 'REPLICA_TIMED_OUT').catch(() => undefined);
    await expect(waiters.wait(2, 1_000, 'REPLICA_TIMED_OUT')).rejects.toMatchObject({
      code: 'REPLICA_BUSY',
    });
    waiters.rejectAll();
    expect(waiters.size).toBe(0);
  });

  it('for a read never takes an answer to an earlier round (I5)', async () => {
    const scheduler = new VirtualScheduler();
    const contexts: Uint8Array[] = [];
    const barrier = new ReadBarrier({
      scheduler,
      nodeId: 1,
      readIndex: (context) => {
        contexts.push(context);
      },
      retryMs: 100,
      waitersMax: 10,
    });
    const first = barrier.wait(10_000);
    await scheduler.run(250);
    // The first round was repeated; its old answer arrives late and confirms nothing.
    expect(contexts.length).toBe(3);
    expect(new Set(contexts.map(String)).size).toBe(3);
    barrier.confirmed(contexts[0] ?? new Uint8Array(), 5);
    let done = false;
    void first.then(() => {
      done = true;
    });
    await scheduler.run(1);
    expect(done).toBe(false);
    barrier.confirmed(contexts[2] ?? new Uint8Array(), 7);
    expect(await first).toBe(7);
  });
});

describe('a writer', () => {
  it('gives REPLICA_NO_CLUSTER before there is one', async () => {
    const writer = new Writer<string, string, unknown>({
      cluster: () => undefined,
      scheduler: new VirtualScheduler(),
      prepare: () => Promise.reject(new Error('not reached')),
      finish: () => undefined,
      forward: () => Promise.reject(new Error('not reached')),
    });
    await expect(writer.execute('x', 100)).rejects.toMatchObject({ code: 'REPLICA_NO_CLUSTER' });
  });

  it('forwards to the leader, asks again under the same key, and gives up in time', async () => {
    const world = await founded();
    const follower = world.live().find((node) => node !== world.leader());
    const asked: string[] = [];
    const answers: Forwarded<string>[] = [
      { kind: 'failed', code: 'REPLICA_BUSY' },
      { kind: 'not-leader' },
      { kind: 'done', index: 9, result: 'yes' },
    ];
    const writer = new Writer<string, string, unknown>({
      cluster: () => follower?.replica.cluster,
      scheduler: world.scheduler,
      prepare: () => Promise.reject(new Error('not reached')),
      finish: () => undefined,
      forward: (_leader, operation) => {
        asked.push(operation);
        return Promise.resolve(answers.shift() ?? { kind: 'failed', code: 'REPLICA_BUSY' });
      },
    });
    const written = writer.execute('same key', 5_000);
    await world.scheduler.run(2_000);
    expect(await written).toEqual({ index: 9, result: 'yes' });
    expect(asked).toEqual(['same key', 'same key', 'same key']);
    const late = writer.execute('late', 500).catch((error: unknown) => error);
    await world.scheduler.run(2_000);
    expect(await late).toMatchObject({ code: 'REPLICA_TIMED_OUT' });
  });
});

describe('encodings of the driver', () => {
  it('give back an envelope, and nothing for what is none', () => {
    const envelope = { opensJournal: true, proposer: 7, sequence: 9, command: utf8('c') };
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope);
    for (const bytes of [new Uint8Array(0), new Uint8Array(40), utf8('x'.repeat(40))]) {
      expect(decodeEnvelope(bytes)).toBeUndefined();
    }
  });

  it('take no context for no records', () => {
    expect(decodeMembershipContext(new Uint8Array(0))).toEqual([]);
    expect(() => decodeMembershipContext(Uint8Array.of(1, 0, 0))).toThrow('value ends too early');
  });
});
