/** Between the driver's plain values and the generated messages of the peer protocol. */
import { create } from '@bufbuild/protobuf';
import {
  clusterId,
  epoch,
  fromHex,
  generation,
  incarnationId,
  Secret,
  sha256Hex,
  slotName,
  toHex,
  type Sha256Hex,
} from '@witan/core';
import {
  ExecuteRequestSchema,
  JoinResponse_Outcome,
  MemberSchema,
  StandingSchema,
  Standing_Kind,
  type ChangeSlotsRequest,
  type RotateRequest,
  type DeliverGenesisRequest,
  type ExecuteRequest,
  type JoinResponse,
  type Member,
  type Standing as WireStanding,
} from '@witan/protocol';
import { NO_TRANSITION, rotationOfText, rotationText } from '@witan/manifest';
import {
  decodeSeeds,
  ReplicaError,
  type ClusterLife,
  type Genesis,
  type JoinAnswer,
  type PeerIdentity,
  type Standing,
  type StandingKind,
} from '@witan/replica';
import { requestKey, STATE_VERSION_MAX } from '@witan/state-machine';
import type { Operation } from '../operations.ts';
import { approvalFromWire, approvalToWire, malformed, toNumber } from './wire-parts.ts';
import {
  approveFromWire,
  approveToWire,
  withdrawFromWire,
  withdrawToWire,
} from './approval-wire.ts';

export { approvalFromWire, approvalToWire, malformed, toNumber };

const KINDS: Readonly<Record<StandingKind, Standing_Kind>> = {
  new: Standing_Kind.NEW,
  sealed: Standing_Kind.SEALED,
  unsettled: Standing_Kind.UNSETTLED,
  member: Standing_Kind.MEMBER,
};

const REFUSALS = [
  'SLOTS_DIFFER',
  'SLOT_UNKNOWN',
  'IDENTITY_MISMATCH',
  'NODE_ID_TAKEN',
  'INCARNATION_RETIRED',
  'VERSION_TOO_OLD',
] as const;

export function memberToWire(peer: PeerIdentity): Member {
  return create(MemberSchema, {
    nodeId: BigInt(peer.nodeId),
    slot: peer.slot,
    incarnation: fromHex(peer.incarnation),
    address: peer.address,
    version: peer.version ?? 0,
  });
}

