/** Questions about former logs, and their answers, on the wire. */
import { clusterId, epoch, fromHex, toHex } from '@witan/core';
import {
  ConfirmLogResponse_Outcome,
  type ConfirmLogRequest,
  type ConfirmLogResponse,
} from '@witan/protocol';
import { LINK_BYTES, MARKS_MAX, type ConfirmAnswer, type ConfirmRequest } from '@witan/replica';
import { malformed, toNumber } from './wire.ts';

const REFUSALS = ['ANOTHER_CLUSTER', 'NOT_A_MEMBER', 'TOO_MANY_MARKS'] as const;

export function confirmRequestToWire(request: ConfirmRequest): Omit<
  ConfirmLogRequest,
  '$typeName' | 'marks'
> & {
  readonly marks: { index: bigint; link: Uint8Array }[];
} {
  return {
    clusterId: fromHex(request.clusterId),
    epoch: BigInt(request.epoch),
    marks: request.marks.map(({ index, link }) => ({ index: BigInt(index), link })),
  };
}

/** @throws IdError or CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function confirmRequestFromWire(wire: ConfirmLogRequest): ConfirmRequest {
  // One more than is allowed: whoever judges the request says that they are too many.
  const marks = wire.marks.slice(0, MARKS_MAX + 1).map(({ index, link }) => {
    if (link.byteLength !== LINK_BYTES) throw malformed('link');
    return { index: toNumber(index), link };
  });
  return {
    clusterId: clusterId(toHex(wire.clusterId)),
    epoch: epoch(toNumber(wire.epoch)),
    marks,
  };
}

export function confirmAnswerToWire(
  answer: ConfirmAnswer,
): Partial<Omit<ConfirmLogResponse, '$typeName'>> {
  switch (answer.kind) {
    case 'confirmed':
      return { outcome: ConfirmLogResponse_Outcome.CONFIRMED, index: BigInt(answer.index ?? 0) };
    case 'not-leader':
      return { outcome: ConfirmLogResponse_Outcome.NOT_LEADER };
    case 'refused':
      return { outcome: ConfirmLogResponse_Outcome.REFUSED, code: answer.code };
    default:
      return answer satisfies never;
  }
}

/** @throws CoordinatorError COORDINATOR_WIRE_MALFORMED */
export function confirmAnswerFromWire(wire: ConfirmLogResponse): ConfirmAnswer {
  switch (wire.outcome) {
    case ConfirmLogResponse_Outcome.CONFIRMED: {
      const index = toNumber(wire.index);
      return index === 0 ? { kind: 'confirmed' } : { kind: 'confirmed', index };
    }
    case ConfirmLogResponse_Outcome.NOT_LEADER:
      return { kind: 'not-leader' };
    case ConfirmLogResponse_Outcome.REFUSED: {
      const code = REFUSALS.find((name) => name === wire.code);
      if (code === undefined) throw malformed('refusal');
      return { kind: 'refused', code };
    }
    default:
      throw malformed('outcome');
  }
}
