/**
 * Members and the rules of configurations (I2). A restarted replica is a new member, so a slot may
 * have two incarnations in the cluster at once, one leaving and one joining, but never two in one
 * set that counts votes: otherwise one machine could vote twice.
 */
import {
  CanonicalWriter,
  incarnationId,
  slotName,
  type CanonicalReader,
  type IncarnationId,
  type SlotName,
} from '@witan/core';
import { badValue, decodeWith, readHex, writeHex } from './codec.ts';
import * as limits from './limits.ts';

const MEMBER_LABEL = 'witan/member/v1';
/** Visible ASCII: an address ends up in logs and status lines. */
const ADDRESS = /^[\x21-\x7e]+$/;

/** One incarnation of a replica: who it is and where it is reached. */
export interface MemberInfo {
  readonly slot: SlotName;
  readonly incarnation: IncarnationId;
  /** Raft's name for it; always `nodeIdOf(incarnation)`. */
  readonly nodeId: number;
  /** Host and port of its peer service. Carries no trust. */
  readonly address: string;
}

/** A member of the configuration. `voter` includes voters of the outgoing half of a joint one. */
export interface MemberRecord extends MemberInfo {
  readonly role: 'voter' | 'learner';
}

/** The configuration as the consensus core reports it after a change. */
export interface Configuration {
  readonly voters: readonly number[];
  /** The leaving half of a joint configuration; empty otherwise. */
  readonly votersOutgoing: readonly number[];
  readonly learners: readonly number[];
}

/** A configuration, and who the ids are that it has in addition. */
export interface MembershipChange extends Configuration {
  readonly added?: readonly MemberInfo[];
}

/** Why a configuration is refused; the first reason found. */
export type ConfigurationViolation =
  | { readonly kind: 'no-voters' }
  | { readonly kind: 'too-many-members'; readonly expected: number; readonly found: number }
  | { readonly kind: 'repeated-node'; readonly nodeId: number }
  | { readonly kind: 'learner-votes'; readonly nodeId: number }
  | { readonly kind: 'unknown-node'; readonly nodeId: number }
  | { readonly kind: 'node-id-mismatch'; readonly nodeId: number; readonly expected: number }
  | { readonly kind: 'unknown-slot'; readonly nodeId: number; readonly slot: SlotName }
  | { readonly kind: 'bad-address'; readonly nodeId: number }
  /** More than one slot would get, lose or exchange its voter by one change. */
  | { readonly kind: 'two-slots-at-once'; readonly slots: readonly SlotName[] }
  | {
      readonly kind: 'two-incarnations';
      readonly slot: SlotName;
      readonly half: 'voters' | 'votersOutgoing';
      readonly nodeIds: readonly [number, number];
    };

/** The node id of an incarnation: the first 52 bits of its digest; 0 is no valid node id. */
export function nodeIdOf(incarnation: IncarnationId): number {
  return Number.parseInt(incarnation.slice(0, 13), 16);
}

/**
 * Checks a configuration before it is proposed, and again when it is applied. As every voter needs
 * a slot of the genesis list and no half holds a slot twice, joining can never grow the voter set.
 *
 * @param slots the genesis list of slots
 * @param members who the ids are; later entries win over earlier ones with the same node id
 */
export function checkConfiguration(
  slots: readonly SlotName[],
  members: Iterable<MemberInfo>,
  configuration: Configuration,
): ConfigurationViolation | undefined {
  const { voters, votersOutgoing, learners } = configuration;
  if (voters.length === 0) return { kind: 'no-voters' };
  const found = voters.length + votersOutgoing.length + learners.length;
  if (found > limits.MEMBERS_MAX) {
    return { kind: 'too-many-members', expected: limits.MEMBERS_MAX, found };
  }
  const byId = new Map<number, MemberInfo>();
  for (const member of members) byId.set(member.nodeId, member);
  const voting = new Set([...voters, ...votersOutgoing]);
  const learner = learners.find((nodeId) => voting.has(nodeId));
  if (learner !== undefined) return { kind: 'learner-votes', nodeId: learner };
  return (
    checkSet(slots, byId, learners, undefined) ??
    checkSet(slots, byId, voters, 'voters') ??
    checkSet(slots, byId, votersOutgoing, 'votersOutgoing')
  );
}

function checkSet(
  slots: readonly SlotName[],
  members: ReadonlyMap<number, MemberInfo>,
  nodeIds: readonly number[],
  half: 'voters' | 'votersOutgoing' | undefined,
): ConfigurationViolation | undefined {
  const seen = new Set<number>();
  const nodeIdBySlot = new Map<SlotName, number>();
  for (const nodeId of nodeIds) {
    if (seen.has(nodeId)) return { kind: 'repeated-node', nodeId };
    seen.add(nodeId);
    const member = members.get(nodeId);
    if (member === undefined) return { kind: 'unknown-node', nodeId };
    const expected = nodeIdOf(member.incarnation);
    if (nodeId !== expected || nodeId === 0) return { kind: 'node-id-mismatch', nodeId, expected };
    const { slot } = member;
    if (!slots.includes(slot)) return { kind: 'unknown-slot', nodeId, slot };
    if (!isAddress(member.address)) return { kind: 'bad-address', nodeId };
    const other = nodeIdBySlot.get(slot);
    if (half !== undefined && other !== undefined) {
      return { kind: 'two-incarnations', slot, half, nodeIds: [other, nodeId] };
    }
    nodeIdBySlot.set(slot, nodeId);
  }
  return undefined;
}

function isAddress(text: string): boolean {
  return text.length <= limits.ADDRESS_BYTES_MAX && ADDRESS.test(text);
}

/** Canonical encoding of a member, as membership changes carry it. */
export function encodeMember(member: MemberInfo): Uint8Array {
  const writer = new CanonicalWriter().text(MEMBER_LABEL);
  writeMember(writer, member);
  return writer.finish();
}

/** @throws StateMachineError MEMBER_MALFORMED */
export function decodeMember(bytes: Uint8Array): MemberInfo {
  return decodeWith('MEMBER_MALFORMED', bytes, limits.MEMBER_BYTES_MAX, (reader) => {
    if (reader.text(64) !== MEMBER_LABEL) throw badValue('another label');
    return readMember(reader);
  });
}

/** Appends a member; its node id follows from its incarnation and is not written. */
export function writeMember(writer: CanonicalWriter, member: MemberInfo): void {
  writer.text(member.slot);
  writeHex(writer, member.incarnation);
  writer.text(member.address);
}

/** Reads what `writeMember` wrote. */
export function readMember(reader: CanonicalReader): MemberInfo {
  const slot = slotName(reader.text(63));
  const incarnation = incarnationId(readHex(reader, 32));
  const nodeId = nodeIdOf(incarnation);
  if (nodeId === 0) throw badValue('an incarnation without a node id');
  const address = reader.text(limits.ADDRESS_BYTES_MAX);
  if (!isAddress(address)) throw badValue('an address of other characters');
  return { slot, incarnation, nodeId, address };
}
