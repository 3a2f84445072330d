/**
 * Questions that only the leader can answer: asked here where this replica leads, and of the leader
 * over the attested peer channel otherwise (I1). The leader answers after a ReadIndex round (I5).
 */
import { slotName, fromUtf8, utf8, type SlotName } from '@witan/core';
import { LeadService, type LeadRequest, type LeadRequestSchema } from '@witan/protocol';
import {
  ReplicaError,
  type Cluster,
  type MembersReport,
  type PeerIdentity,
  type StepDown,
  type StopVerdict,
} from '@witan/replica';
import type { ReferenceValues } from '@witan/attestation';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { PublicError, serviceRegistration, type ServiceRegistration } from '@witan/transport';
import { CoordinatorError } from '../errors.ts';
import type { PeerClaims } from '../evidence/rules.ts';
import { memberToWire, toNumber } from '../peers/wire.ts';
import { clusterOf, type ServiceContext } from './context.ts';

/** What can be asked, and what each question is answered with. */
export interface Answers {
  readonly members: MembersReport;
  readonly canStop: StopVerdict;
  readonly stepDown: StepDown;
}

type Kind = keyof Answers;

/** A question as it travels. */
export type Question<Name extends Kind> = MessageInitShape<typeof LeadRequestSchema> & {
  readonly question: { readonly case: Name };
};

/** How a leader, or somebody who was taken for it, has answered. */
export type LeadAnswer =
  | { readonly kind: 'answer'; readonly answer: Uint8Array }
  | { readonly kind: 'not-leader' }
  | { readonly kind: 'failed'; readonly code: string };

/** One attempt, so that a leader that just died does not use up the time, in milliseconds. */
const ATTEMPT_MS = 5_000;
const RETRY_MS = 50;
const RETRY_MS_MAX = 400;
/** For a question with all its attempts, in milliseconds. */
const QUESTION_MS = 15_000;

export function leadService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  return serviceRegistration<typeof LeadService, PeerClaims>(LeadService, {
    lead: async (request, { peer }) => {
      const { cluster } = context.replica;
      const isMember = cluster?.members().some((member) => member.incarnation === peer.spkiSha256);
      if (cluster === undefined || isMember !== true) return { code: 'NOT_A_MEMBER' };
      try {
        const answer = await answerHere(cluster, request.question, ATTEMPT_MS);
        return { answer: utf8(JSON.stringify(answer)) };
      } catch (error) {
        if (!(error instanceof ReplicaError)) throw error;
        const leader = cluster.leader();
        const next = leader === undefined ? {} : { leader: memberToWire(leader) };
        return { code: error.code, ...next };
      }
    },
  });
}

/**
 * Asks whoever leads, until somebody decides.
 *
 * @param endsAtMs on the monotonic clock: no later than this
 * @throws PublicError
 */
export async function askLeader<Name extends Kind>(
  context: ServiceContext,
  question: Question<Name>,
  endsAtMs: number = Infinity,
): Promise<Answers[Name]> {
  const untilMs = Math.min(endsAtMs, performance.now() + QUESTION_MS);
  let delayMs = RETRY_MS;
  let code = 'REPLICA_NO_LEADER';
  while (performance.now() < untilMs) {
    const cluster = clusterOf(context);
    const leader = cluster.leader();
    if (leader !== undefined) {
      const given = await attempt(context, cluster, leader, question);
      if (given.kind === 'answer') return JSON.parse(fromUtf8(given.answer)) as Answers[Name];
      code = given.kind === 'failed' ? given.code : 'REPLICA_NOT_LEADER';
      if (code === 'REPLICA_NO_SUCCESSOR') throw noSuccessor(code);
    }
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    delayMs = Math.min(delayMs * 2, RETRY_MS_MAX);
  }
  throw new PublicError('UNAVAILABLE', code, 'no leader gives an answer now');
}

async function attempt(
  context: ServiceContext,
  cluster: Cluster<ReferenceValues>,
  leader: PeerIdentity,
  question: Question<Kind>,
): Promise<LeadAnswer> {
  if (cluster.status().role !== 'leader') {
    return context.askPeer(leader, question, ATTEMPT_MS);
  }
  try {
    const answer = await answerHere(
      cluster,
      question.question as LeadRequest['question'],
      ATTEMPT_MS,
    );
    return { kind: 'answer', answer: utf8(JSON.stringify(answer)) };
  } catch (error) {
    if (!(error instanceof ReplicaError)) throw error;
    return { kind: 'failed', code: error.code };
  }
}

/** @throws ReplicaError; CodedError of a part of the question that is not acceptable */
async function answerHere(
  { steward }: Cluster<ReferenceValues>,
  question: LeadRequest['question'],
  timeoutMs: number,
): Promise<Answers[Kind]> {
  switch (question.case) {
    case 'members':
      return steward.members(timeoutMs);
    case 'canStop':
      return steward.canStop(slotName(question.value.slot), timeoutMs);
    case 'stepDown':
      return steward.stepDown(toNumber(question.value.term), timeoutMs);
    default: {
      const message = 'a peer sent something that does not fit the protocol';
      const fields = { part: 'question' };
      throw new CoordinatorError('COORDINATOR_WIRE_MALFORMED', message, { fields });
    }
  }
}

function noSuccessor(code: string): PublicError {
  const message = 'no other voter of a slot that stays is reachable';
  return new PublicError('FAILED_PRECONDITION', code, message);
}

/** Reads a slot's name from a request. @throws PublicError REQUEST_INVALID */
export function slotOf(text: string): SlotName {
  try {
    return slotName(text);
  } catch (error) {
    const fields = { path: 'slot', expected: 'a slot name (DNS label)', found: text.slice(0, 80) };
    throw new PublicError('INVALID_ARGUMENT', 'REQUEST_INVALID', 'no such name', fields, error);
  }
}
