/** Between approvals as the leader takes them and the generated messages. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { fromHex, sha256Hex, slotName, toHex } from '@witan/core';
import {
  ApproveRequestSchema,
  WithdrawRequestSchema,
  type Approval as WireApproval,
  type ApproveRequest,
  type ProposedAction as WireAction,
  type ProposedActionSchema as ActionSchema,
  type WithdrawRequest,
} from '@witan/protocol';
import {
  APPROVAL_BYTES_MAX,
  ManifestError,
  rotationOfText,
  rotationText,
  type Approval,
} from '@witan/manifest';
import { requestKey, SLOTS_MAX, type ProposedAction } from '@witan/state-machine';
import type { ApproveOperation, WithdrawOperation } from '../approval-operations.ts';
import { approvalFromWire, approvalToWire, malformed, toNumber } from './wire-parts.ts';

export function approveToWire(operation: ApproveOperation): ApproveRequest {
  const { requestKey: key, previousTransition, action, approval } = operation;
  return create(ApproveRequestSchema, {
    requestKey: fromHex(key),
    previousTransition: fromHex(previousTransition),
    action: { action: actionToWire(action) },
    approval: approvalToWire(approval),
  });
}

/** @throws CodedError of the field that is not acceptable */
export function approveFromWire(wire: ApproveRequest): ApproveOperation {
  return {
    kind: 'approve',
    requestKey: requestKey(wire.requestKey),
    previousTransition: sha256Hex(toHex(wire.previousTransition)),
    action: actionFromWire(wire.action),
    approval: oneApproval(wire.approval),
  };
}

export function withdrawToWire({ proposal, revocation }: WithdrawOperation): WithdrawRequest {
  return create(WithdrawRequestSchema, {
    proposal: fromHex(proposal),
    revocation: approvalToWire(revocation),
  });
}

/** @throws CodedError of the field that is not acceptable */
export function withdrawFromWire(wire: WithdrawRequest): WithdrawOperation {
  return {
    kind: 'withdraw',
    proposal: sha256Hex(toHex(wire.proposal)),
    revocation: oneApproval(wire.revocation),
  };
}

type ActionInit = NonNullable<MessageInitShape<typeof ActionSchema>['action']>;

function actionToWire(action: ProposedAction): ActionInit {
  switch (action.kind) {
    case 'manifest':
      return { case: 'manifest', value: action.manifest };
    case 'slots':
      return {
        case: 'slots',
        value: { number: BigInt(action.number), slots: [...action.slots] },
      };
    case 'rotation':
      return {
        case: 'rotation',
        value: { number: BigInt(action.number), step: rotationText(action.step) },
      };
    default:
      return action satisfies never;
  }
}

function actionFromWire(wire: WireAction | undefined): ProposedAction {
  switch (wire?.action.case) {
    case 'manifest':
      return { kind: 'manifest', manifest: wire.action.value };
    case 'slots': {
      const { number, slots } = wire.action.value;
      const names = slots.slice(0, SLOTS_MAX).map(slotName);
      return { kind: 'slots', number: toNumber(number), slots: names };
    }
    case 'rotation': {
      const { number, step: text } = wire.action.value;
      const step = rotationOfText(text);
      if (step === undefined) throw malformed('step');
      return { kind: 'rotation', number: toNumber(number), step };
    }
    default:
      throw malformed('action');
  }
}

function oneApproval(wire: WireApproval | undefined): Approval {
  if (wire === undefined) throw malformed('approval');
  const { byteLength: found } = wire.signature;
  if (found > APPROVAL_BYTES_MAX) {
    const fields = { path: 'approval', expected: APPROVAL_BYTES_MAX, found };
    throw new ManifestError('APPROVAL_MALFORMED', fields);
  }
  return approvalFromWire(wire);
}
