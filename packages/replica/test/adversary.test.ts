import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  epoch,
  incarnationId,
  Secret,
  sha256Hex,
  slotName,
  utf8,
  type Crypto,
  type SlotName,
} from '@witan/core';
import {
  Replica,
  withoutRecovery,
  type Answer,
  type ConsensusEngine,
  type Genesis,
  type MembershipChange,
  type PeerIdentity,
  type Standing,
} from '@witan/replica';
import { NO_TRANSITION } from '@witan/manifest';
import { nodeIdOf } from '@witan/state-machine';
import { RecordingDisk, VirtualScheduler, seededRandom } from '@witan/testkit';
import { AdmissionDesk } from '../src/life/admission.ts';
import { clusterIdOf } from '../src/life/cluster-id.ts';
import { Directory } from '../src/life/directory.ts';
import { wasReplaced } from '../src/life/look.ts';

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
  let beats = 0;
  const heard = (isSilent: boolean) => ({
    matchIndex: 100,
    lastHeardMs: 0,
    heard: isSilent ? 1 : beats,
  });
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
        [leader.nodeId, heard(false)],
        [live.nodeId, heard(false)],
        [dead.nodeId, heard(true)],
        [waiting.nodeId, heard(false)],
        [due.nodeId, heard(false)],
      ]),
    }),
    changeMembership: (change: MembershipChange) => {
      changes.push(change);
      return Promise.resolve();
    },
  };
  const desk = new AdmissionDesk({
    engine: engine as unknown as ConsensusEngine,
    slots: () => SLOTS,
    hasManifest: () => true,
    members: () => [leader, live, dead, waiting, due],
    check: () => undefined,
    versions: { floor: 0, settle: () => undefined },
    isRetired: () => false,
    stepDown: () => undefined,
    onRefused: () => undefined,
    timeoutMs: 1_000,
    onEvent: () => undefined,
  });
  for (; beats < 9; beats += 1) await desk.beat();
  expect(changes).toEqual([]);
  for (; beats < 12; beats += 1) await desk.beat();
  expect(changes[0]).toMatchObject({ promote: [due.nodeId], remove: [dead.nodeId] });
});

