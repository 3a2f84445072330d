/** The leader's gate for state versions, asked at moments that a whole cluster seldom shows. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { incarnationId, slotName, utf8, type IncarnationId } from '@witan/core';
import type { PeerIdentity } from '@witan/replica';
import { decodeCommand, nodeIdOf, type CommandResult } from '@witan/state-machine';
import { ReplicaError } from '../src/errors.ts';
import { VersionGate } from '../src/life/versions.ts';

function peer(slot: string, version?: number): PeerIdentity {
  const incarnation = incarnationId(createHash('sha256').update(utf8(slot)).digest('hex'));
  const self = { nodeId: nodeIdOf(incarnation), slot: slotName(slot), incarnation, address: slot };
  return version === undefined ? self : { ...self, version };
}

/** A gate whose log is a list of what it has proposed. */
class Office {
  readonly self: PeerIdentity = peer('witan-0', 1);
  members: readonly PeerIdentity[] = ['witan-0', 'witan-1', 'witan-2'].map((slot) => peer(slot));
  term = 3;
  inUse = 0;
  isChanging = false;
  pauses = 0;
  onPause: (pauses: number) => void = () => undefined;
  /** What becomes of a proposal; by default it takes effect. */
  fate: () => Promise<CommandResult | undefined> = () => {
    this.inUse = 1;
    return Promise.resolve({ kind: 'version-in-use', version: 1 });
  };
  readonly recorded = new Map<IncarnationId, number>();
  readonly proposed: unknown[] = [];
  readonly gate: VersionGate;

  constructor() {
    const engine = {
      readBarrier: () => Promise.resolve(1),
      status: () => ({ term: this.term }),
    };
    this.gate = new VersionGate({
      self: this.self,
      engine: engine as unknown as ConstructorParameters<typeof VersionGate>[0]['engine'],
      members: () => this.members,
      versions: () => ({ inUse: this.inUse, of: (id) => this.recorded.get(id) }),
      propose: (command) => {
        this.proposed.push(decodeCommand(command));
        return this.fate();
      },
      exclusively: (run) => (this.isChanging ? undefined : run()),
      timeoutMs: 1_000,
      pause: () => {
        this.pauses += 1;
        this.onPause(this.pauses);
        return Promise.resolve();
      },
      onEvent: () => undefined,
    });
  }

  hearAll(): void {
    for (const { slot } of this.members) this.gate.heard(peer(slot, 1));
  }
}

describe('a state version', () => {
  it('waits for whoever was not heard, and for whoever announces none', async () => {
    const { gate, members } = new Office();
    gate.heard(peer('witan-2', 1));
    const [, second] = members;
    expect(await gate.require(1)).toEqual({ slot: 'witan-1', found: undefined, needed: 1 });
    gate.heard(peer('witan-1'));
    expect(await gate.require(1)).toEqual({ slot: 'witan-1', found: 0, needed: 1 });
    expect(second && gate.versionOf(second)).toBe(0);
    expect(gate.floor).toBe(0);
  });

  it('waits a while for members that a new leader has not heard yet', async () => {
    const office = new Office();
    office.onPause = (pauses) => {
      if (pauses === 3) office.hearAll();
    };
    expect(await office.gate.require(1)).toBeUndefined();
    expect(office.pauses).toBe(3);
    expect(office.inUse).toBe(1);
  });

  it('comes into use by a list of all members, once', async () => {
    const office = new Office();
    office.hearAll();
    expect(await office.gate.require(1)).toBeUndefined();
    expect(await office.gate.require(1)).toBeUndefined();
    const versions = office.members.map(({ incarnation }) => ({ incarnation, version: 1 }));
    expect(office.proposed).toEqual([{ kind: 'use-version', version: 1, members: versions }]);
    expect(office.gate.floor).toBe(1);
  });

  it('that may be in the log keeps older newcomers out until a later term', async () => {
    const office = new Office();
    office.hearAll();
    office.fate = () => Promise.reject(new ReplicaError('REPLICA_TIMED_OUT', 'no outcome'));
    await expect(office.gate.require(1)).rejects.toThrow(ReplicaError);
    expect(office.gate.floor).toBe(1);
    // Nothing says that it is not there, in the same term.
    office.gate.settle(3);
    expect(office.gate.floor).toBe(1);
    office.term = 5;
    // A round that an earlier term began shows nothing of this one.
    office.gate.settle(3);
    expect(office.gate.floor).toBe(1);
    office.gate.settle(5);
    expect(office.gate.floor).toBe(0);
  });

  it('that a change of members has made void is tried again', async () => {
    const office = new Office();
    office.hearAll();
    office.fate = () => {
      const fields = { path: 'members', expected: '3', found: '2' };
      return Promise.resolve({ kind: 'refused', code: 'VERSION_MEMBERS_DIFFER', ...fields });
    };
    await expect(office.gate.require(1)).rejects.toMatchObject({ code: 'REPLICA_BUSY' });
    expect(office.gate.floor).toBe(0);
    office.isChanging = true;
    await expect(office.gate.require(1)).rejects.toMatchObject({ code: 'REPLICA_BUSY' });
  });

  it('is noted of those who come later, and nothing is noted before one is in use', async () => {
    const office = new Office();
    office.hearAll();
    await office.gate.beat();
    expect(office.proposed).toEqual([]);
    office.inUse = 1;
    await office.gate.beat();
    expect(office.proposed).toHaveLength(1);
    for (const { incarnation } of office.members) office.recorded.set(incarnation, 1);
    await office.gate.beat();
    expect(office.proposed).toHaveLength(1);
  });

  it('is heard of members alone, however many others speak (I10)', () => {
    const { gate } = new Office();
    const stranger = peer('witan-9', 7);
    gate.heard(stranger);
    expect(gate.versionOf(stranger)).toBeUndefined();
  });
});
