/**
 * A replica's own view of itself. No quorum confirms it, but for the mark that comes with it: the
 * highest state that a quorum has confirmed to that replica, signed by the cluster (I6).
 */
import { toHex } from '@witan/core';
import { compareToFloor, type Floor } from '@witan/manifest';
import { GetStatusResponse_Phase, UserService, type GetStatusResponse } from '@witan/protocol';
import type { Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import { recoveryView, type RecoveryView } from './recovery.ts';
import { markFromWire, plainText } from './wire.ts';

/** Where in its life a replica is. */
export type ReplicaPhase =
  'unknown' | 'discovering' | 'founded' | 'joining' | 'serving' | 'sealed' | 'removed';

/** A member as the answering replica sees it. */
export interface ReplicaMember {
  readonly slot: string;
  /** SHA-256 of its identity key, hex. */
  readonly incarnation: string;
  readonly address: string;
  readonly voter: boolean;
  readonly leader: boolean;
  readonly reachable: boolean;
  /** Highest index known to be on it; only the leader knows, others say 0. */
  readonly matchIndex: number;
}

/** One replica’s own view of itself and its cluster. */
export interface ReplicaStatus {
  readonly endpoint: string;
  readonly slot: string;
  readonly phase: ReplicaPhase;
  /** One sentence for people. */
  readonly explanation: string;
  /** Hex; empty where it belongs to no cluster. */
  readonly clusterId: string;
  readonly epoch: number;
  readonly term: number;
  /** What it is in its cluster; `none` outside of one. */
  readonly role: 'leader' | 'voter' | 'learner' | 'none';
  /** Slot of the leader; empty when unknown. */
  readonly leader: string;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly generation: number;
  readonly issuedIdentities: number;
  readonly members: readonly ReplicaMember[];
  readonly slots: readonly string[];
  /** No hardware protects this cluster (I11). */
  readonly simulated: boolean;
  readonly version: string;
  /** SHA-256 of the identity key with which it answered, hex. */
  readonly incarnation: string;
  readonly counters: Readonly<Record<string, number>>;
  /** Absent where the replica has none yet. */
  readonly mark?: StatusMark;
  /** How far a full recovery is; absent where none is under way. */
  readonly recovery?: RecoveryView;
}

/** The highest state that a quorum has confirmed to a replica. */
export interface StatusMark {
  /** Whether that was for this answer; otherwise the replica could not ask a quorum just now. */
  readonly confirmed: boolean;
  /** Whether the signature is the known history key's; false also where no key is known. */
  readonly verified: boolean;
  /** Whether more was seen before: no wonder for a mark that is not confirmed. */
  readonly belowFloor: boolean;
  readonly epoch: number;
  readonly commitIndex: number;
  readonly generation: number;
  readonly transitionHash: string;
  /** Milliseconds since 1970, by the replica's clock. */
  readonly timeMs: number;
}

const PHASES: Readonly<Record<GetStatusResponse_Phase, ReplicaPhase>> = {
  [GetStatusResponse_Phase.UNSPECIFIED]: 'unknown',
  [GetStatusResponse_Phase.DISCOVERING]: 'discovering',
  [GetStatusResponse_Phase.FOUNDED]: 'founded',
  [GetStatusResponse_Phase.JOINING]: 'joining',
  [GetStatusResponse_Phase.SERVING]: 'serving',
  [GetStatusResponse_Phase.SEALED]: 'sealed',
  [GetStatusResponse_Phase.REMOVED]: 'removed',
};

const TEXT_CHARS_MAX = 500;
const COUNTERS_MAX = 200;

/**
 * @throws ClientError for a mark that contradicts what is known, or that is confirmed and below the
 *   floor; RemoteError, TransportError
 */
export async function fetchStatus(attempt: Attempt, anchors: Anchors): Promise<ReplicaStatus> {
  const { floor } = anchors.known;
  const { connection, endpoint, timeoutMs } = attempt;
  const wire = await connection.unary(UserService.method.getStatus, {}, { timeoutMs });
  const members = wire.members.map((status): ReplicaMember => {
    const { voter, leader, reachable, matchIndex } = status;
    return {
      slot: plain(status.member?.slot ?? ''),
      incarnation: toHex(status.member?.incarnation ?? new Uint8Array()),
      address: plain(status.member?.address ?? ''),
      voter,
      leader,
      reachable,
      matchIndex: Number(matchIndex),
    };
  });
  const incarnation = connection.peer.spkiSha256;
  const mark = statusMark(wire, anchors, floor);
  const recovery = recoveryView(wire.recovery);
  const self = members.find((member) => member.incarnation === incarnation);
  return {
    endpoint,
    slot: plain(wire.slot),
    phase: PHASES[wire.phase] ?? 'unknown',
    explanation: plain(wire.explanation),
    clusterId: toHex(wire.clusterId),
    epoch: Number(wire.epoch),
    term: Number(wire.term),
    role: roleOf(self),
    leader: members.find((member) => member.leader)?.slot ?? '',
    commitIndex: Number(wire.commitIndex),
    appliedIndex: Number(wire.appliedIndex),
    generation: Number(wire.generation),
    issuedIdentities: Number(wire.issuedIdentities),
    members,
    slots: wire.slots.map(plain),
    simulated: wire.simulated || connection.peer.claims?.claims.simulated === true,
    version: plain(wire.version),
    incarnation,
    counters: Object.fromEntries(
      Object.entries(wire.counters)
        .slice(0, COUNTERS_MAX)
        .map(([name, value]) => [plain(name), Number(value)]),
    ),
    ...(mark === undefined ? {} : { mark }),
    ...(recovery === undefined ? {} : { recovery }),
  };
}

/** @param atRequest the floor when the request was sent */
function statusMark(
  wire: GetStatusResponse,
  anchors: Anchors,
  atRequest: Floor | undefined,
): StatusMark | undefined {
  if (wire.highWaterMark === undefined) return undefined;
  const signed = markFromWire(wire.highWaterMark);
  const confirmed = wire.highWaterMarkConfirmed;
  const { clusterId, epoch, commitIndex, generation, transitionHash, timeMs } = signed.mark;
  const { historyPublicKey, floor: known } = anchors.knownOf(clusterId);
  const floor = atRequest ?? known;
  const verdict = floor === undefined ? undefined : compareToFloor(signed.mark, floor).kind;
  const belowFloor = verdict?.startsWith('lower') === true;
  if (historyPublicKey !== undefined) {
    // What was true once may be below the floor by now; everything else is refused.
    const lowest = belowFloor && !confirmed ? signed.mark : floor;
    anchors.check({ clusterId, historyPublicKey, mark: signed }, lowest);
  }
  const verified = historyPublicKey !== undefined;
  const shown = { epoch, commitIndex, generation, transitionHash, timeMs };
  return { confirmed, verified, belowFloor, ...shown };
}

function roleOf(self: ReplicaMember | undefined): ReplicaStatus['role'] {
  if (self === undefined) return 'none';
  if (self.leader) return 'leader';
  return self.voter ? 'voter' : 'learner';
}

/** Text for a terminal: short, and without control characters. */
function plain(text: string): string {
  return plainText(text, TEXT_CHARS_MAX);
}
