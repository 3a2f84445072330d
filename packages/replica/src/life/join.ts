/** A newcomer's side of joining: whom to ask, and for how long. */
import { describeError, type Crypto, type IncarnationId, type SlotName } from '@witan/core';
import { ReplicaError } from '../errors.ts';
import type { PeerCalls, Scheduler } from '../ports.ts';
import type { JoinAnswer, JoinRequest, PeerIdentity } from '../standing.ts';
import type { Cluster } from './cluster.ts';
import { fitsCluster } from './seed-chain.ts';
import { within } from './sleep.ts';

/**
 * A call without an answer for so long is given up, in milliseconds: the replica that was asked may
 * be paused. If it lets the newcomer in later all the same, the next call says so.
 */
const ANSWER_MS = 2_000;

/**
 * Asks slot after slot until one decides. One that does not lead only names the next to ask.
 *
 * @param at slots in the order in which to ask them
 * @returns undefined when nobody decided
 */
export async function askToJoin(
  options: {
    readonly peers: PeerCalls;
    readonly scheduler: Scheduler;
    readonly crypto: Crypto;
    readonly onEvent: (event: string, fields: Readonly<Record<string, string>>) => void;
  },
  request: JoinRequest,
  at: readonly SlotName[],
): Promise<JoinAnswer | undefined> {
  const { peers, scheduler, crypto, onEvent } = options;
  const asked = new Set<SlotName>([request.self.slot]);
  const waiting = [...at];
  for (let slot = waiting.shift(); slot !== undefined; slot = waiting.shift()) {
    if (asked.has(slot)) continue;
    asked.add(slot);
    const call = peers.join(slot, request).catch((error: unknown) => {
      onEvent('join not answered', { error: describeError(error) });
    });
    const answer = await within(scheduler, ANSWER_MS, call);
    const value = answer?.value;
    if (value?.kind === 'admitted' && !fitsCluster(crypto, value.seed, value.clusterId)) {
      onEvent('not admitted', { code: 'SEED_MISMATCH' });
      continue;
    }
    if (value?.kind === 'not-leader' && value.leader !== undefined) {
      waiting.unshift(value.leader.slot);
    }
    const decides = value !== undefined && value.kind !== 'not-leader' && !isNobody(value);
    if (decides) return value;
  }
  return undefined;
}

function isNobody(answer: JoinAnswer): boolean {
  return answer.kind === 'busy' && answer.code === 'NO_CLUSTER';
}

/** Answers a newcomer: with what its cluster decides, or with what stands in the way. */
export async function answerJoin(
  cluster: Pick<Cluster<unknown>, 'join'> | undefined,
  request: JoinRequest,
  from: IncarnationId,
  onEvent: (event: string, fields: Readonly<Record<string, string>>) => void,
): Promise<JoinAnswer> {
  if (cluster === undefined) return { kind: 'busy', code: 'NO_CLUSTER' };
  try {
    const answer = await cluster.join(request, from);
    const code = answer.kind === 'busy' || answer.kind === 'refused' ? answer.code : '';
    onEvent('join answered', { peer: request.self.slot, answer: answer.kind, code });
    return answer;
  } catch (error) {
    if (!(error instanceof ReplicaError)) throw error;
    return { kind: 'busy', code: error.code };
  }
}

/** Why a newcomer was not let in, for its log. */
export function refusalFields(
  { code, needed }: JoinAnswer & { readonly kind: 'refused' },
  { version }: PeerIdentity,
): Readonly<Record<string, string | number>> {
  return needed === undefined ? { code } : { code, found: version ?? 0, needed };
}
