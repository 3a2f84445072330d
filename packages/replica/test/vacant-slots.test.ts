/** Slots without a voter, and newcomers whose measured list of slots is another one. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { incarnationId, slotName, utf8, type SlotName } from '@witan/core';
import type { ConsensusEngine, PeerIdentity } from '@witan/replica';
import { checkConfiguration, nodeIdOf } from '@witan/state-machine';
import type { MembershipChange } from '../src/engine.ts';
import { AdmissionDesk } from '../src/life/admission.ts';

const SLOTS = ['witan-0', 'witan-1', 'witan-2'].map(slotName);

function peer(slot: string, life = 0): PeerIdentity {
  const digest = createHash('sha256').update(utf8(`${slot}/${life}`));
  const incarnation = incarnationId(digest.digest('hex'));
  const address = `${slot}:1`;
  return { nodeId: nodeIdOf(incarnation), slot: slotName(slot), incarnation, address };
}

/** A desk whose engine carries every change out at once. */
class Office {
  readonly changes: MembershipChange[] = [];
  readonly events: string[] = [];
  readonly refused: string[] = [];
  readonly desk: AdmissionDesk;
  slots: readonly SlotName[] = SLOTS;
  hasManifest = true;
  readonly members: PeerIdentity[];
  voters: number[];
  learners: number[] = [];
  #heard = 0;
  #asking: PeerIdentity | undefined;

  constructor(...voters: readonly PeerIdentity[]) {
    this.members = [...voters];
    this.voters = voters.map(({ nodeId }) => nodeId);
    const engine = {
      readBarrier: () => Promise.resolve(1),
      status: () => this.#status(),
      changeMembership: (change: MembershipChange) => {
        this.changes.push(change);
        const { promote, remove, addLearners } = change;
        if (this.#asking !== undefined && addLearners.includes(this.#asking.nodeId)) {
          this.members.push(this.#asking);
        }
        this.voters = [...this.voters, ...promote].filter((id) => !remove.includes(id));
        this.learners = [...this.learners, ...addLearners].filter((id) => !promote.includes(id));
        return Promise.resolve();
      },
    };
    this.desk = new AdmissionDesk({
      engine: engine as unknown as ConsensusEngine,
      slots: () => this.slots,
      hasManifest: () => this.hasManifest,
      members: () => this.members,
      check: (change) =>
        checkConfiguration(this.slots, [...this.members, ...(change.added ?? [])], change)?.kind,
      versions: { floor: 0, settle: () => undefined },
      isRetired: () => false,
      stepDown: () => undefined,
      onRefused: (kind, { slot }) => this.refused.push(`${kind} ${slot}`),
      timeoutMs: 1_000,
      onEvent: (event) => this.events.push(event),
    });
  }

  async ask(self: PeerIdentity, slots: readonly SlotName[] = SLOTS): Promise<string> {
    this.#asking = self;
    const answer = await this.desk.admit({ self, slots }, self.incarnation);
    return 'code' in answer ? answer.code : answer.kind;
  }

  #status() {
    this.#heard += 1;
    const progress = { matchIndex: 9, lastHeardMs: 0, heard: this.#heard };
    return {
      nodeId: this.voters[0],
      role: 'leader',
      term: 2,
      commitIndex: 9,
      configuration: { voters: this.voters, votersOutgoing: [], learners: this.learners },
      progress: new Map(this.members.map(({ nodeId }) => [nodeId, progress])),
    };
  }
}

it('fills vacant slots as learners first, by one change each (I2)', async () => {
  const office = new Office(peer('witan-0'));
  const [one, two] = [peer('witan-1'), peer('witan-2')];
  expect(await office.ask(one)).toBe('admitted');
  expect(await office.ask(two)).toBe('admitted');
  expect(office.changes.map(({ addLearners }) => addLearners)).toEqual([
    [one.nodeId],
    [two.nodeId],
  ]);
  office.changes.length = 0;
  for (let beat = 0; beat < 4; beat += 1) await office.desk.beat();
  expect(office.changes).toMatchObject([
    { promote: [one.nodeId], remove: [], addLearners: [] },
    { promote: [two.nodeId], remove: [], addLearners: [] },
  ]);
  expect(office.events.filter((event) => event === 'vacant slot filled')).toHaveLength(2);
});

it('gives a vacant slot to no second newcomer while the first lives (I2)', async () => {
  const office = new Office(peer('witan-0'));
  await office.ask(peer('witan-1'));
  expect(await office.ask(peer('witan-1', 1))).toBe('SLOT_HELD_BY_LIVE_INCARNATION');
  await office.desk.beat();
  expect(await office.ask(peer('witan-1', 1))).toBe('SLOT_HELD_BY_LIVE_INCARNATION');
  expect(office.voters).toHaveLength(2);
});

it('takes the slots from the state: the measured list may be another one (I2)', async () => {
  const office = new Office(peer('witan-0'));
  const five = [...SLOTS, 'witan-3', 'witan-4'].map(slotName);
  expect(await office.ask(peer('witan-3'), five)).toBe('SLOT_UNKNOWN');
  await office.ask(peer('witan-1'), five);
  expect(office.changes).toHaveLength(1);
  // A list without the slot that is asked for: the host chose that one, and nobody measured it.
  expect(await office.ask(peer('witan-2'), SLOTS.slice(0, 1))).toBe('SLOTS_DIFFER');
  expect(office.refused).toEqual(['slot witan-3', 'slot witan-2']);
});

it('demands the same list as long as the cluster has no manifest', async () => {
  const office = new Office(peer('witan-0'));
  office.hasManifest = false;
  const five = [...SLOTS, 'witan-3', 'witan-4'].map(slotName);
  expect(await office.ask(peer('witan-1'), five)).toBe('SLOTS_DIFFER');
  expect(office.changes).toEqual([]);
});