/** @throws IdError or CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function memberFromWire(member: Member | undefined): PeerIdentity {
  if (member === undefined) throw malformed('member');
  return {
    nodeId: toNumber(member.nodeId),
    slot: slotName(member.slot),
    incarnation: incarnationId(toHex(member.incarnation)),
    address: member.address.slice(0, 300),
    // Whoever announces none, as builds of before do, is of version 0.
    ...(member.version === 0 ? {} : { version: Math.min(member.version, STATE_VERSION_MAX) }),
  };
}

export function standingToWire(standing: Standing): WireStanding {
  const { cluster } = standing;
  return create(StandingSchema, {
    kind: KINDS[standing.kind],
    self: memberToWire(standing.self),
    slots: [...standing.slots],
    ...(cluster === undefined
      ? {}
      : {
          clusterId: fromHex(cluster.clusterId),
          epoch: BigInt(cluster.epoch),
          opening: openingToWire(cluster.opening),
          appliedIndex: BigInt(cluster.appliedIndex),
          members: cluster.members.map(memberToWire),
          ...(cluster.leader === undefined ? {} : { leader: memberToWire(cluster.leader) }),
        }),
  });
}

/** @throws IdError or CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function standingFromWire(wire: WireStanding | undefined): Standing {
  const kind = Object.entries(KINDS).find(([, value]) => value === wire?.kind)?.[0];
  if (wire === undefined || kind === undefined) throw malformed('standing');
  const leader = wire.leader === undefined ? {} : { leader: memberFromWire(wire.leader) };
  const cluster =
    wire.clusterId.byteLength === 0
      ? {}
      : {
          cluster: {
            ...lifeFromWire(wire),
            appliedIndex: toNumber(wire.appliedIndex),
            members: wire.members.slice(0, 64).map(memberFromWire),
            ...leader,
          },
        };
  return {
    kind: kind as StandingKind,
    self: memberFromWire(wire.self),
    slots: wire.slots.slice(0, 64).map(slotName),
    ...cluster,
  };
}

/** @throws IdError or CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function genesisFromWire(wire: DeliverGenesisRequest): Genesis {
  return {
    clusterId: clusterId(toHex(wire.clusterId)),
    seed: seedFromWire(wire.seed),
    members: wire.members.slice(0, 64).map(memberFromWire),
    slots: wire.slots.slice(0, 64).map(slotName),
  };
}

export function joinAnswerToWire(answer: JoinAnswer): Partial<Omit<JoinResponse, '$typeName'>> {
  switch (answer.kind) {
    case 'admitted':
      return {
        outcome: JoinResponse_Outcome.ADMITTED,
        clusterId: fromHex(answer.clusterId),
        epoch: BigInt(answer.epoch),
        opening: openingToWire(answer.opening),
        // A copy: whoever takes the message apart wipes what it was given.
        seed: Uint8Array.from(answer.seed.expose()),
        slots: [...answer.slots],
        members: answer.members.map(memberToWire),
      };
    case 'not-leader':
      return {
        outcome: JoinResponse_Outcome.NOT_LEADER,
        ...(answer.leader === undefined ? {} : { leader: memberToWire(answer.leader) }),
      };
    case 'busy':
      return { outcome: JoinResponse_Outcome.BUSY, code: answer.code };
    case 'refused':
      return {
        outcome: JoinResponse_Outcome.REFUSED,
        code: answer.code,
        versionNeeded: answer.needed ?? 0,
      };
    default:
      return answer satisfies never;
  }
}

/** @throws IdError or CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function joinAnswerFromWire(wire: JoinResponse): JoinAnswer {
  switch (wire.outcome) {
    case JoinResponse_Outcome.ADMITTED:
      return {
        kind: 'admitted',
        ...lifeFromWire(wire),
        seed: seedFromWire(wire.seed),
        slots: wire.slots.slice(0, 64).map(slotName),
        members: wire.members.slice(0, 64).map(memberFromWire),
      };
    case JoinResponse_Outcome.NOT_LEADER:
      return {
        kind: 'not-leader',
        ...(wire.leader === undefined ? {} : { leader: memberFromWire(wire.leader) }),
      };
    case JoinResponse_Outcome.BUSY:
      return { kind: 'busy', code: wire.code.slice(0, 64) };
    case JoinResponse_Outcome.REFUSED: {
      const code = REFUSALS.find((name) => name === wire.code);
      if (code === undefined) throw malformed('refusal');
      const { versionNeeded: needed } = wire;
      return needed === 0 ? { kind: 'refused', code } : { kind: 'refused', code, needed };
    }
    default:
      throw malformed('join outcome');
  }
}

export function operationToWire(operation: Operation): ExecuteRequest {
  if (operation.kind === 'approve') {
    const value = approveToWire(operation);
    return create(ExecuteRequestSchema, { operation: { case: 'approve', value } });
  }
  if (operation.kind === 'withdraw') {
    const value = withdrawToWire(operation);
    return create(ExecuteRequestSchema, { operation: { case: 'withdraw', value } });
  }
  if (operation.kind === 'set-manifest') {
    return create(ExecuteRequestSchema, {
      operation: {
        case: 'setManifest',
        value: {
          requestKey: fromHex(operation.requestKey),
          manifest: operation.manifest,
          previousTransition: fromHex(operation.previousTransition),
          approvals: operation.approvals.map(approvalToWire),
        },
      },
    });
  }
  if (operation.kind === 'rotate') {
    return create(ExecuteRequestSchema, {
      operation: {
        case: 'rotate',
        value: {
          requestKey: fromHex(operation.requestKey),
          previousTransition: fromHex(operation.previousTransition),
          number: BigInt(operation.number),
          step: rotationText(operation.step),
          approvals: operation.approvals.map(approvalToWire),
        },
      },
    });
  }
  if (operation.kind === 'change-slots') {
    return create(ExecuteRequestSchema, {
      operation: {
        case: 'changeSlots',
        value: {
          requestKey: fromHex(operation.requestKey),
          previousTransition: fromHex(operation.previousTransition),
          number: BigInt(operation.number),
          slots: [...operation.slots],
          approvals: operation.approvals.map(approvalToWire),
        },
      },
    });
  }
  return create(ExecuteRequestSchema, {
    operation: {
      case: 'issue',
      value: {
        requestKey: fromHex(operation.requestKey),
        workload: operation.workload,
        spkiSha256: fromHex(operation.spkiSha256),
        evidenceSha256: fromHex(operation.evidenceSha256),
        generation: BigInt(operation.generation),
        servedBy: operation.servedBy,
        measurement: fromHex(operation.measurement),
      },
    },
  });
}

/** @throws CodedError of the field that is not acceptable */
export function operationFromWire({ operation }: ExecuteRequest): Operation {
  switch (operation.case) {
    case 'setManifest':
      return {
        kind: 'set-manifest',
        requestKey: requestKey(operation.value.requestKey),
        manifest: operation.value.manifest,
        previousTransition: sha256Hex(toHex(operation.value.previousTransition)),
        approvals: operation.value.approvals.map(approvalFromWire),
      };
    case 'issue':
      return {
        kind: 'issue',
        requestKey: requestKey(operation.value.requestKey),
        workload: operation.value.workload,
        spkiSha256: sha256Hex(toHex(operation.value.spkiSha256)),
        evidenceSha256: sha256Hex(toHex(operation.value.evidenceSha256)),
        generation: generation(toNumber(operation.value.generation)),
        servedBy: slotName(operation.value.servedBy),
        measurement: toHex(operation.value.measurement),
      };
    case 'changeSlots':
      return changeSlotsFromWire(operation.value);
    case 'rotate':
      return rotateFromWire(operation.value);
    case 'approve':
      return approveFromWire(operation.value);
    case 'withdraw':
      return withdrawFromWire(operation.value);
    default:
      throw malformed('operation');
  }
}

