/** From messages to checked values. Only here do wire types and the types of `manifest` meet. */
import {
  CanonicalWriter,
  CodedError,
  clusterId,
  concatBytes,
  fromHex,
  generation,
  epoch,
  sha256Hex,
  toHex,
  type ClusterId,
  type Epoch,
  type Generation,
  type Sha256Hex,
} from '@witan/core';
import {
  decodeSignedHighWaterMark,
  decodeSignedRecovery,
  decodeSignedTransition,
  type Approval,
  type SignedHighWaterMark,
  type SignedRecovery,
  type SignedTransition,
} from '@witan/manifest';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ApprovalSchema,
  SignedHighWaterMark as WireMark,
  SignedRecovery as WireRecovery,
  SignedTransition as WireTransition,
} from '@witan/protocol';
import { ClientError } from './errors.ts';

/** Runs a decoder and names the part of the answer that it fails on. */
export function read<Value>(part: string, decode: () => Value): Value {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw new ClientError('CLIENT_ANSWER_MALFORMED', { part }, cause);
  }
}

/** @throws ClientError CLIENT_MARK_INVALID where it is absent, CLIENT_ANSWER_MALFORMED */
export function markFromWire(wire: WireMark | undefined): SignedHighWaterMark {
  if (wire === undefined) throw new ClientError('CLIENT_MARK_INVALID', { found: 'no mark' });
  return read('high-water mark', () =>
    decodeSignedHighWaterMark(withSignature(wire.mark, wire.signature)),
  );
}

/** @throws ClientError CLIENT_ANSWER_MALFORMED */
export function transitionFromWire(wire: WireTransition | undefined): SignedTransition {
  return read('transition', () =>
    decodeSignedTransition(
      withSignature(wire?.transition ?? new Uint8Array(), wire?.signature ?? new Uint8Array()),
    ),
  );
}

/** @throws ClientError CLIENT_ANSWER_MALFORMED */
export function recoveryFromWire(wire: WireRecovery): SignedRecovery {
  return read('recovery', () => decodeSignedRecovery(withSignature(wire.recovery, wire.signature)));
}

function withSignature(record: Uint8Array, signature: Uint8Array): Uint8Array {
  return concatBytes(record, new CanonicalWriter().bytes(signature).finish());
}

/** @throws ClientError CLIENT_ANSWER_MALFORMED */
export function clusterIdFromWire(bytes: Uint8Array): ClusterId {
  return read('cluster id', () => clusterId(toHex(bytes)));
}

/** @throws ClientError CLIENT_ANSWER_MALFORMED */
export function digestFromWire(part: string, bytes: Uint8Array): Sha256Hex {
  return read(part, () => sha256Hex(toHex(bytes)));
}

/** @throws ClientError CLIENT_ANSWER_MALFORMED */
export function epochFromWire(value: bigint): Epoch {
  return read('epoch', () => epoch(Number(value)));
}

/** @throws ClientError CLIENT_ANSWER_MALFORMED */
export function generationFromWire(value: bigint): Generation {
  return read('generation', () => generation(Number(value)));
}

export function approvalToWire(approval: Approval): MessageInitShape<typeof ApprovalSchema> {
  const { ownerFingerprint, signature } = approval;
  return { ownerFingerprint: fromHex(ownerFingerprint), signature };
}

/** Text for a terminal: short, and without control characters. @param charsMax longest result */
export function plainText(text: string, charsMax: number): string {
  return text.slice(0, charsMax).replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ');
}
