/**
 * The commands that collect approvals. They have no request key: repeating one changes nothing, as
 * an owner's approval counts once and a withdrawal is as good as two.
 */
import {
  sha256Hex,
  unixMillis,
  type CanonicalReader,
  type CanonicalWriter,
  type Sha256Hex,
  type UnixMillis,
} from '@witan/core';
import { readApproval, writeApproval, type Approval } from '@witan/manifest';
import { readHex, writeHex } from './codec.ts';
import { readAction, writeAction, type ProposedAction } from './proposals.ts';

/** Records one owner's approval of a change that takes more of them. */
export interface ApproveCommand {
  readonly kind: 'approve';
  /** The transition in force that the owner built on. */
  readonly previousTransition: Sha256Hex;
  readonly action: ProposedAction;
  readonly approval: Approval;
  /** The leader's clock. */
  readonly timeMs: UnixMillis;
}

/** Takes one owner's approval back, and makes others like it void. */
export interface WithdrawCommand {
  readonly kind: 'withdraw';
  readonly proposal: Sha256Hex;
  /** Signed by the owner over `revocationBytes`. */
  readonly revocation: Approval;
  /** The leader's clock. */
  readonly timeMs: UnixMillis;
}

/** Appends what follows the kind. */
export function writeApprovalCommand(
  writer: CanonicalWriter,
  command: ApproveCommand | WithdrawCommand,
): void {
  if (command.kind === 'approve') {
    writeHex(writer, command.previousTransition);
    writeAction(writer, command.action);
    writeApproval(writer, command.approval);
  } else {
    writeHex(writer, command.proposal);
    writeApproval(writer, command.revocation);
  }
  writer.u64(command.timeMs);
}

/** Reads what `writeApprovalCommand` wrote. */
export function readApprove(reader: CanonicalReader): ApproveCommand {
  return {
    kind: 'approve',
    previousTransition: sha256Hex(readHex(reader, 32)),
    action: readAction(reader),
    approval: readApproval(reader),
    timeMs: unixMillis(reader.u64()),
  };
}

/** Reads what `writeApprovalCommand` wrote. */
export function readWithdraw(reader: CanonicalReader): WithdrawCommand {
  return {
    kind: 'withdraw',
    proposal: sha256Hex(readHex(reader, 32)),
    revocation: readApproval(reader),
    timeMs: unixMillis(reader.u64()),
  };
}
