/** gRPC status names to numbers and back. */
import { status as Status } from '@grpc/grpc-js';
import type { GrpcStatus } from './errors.ts';

const NUMBERS: Readonly<Record<GrpcStatus, number>> = {
  CANCELLED: Status.CANCELLED,
  UNKNOWN: Status.UNKNOWN,
  INVALID_ARGUMENT: Status.INVALID_ARGUMENT,
  DEADLINE_EXCEEDED: Status.DEADLINE_EXCEEDED,
  NOT_FOUND: Status.NOT_FOUND,
  ALREADY_EXISTS: Status.ALREADY_EXISTS,
  PERMISSION_DENIED: Status.PERMISSION_DENIED,
  RESOURCE_EXHAUSTED: Status.RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION: Status.FAILED_PRECONDITION,
  ABORTED: Status.ABORTED,
  OUT_OF_RANGE: Status.OUT_OF_RANGE,
  UNIMPLEMENTED: Status.UNIMPLEMENTED,
  INTERNAL: Status.INTERNAL,
  UNAVAILABLE: Status.UNAVAILABLE,
  DATA_LOSS: Status.DATA_LOSS,
  UNAUTHENTICATED: Status.UNAUTHENTICATED,
};

const NAMES: ReadonlyMap<number, GrpcStatus> = new Map(
  Object.entries(NUMBERS).map(([name, number]) => [number, name as GrpcStatus]),
);

export function statusNumber(status: GrpcStatus): number {
  return NUMBERS[status];
}

/** A number that gRPC does not define counts as UNKNOWN. */
export function statusName(number: number): GrpcStatus {
  return NAMES.get(number) ?? 'UNKNOWN';
}
