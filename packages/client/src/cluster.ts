/**
 * Members and leadership, by the word of the leader. Nothing here carries a mark: it is for those
 * who run a cluster, and raises no floor.
 */
import { toHex, type ClusterId } from '@witan/core';
import { ClusterService, GetMembersResponse_Role } from '@witan/protocol';
import type { Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import { clusterIdFromWire } from './wire.ts';

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
    clusterId: checked(wire.clusterId, anchors),
    epoch: Number(wire.epoch),
    term: Number(wire.term),
    commitIndex: Number(wire.commitIndex),
    slots: wire.slots.map(plain),
    changeUnderWay: wire.changeUnderWay,
    members: wire.members.map((entry) => ({
      slot: plain(entry.member?.slot ?? ''),
      incarnation: toHex(entry.member?.incarnation ?? new Uint8Array()),
      address: plain(entry.member?.address ?? ''),
      role: ROLES[entry.role] ?? 'learner',
      reachable: entry.reachable,
      matchIndex: Number(entry.matchIndex),
      behind: Number(entry.behind),
      leaving: entry.leaving,
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
  const clusterId = checked(wire.clusterId, anchors);
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
  const clusterId = checked(wire.clusterId, anchors);
  return { clusterId, from: plain(wire.from), to: plain(wire.to), term: Number(wire.term) };
}

/** A genuine replica of somebody else's cluster answers as well: its word is worth nothing here. */
function checked(bytes: Uint8Array, anchors: Anchors): ClusterId {
  const clusterId = clusterIdFromWire(bytes);
  anchors.checkCluster(clusterId);
  return clusterId;
}

/** Text for a terminal: short, and without control characters. */
function plain(text: string): string {
  return text.slice(0, TEXT_CHARS_MAX).replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ');
}
