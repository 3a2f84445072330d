/** Proposals in batches and across changes of leadership; what is worth a sync; dead leaders. */
import { describe, expect, it } from 'vitest';
import { utf8 } from '@witan/core';
import { RaftEngine, type EngineTuning, type Lane } from '@witan/replica';
import { RecordingDisk, RecordingSubscriber, VirtualScheduler, seededRandom } from '@witan/testkit';

interface Member {
  readonly id: number;
  readonly engine: RaftEngine;
  readonly subscriber: RecordingSubscriber;
  readonly disk: RecordingDisk;
  cut: boolean;
}

interface Sent {
  readonly from: number;
  readonly to: number;
  readonly lane: Lane;
  readonly type: number;
}

const PROPOSE = { timeoutMs: 5_000, opensJournal: true };
const codeOf = (error: unknown): string => (error as { code: string }).code;

class Group {
  readonly scheduler: VirtualScheduler = new VirtualScheduler();
  readonly members: Member[] = [];
  readonly sent: Sent[] = [];

  constructor(tuning: Partial<EngineTuning> = {}) {
    for (const id of [1, 2, 3]) this.members.push(this.#start(id, tuning));
  }

  #start(id: number, tuning: Partial<EngineTuning>): Member {
    const { scheduler } = this;
    const random = seededRandom(id);
    const subscriber = new RecordingSubscriber();
    const disk = new RecordingDisk();
    const configuration = { voters: [1, 2, 3], votersOutgoing: [], learners: [] };
    const engine = new RaftEngine({
      nodeId: id,
      bootstrap: { configuration, snapshot: subscriber.snapshot() },
      subscriber,
      durable: disk,
      sink: { send: (to, messages, lane) => this.#send(id, to, messages, lane) },
      scheduler,
      randomInt: (bound) => (random.bytes(1)[0] ?? 0) % bound,
      snapshotOpensJournal: () => true,
      fatal: (error) => {
        throw error;
      },
      tuning,
    });
    return { id, engine, subscriber, disk, cut: false };
  }

  #send(from: number, to: number, messages: readonly Uint8Array[], lane: Lane): boolean {
    for (const message of messages) this.sent.push({ from, to, lane, type: message[2] ?? 99 });
    const isCut = (): boolean => this.member(from).cut || this.member(to).cut;
    this.scheduler.after(1, () => {
      if (isCut()) return;
      for (const message of messages) this.member(to).engine.receive(from, message);
    });
    return !isCut();
  }

  member(id: number): Member {
    const found = this.members[id - 1];
    if (found === undefined) throw new Error(`no member ${id}`);
    return found;
  }

  async leader(): Promise<Member> {
    const find = (): Member | undefined =>
      this.members.find(({ engine, cut }) => !cut && engine.status().role === 'leader');
    await this.scheduler.run(20_000, () => find() !== undefined);
    // Until its first entry is applied everywhere.
    await this.scheduler.run(200);
    const leader = find();
    if (leader === undefined) throw new Error('no leader');
    return leader;
  }

  followersOf(leader: Member): readonly [Member, Member] {
    const [first, second] = this.members.filter((member) => member !== leader);
    if (first === undefined || second === undefined) throw new Error('no followers');
    return [first, second];
  }
}

async function outcomes(group: Group, promises: readonly Promise<unknown>[], forMs = 10_000) {
  const all = Promise.allSettled(promises);
  let done = false;
  void all.then(() => {
    done = true;
  });
  await group.scheduler.run(forMs, () => done);
  return (await all).map((one) => (one.status === 'fulfilled' ? 'done' : codeOf(one.reason)));
}

