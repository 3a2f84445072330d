/** The members of the current configuration: exactly its ids, each with its record (I2). */
import {
  assert,
  slotName,
  type CanonicalReader,
  type CanonicalWriter,
  type SlotName,
} from '@witan/core';
import { badValue } from './codec.ts';
import * as limits from './limits.ts';
import {
  checkConfiguration,
  readMember,
  writeMember,
  type Configuration,
  type ConfigurationViolation,
  type MemberInfo,
  type MemberRecord,
  type MembershipChange,
} from './members.ts';
import {
  checkSlotChanges,
  readSlotChange,
  writeSlotChange,
  type SlotChange,
} from './slot-changes.ts';
import type { MembershipResult } from './view.ts';

export class Membership {
  #slots: readonly SlotName[];
  readonly #slotChanges: SlotChange[] = [];
  #members: readonly MemberRecord[] = [];
  #configuration: Configuration = { voters: [], votersOutgoing: [], learners: [] };

  /** @param slots the genesis list, each slot once */
  constructor(slots: readonly SlotName[]) {
    assert(slots.length > 0 && slots.length <= limits.SLOTS_MAX, 'a cluster has 1 to 64 slots');
    assert(new Set(slots).size === slots.length, 'genesis names each slot once (I2)');
    this.#slots = [...slots];
  }

  /** The slots in force. */
  get slots(): readonly SlotName[] {
    return this.#slots;
  }

  get slotChanges(): readonly SlotChange[] {
    return this.#slotChanges;
  }

