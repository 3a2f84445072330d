/** Parts of messages that more than one file translates. */
import { create } from '@bufbuild/protobuf';
import { fromHex, sha256Hex, toHex } from '@witan/core';
import type { Approval } from '@witan/manifest';
import { ApprovalSchema, type Approval as WireApproval } from '@witan/protocol';
import { CoordinatorError } from '../errors.ts';

export function approvalToWire(approval: Approval): WireApproval {
  return create(ApprovalSchema, {
    ownerFingerprint: fromHex(approval.ownerFingerprint),
    signature: approval.signature,
  });
}

/** @throws IdError */
export function approvalFromWire(wire: WireApproval): Approval {
  return {
    ownerFingerprint: sha256Hex(toHex(wire.ownerFingerprint)),
    signature: wire.signature,
  };
}

/** @throws CoordinatorError COORDINATOR_WIRE_MALFORMED above 2^53-1 */
export function toNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('number');
  return Number(value);
}

/** Something that no peer of this version sends. */
export function malformed(part: string): CoordinatorError {
  const message = 'a peer sent something that does not fit the protocol';
  return new CoordinatorError('COORDINATOR_WIRE_MALFORMED', message, { fields: { part } });
}
