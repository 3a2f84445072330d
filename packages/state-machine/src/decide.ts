/** What a command does to a state, decided without changing anything: one place for every kind. */
import type { Crypto } from '@witan/core';
import type { ParseReferenceValues } from '@witan/manifest';
import { decideApprove, decideWithdraw } from './approve.ts';
import { decodeCommand, requestDigest, type Command } from './commands.ts';
import { decideIssueCertificate } from './issue-certificate.ts';
import type { IssuedTable } from './issued-table.ts';
import { malformed, type Decision } from './parts.ts';
import type { ProposalTable } from './proposals.ts';
import type { RequestTable } from './request-table.ts';
import type { CommandResult } from './results.ts';
import { decideRotate } from './rotate.ts';
import { decideSeedCandidate } from './rotate-seed.ts';
import { decideSetManifest } from './set-manifest.ts';
import { decideChangeSlots } from './slot-changes.ts';
import { decideUseVersion } from './versions.ts';
import type { StateView } from './view.ts';

/** What deciding looks at beside the view. */
export interface Tables {
  readonly proposals: ProposalTable;
  readonly issued: IssuedTable;
  readonly requests: RequestTable;
}

/** A command at its place, with what every replica was given alike. */
export interface Given<ReferenceValues> {
  /** Log index of the entry. */
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly parse: ParseReferenceValues<ReferenceValues>;
  readonly crypto: Crypto;
}

/** Decides without changing anything; see `Decision`. */
export function decideCommand<ReferenceValues>(
  view: StateView<ReferenceValues>,
  { proposals, issued, requests }: Tables,
  { index, bytes, parse, crypto }: Given<ReferenceValues>,
): Decision<ReferenceValues> {
  const none = { requestKey: undefined, digest: undefined, repeated: false, next: undefined };
  let command: Command;
  try {
    command = decodeCommand(bytes);
  } catch (error) {
    return { ...none, result: malformed(error) };
  }
  if (command.kind === 'noop') return { ...none, result: { kind: 'noop' } };
  if (command.kind === 'use-version') {
    const result = decideUseVersion(view, command);
    return { ...none, result, ...(result.kind === 'version-in-use' && { versions: command }) };
  }
  if (command.kind === 'approve') {
    return { ...none, command, ...decideApprove(view, proposals, command, parse, crypto) };
  }
  if (command.kind === 'withdraw') {
    return { ...none, command, ...decideWithdraw(view, proposals, command, crypto) };
  }
  if (command.kind === 'seed-candidate') {
    return { ...none, ...decideSeedCandidate(view, command.candidate, crypto) };
  }
  const { requestKey } = command;
  const digest = requestDigest(command, crypto);
  const earlier = requests.get(requestKey);
  if (earlier !== undefined) {
    const same = earlier.digest === digest;
    const result: CommandResult = same ? earlier.result : { kind: 'key-reused' };
    return { requestKey, digest, result, repeated: same, next: undefined };
  }
  const keyed = { ...none, requestKey, digest };
  switch (command.kind) {
    case 'issue-certificate': {
      const result = decideIssueCertificate(view, issued, command, index);
      return { ...keyed, command, result };
    }
    case 'change-slots': {
      const { result, change } = decideChangeSlots(view, proposals, command, index, crypto);
      return { ...keyed, result, ...(change && { slots: change }) };
    }
    case 'rotate': {
      const { result, record, seed } = decideRotate(view, proposals, command, index, crypto);
      const rotation = record && { record, certificates: command.certificates, seed };
      return { ...keyed, result, ...(rotation && { rotation }) };
    }
    case 'set-manifest': {
      const outcome = decideSetManifest(view, proposals, command, parse, crypto);
      return { ...keyed, result: outcome.result, next: outcome.next };
    }
    default:
      return command satisfies never;
  }
}
