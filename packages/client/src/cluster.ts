/**
 * Members and leadership, by the word of the leader. Nothing here carries a mark: it is for those
 * who run a cluster, and raises no floor.
 */
import { fromHex, toHex, type ClusterId, type Sha256Hex } from '@witan/core';
import type { Approval } from '@witan/manifest';
import { ClusterService, GetMembersResponse_Role, type SlotChange } from '@witan/protocol';
import { clusterOfAnswer, type Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import { ClientError } from './errors.ts';
import { approvalToWire, digestFromWire, plainText } from './wire.ts';

/** A member as the leader sees it. */
export interface ClusterMember {
  readonly slot: string;
  /** SHA-256 of its identity key, hex. */
  readonly incarnation: string;
  readonly address: string;
  readonly role: 'leader' | 'voter' | 'learner';
  readonly reachable: boolean;
  readonly matchIndex: number;
  /** Committed entries that it lacks. */
  readonly behind: number;
  /** Whether its slot was removed, so that it leaves. */
  readonly leaving: boolean;
  /** The highest state version that it applies; 0 where it announces none, or was not heard. */
  readonly version: number;
}

/** Members of one configuration. */
export interface MembersAnswer {
  readonly clusterId: ClusterId;
  readonly epoch: number;
  readonly term: number;
  readonly commitIndex: number;
  /** Slots of the cluster; those without a member are vacant. */
  readonly slots: readonly string[];
  readonly members: readonly ClusterMember[];
  readonly changeUnderWay: boolean;
  /** Changes of the slots, oldest first; their number is the number of the list in force. */
  readonly slotChanges: readonly RecordedSlotChange[];
  /** Hash of the transition in force; zeros before the first manifest. */
  readonly transitionHash: Sha256Hex;
  /** The state version that every member applies, and every newcomer has to. */
  readonly versionInUse: number;
}

/** A change of the slots, as the cluster recorded it. */
export interface RecordedSlotChange {
  readonly number: number;
  readonly slots: readonly string[];
  readonly transitionHash: string;
  /** SHA-256 of the owners' public keys, hex. */
  readonly approvedBy: readonly string[];
  readonly timeMs: number;
  readonly index: number;
}

/** Which slots a cluster shall have, with what authorises it. */
export interface ChangeSlotsRequest {
  readonly clusterId: ClusterId;
  readonly previousTransition: Sha256Hex;
  /** Number of the list that the owners built on. */
  readonly number: number;
  readonly slots: readonly string[];
  /** Signatures over `slotChangeBytes` of exactly this change. */
  readonly approvals: readonly Approval[];
}

/** Whether a slot's process may stop. */
export interface StopAnswer {
  readonly clusterId: ClusterId;
  readonly safe: boolean;
  /** Why not; empty where it is safe. */
  readonly code: string;
  /** Voters that a quorum takes. */
  readonly needed: number;
  readonly ready: readonly string[];
  readonly missing: readonly string[];
}

/** Who leads after a leadership has ended. */
export interface StepDownAnswer {
  readonly clusterId: ClusterId;
  /** Empty where another term had begun already. */
  readonly from: string;
  readonly to: string;
  readonly term: number;
}

const ROLES: Readonly<Record<GetMembersResponse_Role, ClusterMember['role']>> = {
  [GetMembersResponse_Role.UNSPECIFIED]: 'learner',
  [GetMembersResponse_Role.LEADER]: 'leader',
  [GetMembersResponse_Role.VOTER]: 'voter',
  [GetMembersResponse_Role.LEARNER]: 'learner',
};
const TEXT_CHARS_MAX = 300;

/** @throws ClientError CLIENT_OTHER_CLUSTER, CLIENT_ANSWER_MALFORMED; errors of the channel */
export async function fetchMembers(attempt: Attempt, anchors: Anchors): Promise<MembersAnswer> {
  const { connection, timeoutMs } = attempt;
  const wire = await connection.unary(ClusterService.method.getMembers, {}, { timeoutMs });
  return {
    clusterId: clusterOfAnswer(wire.clusterId, anchors),
    epoch: Number(wire.epoch),
    term: Number(wire.term),
    commitIndex: Number(wire.commitIndex),
    slots: wire.slots.map(plain),
    changeUnderWay: wire.changeUnderWay,
    slotChanges: wire.slotChanges.map(changeFromWire),
    transitionHash: digestFromWire('transition hash', wire.transitionHash),
    versionInUse: wire.versionInUse,
    members: wire.members.map((entry) => ({
      slot: plain(entry.member?.slot ?? ''),
      incarnation: toHex(entry.member?.incarnation ?? new Uint8Array()),
      address: plain(entry.member?.address ?? ''),
      role: ROLES[entry.role] ?? 'learner',
      reachable: entry.reachable,
      matchIndex: Number(entry.matchIndex),
      behind: Number(entry.behind),
      leaving: entry.leaving,
      version: entry.member?.version ?? 0,
    })),
  };
}

/** @throws ClientError as `fetchMembers`; RemoteError, TransportError */
export async function askCanStop(
  attempt: Attempt,
  slot: string,
  anchors: Anchors,
): Promise<StopAnswer> {
  const { connection, timeoutMs } = attempt;
  const wire = await connection.unary(ClusterService.method.canStop, { slot }, { timeoutMs });
  const { safe, code, needed, ready, missing } = wire;
  const clusterId = clusterOfAnswer(wire.clusterId, anchors);
  return {
    clusterId,
    safe,
    code: plain(code),
    needed,
    ready: ready.map(plain),
    missing: missing.map(plain),
  };
}

/** @throws ClientError as `fetchMembers`; RemoteError, TransportError */
export async function askStepDown(
  attempt: Attempt,
  term: number,
  anchors: Anchors,
): Promise<StepDownAnswer> {
  const { connection, timeoutMs } = attempt;
  const request = { term: BigInt(term) };
  const wire = await connection.unary(ClusterService.method.stepDown, request, { timeoutMs });
  const clusterId = clusterOfAnswer(wire.clusterId, anchors);
  return { clusterId, from: plain(wire.from), to: plain(wire.to), term: Number(wire.term) };
}

/**
 * @param requestKey 16 bytes, the same for every attempt
 * @throws ClientError as `fetchMembers`, CLIENT_CONFLICT, CLIENT_REQUEST_REFUSED, and
 *   CLIENT_ANSWER_MALFORMED where another change is recorded; errors of the channel
 */
export async function sendSlots(
  attempt: Attempt,
  request: ChangeSlotsRequest,
  requestKey: Uint8Array,
  anchors: Anchors,
): Promise<RecordedSlotChange> {
  const { connection, timeoutMs } = attempt;
  anchors.checkCluster(request.clusterId);
  const wire = await connection.unary(
    ClusterService.method.changeSlots,
    {
      requestKey,
      previousTransition: fromHex(request.previousTransition),
      number: BigInt(request.number),
      slots: [...request.slots],
      approvals: request.approvals.map(approvalToWire),
    },
    { timeoutMs },
  );
  clusterOfAnswer(wire.clusterId, anchors);
  const change = wire.change === undefined ? undefined : changeFromWire(wire.change);
  if (change?.slots.join() !== request.slots.join()) {
    const found = change?.slots.join() ?? '';
    const fields = { part: 'slots', expected: request.slots.join(), found };
    throw new ClientError('CLIENT_ANSWER_MALFORMED', fields);
  }
  return change;
}

function changeFromWire(wire: SlotChange): RecordedSlotChange {
  return {
    number: Number(wire.number),
    slots: wire.slots.map(plain),
    transitionHash: toHex(wire.transitionHash),
    approvedBy: wire.approvedBy.map((fingerprint) => toHex(fingerprint)),
    timeMs: Number(wire.timeMs),
    index: Number(wire.index),
  };
}

/** Text for a terminal: short, and without control characters. */
function plain(text: string): string {
  return plainText(text, TEXT_CHARS_MAX);
}
