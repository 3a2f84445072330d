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
import type { MembershipResult } from './view.ts';

export class Membership {
  readonly slots: readonly SlotName[];
  #members: readonly MemberRecord[] = [];
  #configuration: Configuration = { voters: [], votersOutgoing: [], learners: [] };

  /** @param slots the genesis list, each slot once */
  constructor(slots: readonly SlotName[]) {
    assert(slots.length > 0 && slots.length <= limits.SLOTS_MAX, 'a cluster has 1 to 64 slots');
    assert(new Set(slots).size === slots.length, 'genesis names each slot once (I2)');
    this.slots = [...slots];
  }

  get members(): readonly MemberRecord[] {
    return this.#members;
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  /** Whether a change may be proposed: each one concerns the voter of one slot (I2). */
  check(change: MembershipChange): ConfigurationViolation | undefined {
    return this.#checkForm(change) ?? this.#checkStep(change);
  }

  #checkForm(change: MembershipChange): ConfigurationViolation | undefined {
    return checkConfiguration(this.slots, this.#candidates(change), change);
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
  }

  static read(reader: CanonicalReader): Membership {
    const slots = reader.list(limits.SLOTS_MAX, (from) => slotName(from.text(63)));
    if (slots.length === 0 || new Set(slots).size !== slots.length) {
      throw badValue('another list of slots');
    }
    const membership = new Membership(slots);
    const added = reader.list(limits.MEMBERS_MAX, readMember);
    const voters = readIds(reader);
    const votersOutgoing = readIds(reader);
    const learners = readIds(reader);
    const change = { voters, votersOutgoing, learners, added };
    if (membership.check(change) !== undefined) throw badValue('a configuration against I2');
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