it('does not take a hint about members that came too early for a replacement (I2)', () => {
  const [a, b, newcomer] = [peer(0), peer(1), peer(2, 1)];
  // The joining answer of one leader names `b`, the snapshot of the next is from before `b` came.
  const directory = new Directory([], [a, b]);
  directory.replace([a, newcomer]);
  directory.replace([a, b, newcomer]);
  expect(directory.isRetired(b.incarnation)).toBe(false);
  // Nor one who went and came again before the newcomer did, as its former log may say.
  directory.replace([a]);
  expect(directory.isRetired(b.incarnation)).toBe(false);
  expect(directory.find(b.nodeId)).toEqual(b);
  directory.replace([a, b, newcomer]);
  directory.forgetHints();
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

interface Script {
  /** What slot 0 answers to a greeting. */
  standing: Standing;
  joins: number;
  /** Answers to what is handed over. */
  deliver: (genesis: Genesis) => boolean;
}

const [first, second, self] = [peer(0), peer(1), peer(2)];
/** A second process of slot 0. */
const clone = peer(0, 1);

function genesisOf(letter: string, members: readonly PeerIdentity[]): Genesis {
  const seed = new Secret(utf8(letter.repeat(32)));
  return { clusterId: clusterIdOf(crypto, seed), seed, slots: SLOTS, members };
}

function memberOf(genesis: Genesis, process: PeerIdentity): Standing {
  const { clusterId: id, members } = genesis;
  const life = { clusterId: id, epoch: epoch(1), opening: NO_TRANSITION };
  const cluster = { ...life, appliedIndex: 5, members, leader: second };
  return { kind: 'member', self: process, slots: SLOTS, cluster };
}

/** A replica of slot 2 in a network that the host plays: every join is answered by `joinedTo`. */
function playedReplica(
  joinedTo: Genesis,
  standing: Standing,
  played: PeerIdentity = self,
  slots: readonly SlotName[] = SLOTS,
): { readonly replica: Replica<unknown>; readonly scheduler: VirtualScheduler; script: Script } {
  const scheduler = new VirtualScheduler();
  const script: Script = { standing, joins: 0, deliver: () => false };
  const replica = new Replica<unknown>({
    self: played,
    slots,
    holdsSealedState: false,
    peers: {
      greet: (slot): Promise<Answer<Standing>> =>
        slot === script.standing.self.slot
          ? Promise.resolve({ from: script.standing.self.incarnation, value: script.standing })
          : Promise.reject(new Error('unreachable')),
      deliverGenesis: (_slot, _receiver, genesis) =>
        script.deliver(genesis)
          ? Promise.resolve({ accepted: true, code: '' })
          : Promise.reject(new Error('unreachable')),
      join: () => {
        script.joins += 1;
        const life = { epoch: epoch(1), opening: NO_TRANSITION };
        const value = { ...joinedTo, kind: 'admitted', ...life } as const;
        return Promise.resolve({ from: second.incarnation, value });
      },
      recover: () => Promise.reject(new Error('unreachable')),
    },
    recovery: withoutRecovery(),
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
  return { replica, scheduler, script };
}

it('keeps its place when a misled join leads back into its own cluster (I2)', async () => {
  const own = genesisOf('a', [first, second, self]);
  const foreign = memberOf(genesisOf('b', [clone]), clone);
  const { replica, scheduler, script } = playedReplica(own, foreign);
  expect(replica.genesisDelivered(own, first.incarnation).accepted).toBe(true);
  const before = replica.cluster;
  await scheduler.run(6_000);
  expect(script.joins).toBeGreaterThan(0);
  // Its term and votes in this cluster are remembered only there.
  expect(replica.cluster).toBe(before);
});

it('ends when the cluster that it left lives on, to come back as another (I2)', async () => {
  const left = genesisOf('a', [first, second, self]);
  const taken = genesisOf('b', [clone, second, self]);
  const { replica, scheduler, script } = playedReplica(left, memberOf(left, first));
  script.standing = { kind: 'new', self: clone, slots: SLOTS };
  replica.genesisDelivered(left, first.incarnation);
  await scheduler.run(4_000);
  expect(replica.genesisDelivered(taken, clone.incarnation).accepted).toBe(true);
  script.standing = memberOf(left, first);
  await scheduler.run(8_000);
  expect(script.joins).toBeGreaterThan(0);
  expect(replica.phase()).toBe('removed');
});

it('does not found another cluster in the moment in which its own is taken up', async () => {
  const slots = SLOTS.slice(0, 2);
  const standing: Standing = { kind: 'new', self: second, slots };
  const unused = genesisOf('c', []);
  const { replica, scheduler, script } = playedReplica(unused, standing, first, slots);
  const accepted: string[] = [];
  script.deliver = (genesis) => {
    // The other one is out of reach until the cluster has been without a leader for long.
    if (replica.standing().kind !== 'unsettled') return false;
    accepted.push(genesis.clusterId);
    script.standing = memberOf(genesis, second);
    return true;
  };
  await scheduler.run(6_000);
  expect(accepted).toHaveLength(1);
  expect(replica.cluster?.clusterId).toBe(accepted[0]);
});

it('sees that it was replaced also from within the joint configuration that did it (I2)', () => {
  const successor = peer(2, 1);
  const ids = (...peers: readonly PeerIdentity[]) => peers.map(({ nodeId }) => nodeId);
  const joint = {
    voters: ids(first, second, successor),
    votersOutgoing: ids(first, second, self),
    learners: [],
  };
  const left = genesisOf('a', [first, second, successor, self]);
  const own = { ...memberOf(left, self), self };
  const ahead = memberOf(genesisOf('a', [first, second, successor]), first);
  const cluster = ahead.cluster && { ...ahead.cluster, appliedIndex: 6 };
  const answers = (standing: Standing) => new Map([[first.slot, standing]]);
  expect(wasReplaced(own, joint, answers(ahead))).toBe(false);
  expect(wasReplaced(own, joint, answers({ ...ahead, ...(cluster && { cluster }) }))).toBe(true);
});

describe('a seed that a host made up for the id of a true cluster (I6)', () => {
  const members = [self, second, peer(0)];
  const truth = genesisOf('a', members);
  const forged: Genesis = { ...truth, seed: new Secret(utf8('b'.repeat(32))) };

  it('founds nothing, and opens no later epoch', () => {
    const { replica } = playedReplica(truth, memberOf(truth, second));
    const refused = { accepted: false, code: 'SEED_MISMATCH' };
    expect(replica.genesisDelivered(forged, second.incarnation)).toEqual(refused);
    const opening = sha256Hex('11'.repeat(32));
    const reopening = { epoch: epoch(2), opening, state: new Uint8Array(0) };
    const answer = replica.genesisDelivered({ ...forged, reopening }, second.incarnation);
    expect(answer).toEqual(refused);
    expect(replica.cluster).toBeUndefined();
    expect(replica.genesisDelivered(truth, second.incarnation)).toMatchObject({ accepted: true });
  });

  it('lets nobody in', async () => {
    const { replica, scheduler, script } = playedReplica(forged, memberOf(truth, second));
    replica.start();
    await scheduler.run(3_000);
    expect(script.joins).toBeGreaterThan(0);
    expect(replica.cluster).toBeUndefined();
    await replica.stop();
  });
});
