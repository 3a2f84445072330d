/** Approvals and withdrawals as owners sign them now: detached JWS with an expiry. */
import { unixMillis, type Sha256Hex, type UnixMillis } from '@witan/core';
import {
  detachedJws,
  revocationBytes,
  signingInput,
  type Approval,
  type ApprovalUse,
} from '@witan/manifest';
import { STATE_VERSION, type WithdrawCommand } from '../src/index.ts';
import { signWith, type TestKey } from './keys.ts';
import { applyNext, type State } from './support.ts';

/** The leader's clock in tests. */
export const CLOCK_MS: UnixMillis = unixMillis(1_800_000_000_000);

/** @param lastsSeconds from `CLOCK_MS` on */
export function jwsApproval(
  by: TestKey,
  content: Uint8Array,
  lastsSeconds = 86_400,
  use: ApprovalUse = 'witan-approval+jws',
): Approval {
  const expiresSeconds = CLOCK_MS / 1000 + lastsSeconds;
  const header = { algorithm: 'ES256', expiresSeconds, owner: by.fingerprint, use } as const;
  const signature = detachedJws(header, signWith(by, signingInput(header, content)));
  return { ownerFingerprint: by.fingerprint, signature };
}

/** Every member announces the newest state version, and it comes into use. */
export function useVersion(state: State, version: number = STATE_VERSION): void {
  const members = state.members.map(({ incarnation }) => ({ incarnation, version }));
  applyNext(state, { kind: 'use-version', version, members });
}

export function withdrawal(state: State, by: TestKey, proposal: Sha256Hex): WithdrawCommand {
  const { clusterId, head: previousTransition } = state;
  const content = revocationBytes({ clusterId, previousTransition, proposal });
  const revocation = jwsApproval(by, content, 600, 'witan-revocation+jws');
  return { kind: 'withdraw', proposal, revocation, timeMs: CLOCK_MS };
}