  /** Slots that were removed and whose members have not left yet. */
  get leaving(): readonly SlotName[] {
    const slots = this.#members.map(({ slot }) => slot);
    return [...new Set(slots)].filter((slot) => !this.#slots.includes(slot));
  }

  /** @param change decided by `decideChangeSlots` on this very state */
  changeSlots(change: SlotChange): void {
    assert(change.number === this.#slotChanges.length + 1, 'lists of slots have no gap');
    this.#slots = change.slots;
    this.#slotChanges.push(change);
  }

  /** The same slots and the record of their changes, without a member. */
  vacated(): Membership {
    const vacated = new Membership(this.#slots);
    vacated.#slotChanges.push(...this.#slotChanges);
    return vacated;
  }

  get members(): readonly MemberRecord[] {
    return this.#members;
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  /** Whether a change may be proposed: each one concerns the voter of one slot (I2). */
  check(change: MembershipChange): ConfigurationViolation | undefined {
    return this.#checkApproved(change) ?? this.#checkForm(change) ?? this.#checkStep(change);
  }

  /** Who holds a removed slot stays until taken out; nobody comes in for it or begins to vote. */
  #checkApproved(change: MembershipChange): ConfigurationViolation | undefined {
    const slotOf = new Map(this.#candidates(change).map(({ nodeId, slot }) => [nodeId, slot]));
    const { voters, votersOutgoing, learners } = this.#configuration;
    const voting = [...voters, ...votersOutgoing];
    for (const [ids, office] of [
      [[...change.voters, ...change.votersOutgoing], voting],
      [change.learners, [...voting, ...learners]],
    ] as const) {
      for (const nodeId of ids) {
        const slot = slotOf.get(nodeId);
        const isNew = slot !== undefined && !office.includes(nodeId);
        if (isNew && !this.#slots.includes(slot)) return { kind: 'unknown-slot', nodeId, slot };
      }
    }
    return undefined;
  }

  /**
   * What holds of every committed configuration. A slot may have been removed between the check and
   * the log entry: its newcomer is then taken out again like the others of that slot.
   */
  #checkForm(change: MembershipChange): ConfigurationViolation | undefined {
    const ever = new Set([...this.#slots, ...this.#slotChanges.flatMap(({ from }) => from)]);
    return checkConfiguration([...ever], this.#candidates(change), change);
  }

  #checkStep(change: MembershipChange): ConfigurationViolation | undefined {
    const before = this.#configuration.voters;
    if (before.length === 0) return undefined;
    const slotOf = new Map(this.#candidates(change).map(({ nodeId, slot }) => [nodeId, slot]));
    const changed = [
      ...before.filter((nodeId) => !change.voters.includes(nodeId)),
      ...change.voters.filter((nodeId) => !before.includes(nodeId)),
    ];
    const slots = [...new Set(changed.flatMap((nodeId) => slotOf.get(nodeId) ?? []))];
    return slots.length > 1 ? { kind: 'two-slots-at-once', slots } : undefined;
  }

  /** The leader checked the change before it proposed it, so a violation here ends the process. */
  apply(change: MembershipChange): MembershipResult {
    assert(this.#checkForm(change) === undefined, 'a committed configuration obeys I2');
    const before = new Map(this.#members.map((member) => [member.nodeId, member]));
    const known = new Map(this.#candidates(change).map((member) => [member.nodeId, member]));
    const voters = ascending(change.voters);
    const votersOutgoing = ascending(change.votersOutgoing);
    const learners = ascending(change.learners);
    const voting = new Set([...voters, ...votersOutgoing]);
    this.#configuration = { voters, votersOutgoing, learners };
    this.#members = ascending([...new Set([...voting, ...learners])]).map((nodeId) => {
      const member = known.get(nodeId);
      assert(member !== undefined, 'every id of a configuration has a record');
      const { slot, incarnation, address } = member;
      const role = voting.has(nodeId) ? 'voter' : 'learner';
      return { slot, incarnation, nodeId, address, role };
    });
    const after = new Set(this.#members.map((member) => member.nodeId));
    return {
      added: this.#members.filter((member) => !before.has(member.nodeId)),
      removed: [...before.values()].filter((member) => !after.has(member.nodeId)),
    };
  }

  /** A member in office keeps its record: an id names one key, and the address came with it. */
  #candidates(change: MembershipChange): readonly MemberInfo[] {
    return [...(change.added ?? []), ...this.#members];
  }

  write(writer: CanonicalWriter): void {
    writer.list(this.slots, (to, slot) => to.text(slot));
    writer.list(this.#members, writeMember);
    const { voters, votersOutgoing, learners } = this.#configuration;
    for (const ids of [voters, votersOutgoing, learners]) {
      writer.list(ids, (to, nodeId) => to.u64(nodeId));
    }
    writer.list(this.#slotChanges, writeSlotChange);
  }

  /** @param hasSlotChanges whether the snapshot's version has them */
  static read(reader: CanonicalReader, hasSlotChanges: boolean): Membership {
    const slots = reader.list(limits.SLOTS_MAX, (from) => slotName(from.text(63)));
    if (slots.length === 0 || new Set(slots).size !== slots.length) {
      throw badValue('another list of slots');
    }
    const membership = new Membership(slots);
    const added = reader.list(limits.MEMBERS_MAX, readMember);
    const voters = readIds(reader);
    const votersOutgoing = readIds(reader);
    const learners = readIds(reader);
    if (hasSlotChanges) {
      const changes = reader.list(limits.SLOT_CHANGES_MAX, readSlotChange);
      checkSlotChanges(changes, slots);
      membership.#slotChanges.push(...changes);
    }
    const change = { voters, votersOutgoing, learners, added };
    if (membership.#checkForm(change) !== undefined) throw badValue('a configuration against I2');
    membership.apply(change);
    const same = membership.#members.every((member, at) => member.nodeId === added[at]?.nodeId);
    if (!same || membership.#members.length !== added.length) throw badValue('other members');
    return membership;
  }
}

function readIds(reader: CanonicalReader): readonly number[] {
  const ids = reader.list(limits.MEMBERS_MAX, (from) => from.u64());
  if (ids.some((id, at) => id <= (ids[at - 1] ?? 0))) throw badValue('node ids out of order');
  return ids;
}

function ascending(ids: readonly number[]): readonly number[] {
  return ids.toSorted((left, right) => left - right);
}
