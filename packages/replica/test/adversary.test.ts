import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { clusterId, epoch, incarnationId, Secret, slotName, utf8, type Crypto } from '@witan/core';
import {
  Replica,
  type Answer,
  type ConsensusEngine,
  type Genesis,
  type MembershipChange,
  type PeerIdentity,
  type Standing,
} from '@witan/replica';
import { nodeIdOf } from '@witan/state-machine';
import { RecordingDisk, VirtualScheduler, seededRandom } from '@witan/testkit';
import { AdmissionDesk } from '../src/life/admission.ts';
import { Directory } from '../src/life/directory.ts';

const SLOTS = ['witan-0', 'witan-1', 'witan-2'].map(slotName);

function peer(slot: number, life = 0): PeerIdentity {
  const digest = createHash('sha256')
    .update(utf8(`${slot}/${life}`))
    .digest('hex');
  const incarnation = incarnationId(digest);
  const name = SLOTS[slot];
  if (name === undefined) throw new Error('no such slot');
  return { nodeId: nodeIdOf(incarnation), slot: name, incarnation, address: `${name}:1` };
}

it('swaps in a newcomer although another slot has a learner that must wait (I2)', async () => {
  const [leader, live, dead] = [peer(0), peer(1), peer(2)];
  const [waiting, due] = [peer(1, 1), peer(2, 1)];
  const changes: MembershipChange[] = [];
  const heard = (lastHeardMs: number) => ({ matchIndex: 100, lastHeardMs });
  const engine = {
    status: () => ({
      nodeId: leader.nodeId,
      role: 'leader',
      leaderId: leader.nodeId,
      term: 2,
      commitIndex: 100,
      appliedIndex: 100,
      configuration: {
        voters: [leader, live, dead].map(({ nodeId }) => nodeId),
        votersOutgoing: [],
        learners: [waiting, due].map(({ nodeId }) => nodeId),
      },
      progress: new Map([
        [leader.nodeId, heard(0)],
        [live.nodeId, heard(9_990)],
        [dead.nodeId, heard(10)],
        [waiting.nodeId, heard(9_990)],
        [due.nodeId, heard(9_990)],
      ]),
    }),
    changeMembership: (change: MembershipChange) => {
      changes.push(change);
      return Promise.resolve();
    },
  };
  let nowMs = 0;
  const desk = new AdmissionDesk({
    engine: engine as unknown as ConsensusEngine,
    slots: SLOTS,
    members: () => [leader, live, dead, waiting, due],
    check: () => undefined,
    isRetired: () => false,
    monotonicMs: () => nowMs,
    silenceMs: 1_000,
    timeoutMs: 1_000,
    onEvent: () => undefined,
  });
  desk.roleChanged();
  nowMs = 10_000;
  await desk.swapNext();
  expect(changes).toMatchObject([{ promote: [due.nodeId], remove: [dead.nodeId] }]);
});

it('does not take a hint about members that came too early for a replacement (I2)', () => {
  const [a, b, newcomer] = [peer(0), peer(1), peer(2, 1)];
  // The joining answer of one leader names `b`, the snapshot of the next is from before `b` came.
  const directory = new Directory([], [a, b]);
  directory.replace([a, newcomer]);
  directory.replace([a, b, newcomer]);
  expect(directory.isRetired(b.incarnation)).toBe(false);
  directory.replace([a, newcomer]);
  expect(directory.isRetired(b.incarnation)).toBe(true);
});

const crypto: Crypto = {
  hash: (algorithm, ...parts) => {
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
  verify: () => false,
};

it('keeps its place when a misled join leads back into its own cluster (I2)', async () => {
  const [first, second, self] = [peer(0), peer(1), peer(2)];
  const genesis: Genesis = {
    clusterId: clusterId('a'.repeat(64)),
    seed: new Secret(new Uint8Array(32)),
    slots: SLOTS,
    members: [first, second, self],
  };
  const foreign = peer(0, 1);
  const scheduler = new VirtualScheduler();
  let joins = 0;
  const replica = new Replica<unknown>({
    self,
    slots: SLOTS,
    holdsSealedState: false,
    peers: {
      // Slot 0 leads to a clone in another cluster, slot 1 to a founder of our own.
      greet: (slot): Promise<Answer<Standing>> => {
        if (slot !== SLOTS[0]) return Promise.reject(new Error('unreachable'));
        const cluster = {
          clusterId: clusterId('b'.repeat(64)),
          epoch: epoch(1),
          appliedIndex: 5,
          members: [foreign],
          leader: second,
        };
        const value: Standing = { kind: 'member', self: foreign, slots: SLOTS, cluster };
        return Promise.resolve({ from: foreign.incarnation, value });
      },
      deliverGenesis: () => Promise.reject(new Error('unreachable')),
      join: () => {
        joins += 1;
        const value = { ...genesis, kind: 'admitted', epoch: epoch(1) } as const;
        return Promise.resolve({ from: second.incarnation, value });
      },
    },
    send: () => true,
    openKeyring: () => ({
      sealCommand: (bytes) => bytes,
      openCommand: (bytes) => bytes,
      sealSnapshot: (bytes) => bytes,
      openSnapshot: (bytes) => bytes,
    }),
    openDurableLog: () => new RecordingDisk(),
    crypto,
    random: seededRandom(1),
    machine: { parseReferenceValues: (value) => value },
    scheduler,
    onEvent: () => undefined,
    onChange: () => undefined,
    fatal: (error) => {
      throw error;
    },
  });
  replica.start();
  expect(replica.genesisDelivered(genesis, first.incarnation).accepted).toBe(true);
  const before = replica.cluster;
  await scheduler.run(6_000);
  expect(joins).toBeGreaterThan(0);
  // Its term and votes in this cluster are remembered only there.
  expect(replica.cluster).toBe(before);
});