describe('proposals', () => {
  it('of one turn travel in one append to each follower', async () => {
    const group = new Group();
    const leader = await group.leader();
    group.sent.length = 0;
    const all = Array.from({ length: 100 }, (_, at) =>
      leader.engine.propose(utf8(`c${at}`), PROPOSE),
    );
    expect(new Set(await outcomes(group, all))).toEqual(new Set(['done']));
    const appends = group.sent.filter(({ lane, from }) => lane === 'bulk' && from === leader.id);
    // One with the entries and one with the commit index for each of two followers, and a spare.
    expect(appends.length).toBeLessThanOrEqual(6);
  });

  it('are all answered by a leader that hands over: none is lost, none in doubt', async () => {
    const group = new Group();
    const leader = await group.leader();
    const [next] = group.followersOf(leader);
    const propose = (name: string) => leader.engine.propose(utf8(name), PROPOSE);
    const before = Array.from({ length: 20 }, (_, at) => propose(`before ${at}`));
    await group.scheduler.run(1);
    leader.engine.transferLeadership(next.id);
    const during = Array.from({ length: 20 }, (_, at) => propose(`during ${at}`));
    expect(new Set(await outcomes(group, before))).toEqual(new Set(['done']));
    expect(new Set(await outcomes(group, during))).toEqual(new Set(['REPLICA_NOT_LEADER']));
    await group.scheduler.run(1_000);
    expect(next.engine.status().role).toBe('leader');
    // What was refused was not ordered either, so that asking elsewhere does it once.
    for (const { subscriber } of group.members) expect(subscriber.commands).toHaveLength(20);
  });

  it('wait for the end of a transfer that fails, and are ordered then', async () => {
    const group = new Group();
    const leader = await group.leader();
    const [next] = group.followersOf(leader);
    next.cut = true;
    leader.engine.transferLeadership(next.id);
    await group.scheduler.run(1);
    const waiting = leader.engine.propose(utf8('patient'), PROPOSE);
    expect(await outcomes(group, [waiting])).toEqual(['done']);
    expect(leader.subscriber.commands).toEqual(['patient']);
  });

  it('whose waiter has given up during a transfer are not ordered afterwards', async () => {
    const group = new Group();
    const leader = await group.leader();
    const [next] = group.followersOf(leader);
    next.cut = true;
    leader.engine.transferLeadership(next.id);
    await group.scheduler.run(1);
    const hasty = leader.engine.propose(utf8('hasty'), { ...PROPOSE, timeoutMs: 20 });
    expect(await outcomes(group, [hasty])).toEqual(['REPLICA_TIMED_OUT']);
    await group.scheduler.run(5_000);
    expect(leader.subscriber.commands).toEqual([]);
  });

  it('that another leader has replaced are refused as never ordered', async () => {
    const group = new Group({ electionTicks: 40 });
    const leader = await group.leader();
    leader.cut = true;
    const lost = leader.engine.propose(utf8('lost'), { ...PROPOSE, timeoutMs: 60_000 });
    lost.catch(() => undefined);
    await group.scheduler.run(10);
    const [first] = group.followersOf(leader);
    for (const member of group.followersOf(leader)) member.engine.reportUnreachable(leader.id);
    await group.leader();
    leader.cut = false;
    expect(await outcomes(group, [lost], 60_000)).toEqual(['REPLICA_NOT_LEADER']);
    expect(first.subscriber.commands).toEqual([]);
  });

  it('beyond the room of the uncommitted tail get REPLICA_BUSY, others their place', async () => {
    const group = new Group({ uncommittedBytesMax: 1_000, appendBytesMax: 100 });
    const leader = await group.leader();
    const large = new Uint8Array(400);
    const all = [1, 2, 3].map(() => leader.engine.propose(large, PROPOSE));
    expect(await outcomes(group, all)).toEqual(['done', 'done', 'REPLICA_BUSY']);
  });
});

describe('the disk', () => {
  it('gets one write for each batch of entries, none for a commit index alone', async () => {
    const group = new Group();
    const leader = await group.leader();
    await outcomes(group, [leader.engine.propose(utf8('opens'), PROPOSE)]);
    await group.scheduler.run(1_000);
    const before = group.members.map(({ disk }) => disk.records.length);
    for (let round = 0; round < 5; round += 1) {
      await outcomes(group, [leader.engine.propose(utf8('x'), PROPOSE)]);
      await group.scheduler.run(300);
    }
    const written = group.members.map(({ disk }, at) => disk.records.length - (before[at] ?? 0));
    expect(written).toEqual([5, 5, 5]);
  });
});

describe('an acknowledgement', () => {
  it('waits until the disks of a majority have confirmed (I3)', async () => {
    const group = new Group();
    const leader = await group.leader();
    const confirm: (() => void)[] = [];
    for (const { disk } of group.members) {
      const wait = () => new Promise<void>((resolve) => confirm.push(resolve));
      // The first command opens the journal with a snapshot.
      Object.assign(disk, { append: wait, saveSnapshot: wait });
    }
    let isDone = false;
    const proposal = leader.engine.propose(utf8('x'), PROPOSE).then(() => {
      isDone = true;
    });
    await group.scheduler.run(300);
    expect(confirm).toHaveLength(3);
    confirm.shift()?.();
    await group.scheduler.run(300);
    expect(isDone).toBe(false);
    confirm.shift()?.();
    await group.scheduler.run(300);
    expect(isDone).toBe(true);
    await proposal;
  });
});

describe('a dead leader', () => {
  it('is replaced well before the election timeout when its lines end', async () => {
    const group = new Group({ electionTicks: 100 });
    const leader = await group.leader();
    leader.cut = true;
    for (const member of group.followersOf(leader)) member.engine.reportUnreachable(leader.id);
    const replaced = (): boolean =>
      group.followersOf(leader).some(({ engine }) => engine.status().role === 'leader');
    expect(await group.scheduler.run(600, replaced)).toBe(true);
  });

  it('is not made of a live one by a line that ends', async () => {
    const group = new Group();
    const leader = await group.leader();
    const { term } = leader.engine.status();
    for (let round = 0; round < 20; round += 1) {
      for (const member of group.followersOf(leader)) member.engine.reportUnreachable(leader.id);
      await group.scheduler.run(150);
    }
    expect(leader.engine.status()).toMatchObject({ role: 'leader', term });
  });

  it('is not made of one that only some cannot hear', async () => {
    const group = new Group({ electionTicks: 100 });
    const leader = await group.leader();
    const [deaf, other] = group.followersOf(leader);
    deaf.cut = true;
    deaf.engine.reportUnreachable(leader.id);
    await group.scheduler.run(1_000);
    deaf.cut = false;
    await group.scheduler.run(1_000);
    expect(leader.engine.status().role).toBe('leader');
    expect(other.engine.status().leaderId).toBe(leader.id);
    expect(deaf.engine.status().leaderId).toBe(leader.id);
  });
});