/** @throws CodedError of the field that is not acceptable */
export function changeSlotsFromWire(
  wire: Pick<
    ChangeSlotsRequest,
    'requestKey' | 'previousTransition' | 'number' | 'slots' | 'approvals'
  >,
): Operation & { readonly kind: 'change-slots' } {
  return {
    kind: 'change-slots',
    requestKey: requestKey(wire.requestKey),
    previousTransition: sha256Hex(toHex(wire.previousTransition)),
    number: toNumber(wire.number),
    slots: wire.slots.slice(0, 64).map(slotName),
    approvals: wire.approvals.slice(0, 64).map(approvalFromWire),
  };
}

/** @throws CodedError of the field that is not acceptable */
export function rotateFromWire(
  wire: Pick<RotateRequest, 'requestKey' | 'previousTransition' | 'number' | 'step' | 'approvals'>,
): Operation & { readonly kind: 'rotate' } {
  const step = rotationOfText(wire.step);
  if (step === undefined) throw malformed('step');
  return {
    kind: 'rotate',
    requestKey: requestKey(wire.requestKey),
    previousTransition: sha256Hex(toHex(wire.previousTransition)),
    number: toNumber(wire.number),
    step,
    approvals: wire.approvals.slice(0, 64).map(approvalFromWire),
  };
}

/** Empty in the first epoch. */
export function openingToWire(opening: Sha256Hex): Uint8Array {
  return opening === NO_TRANSITION ? new Uint8Array(0) : fromHex(opening);
}

/** @throws IdError */
export function openingFromWire(bytes: Uint8Array): Sha256Hex {
  return bytes.byteLength === 0 ? NO_TRANSITION : sha256Hex(toHex(bytes));
}

/** One life of a cluster. @throws IdError, CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function lifeFromWire(wire: {
  readonly clusterId: Uint8Array;
  readonly epoch: bigint;
  readonly opening: Uint8Array;
}): ClusterLife {
  return {
    clusterId: clusterId(toHex(wire.clusterId)),
    epoch: epoch(toNumber(wire.epoch)),
    opening: openingFromWire(wire.opening),
  };
}

/** @throws CoordinatorError COORDINATOR_WIRE_MALFORMED; wipes what it was given */
export function seedFromWire(bytes: Uint8Array): Secret {
  const seed = new Secret(bytes);
  bytes.fill(0);
  try {
    decodeSeeds(seed);
    return seed;
  } catch (error) {
    if (error instanceof ReplicaError) throw malformed('seed');
    throw error;
  }
}
