/**
 * The recovery service: owners hand in their shares, at any replica. Whoever asks is a stranger; a
 * share proves itself (see `keys`), and nothing that is answered is secret.
 */
import { CodedError, fromHex } from '@witan/core';
import { KeysError } from '@witan/keys';
import { RecoveryService, type SubmitShareRequest } from '@witan/protocol';
import { ReplicaError, type ShareSubmission } from '@witan/replica';
import { PublicError, serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import { shareFromWire, wordFromWire } from '../peers/recovery-wire.ts';
import type { ServiceContext } from './context.ts';
import { progressToWire } from './recovery-progress.ts';

/** On one connection; more than any cluster has owners. */
const SUBMISSIONS_MAX = 128;

export function recoveryService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  const submissions = new WeakMap<object, number>();
  const countIn = (connection: object): void => {
    const count = (submissions.get(connection) ?? 0) + 1;
    submissions.set(connection, count);
    if (count <= SUBMISSIONS_MAX) return;
    const message = 'too many shares on one connection';
    const fields = { expected: SUBMISSIONS_MAX, found: count };
    throw new PublicError('RESOURCE_EXHAUSTED', 'TOO_MANY_SHARES', message, fields);
  };
  const progress = () => {
    const known = context.replica.recoveryProgress();
    return known === undefined ? {} : { progress: progressToWire(known) };
  };
  return serviceRegistration<typeof RecoveryService, PeerClaims>(RecoveryService, {
    submitShare: (request, { peer }) => {
      countIn(peer);
      const submission = readSubmission(request);
      try {
        const { owner } = context.replica.submitShare(submission);
        context.counters.count('recovery_shares');
        return Promise.resolve({ owner: fromHex(owner), ...progress() });
      } catch (error) {
        throw refusal(error);
      } finally {
        // The desk has its own copy.
        submission.share.wipe();
      }
    },

    getRecovery: () => {
      const known = context.replica.recoveryProgress();
      if (known === undefined) return Promise.resolve({});
      const recoveryHeaders = [...known.headers];
      return Promise.resolve({ progress: progressToWire(known), recoveryHeaders });
    },
  });
}

/** @throws PublicError REQUEST_INVALID */
function readSubmission(request: SubmitShareRequest): ShareSubmission {
  try {
    return { ...wordFromWire(request), share: shareFromWire(request.share) };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const message = 'the request is not acceptable';
    throw new PublicError('INVALID_ARGUMENT', 'REQUEST_INVALID', message, error.fields, error);
  }
}

function refusal(error: unknown): unknown {
  if (error instanceof ReplicaError) {
    const message = 'this replica has nothing to recover';
    return new PublicError('FAILED_PRECONDITION', error.code, message, error.fields, error);
  }
  if (!(error instanceof KeysError)) return error;
  // Another replica may know the header, and this one will once they have met.
  const status = error.code === 'KEYS_SHARE_HEADER_UNKNOWN' ? 'UNAVAILABLE' : 'INVALID_ARGUMENT';
  return new PublicError(status, error.code, 'the share is refused', error.fields, error);
}
