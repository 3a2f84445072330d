/**
 * Reusing the log of this slot's earlier incarnation, from both sides: a newcomer that was let in
 * asks the leader how much of it is confirmed, and a leader answers. Whatever goes wrong, the
 * newcomer starts blank and takes the leader's snapshot, as if it had no disk.
 */
import {
  describeError,
  type ClusterId,
  type Crypto,
  type Epoch,
  type IncarnationId,
  type SlotName,
} from '@witan/core';
import type { ConsensusEngine } from '../engine.ts';
import { ReplicaError } from '../errors.ts';
import { snapshotHoldsManifest, type ClusterState } from '../life/cluster-state.ts';
import { within } from '../life/sleep.ts';
import type { PeerCalls, Scheduler, Seed } from '../ports.ts';
import type { DurableState, LogMark } from '../raft/durable-records.ts';
import { splitLink, type LogChain } from '../raft/log-chain.ts';
import type { ConfirmAnswer, ConfirmRequest, PeerIdentity } from '../standing.ts';
import { MARKS_MAX, confirmedIndex, marksOf, partUpTo, type ReusedLog } from './reused-log.ts';

/** An answer is waited for so long, in milliseconds; then the leader's snapshot has to do. */
const ANSWER_MS = 2_000;

/** Where the logs of earlier incarnations come from. */
export interface FormerLogSource {
  /**
   * The newest log of that cluster and epoch that an earlier incarnation of this slot left and that
   * can be read; undefined when there is none. May reject: then there is none either. Absent where
   * former logs are not reused.
   */
  readonly readFormerLog?: (
    seed: Seed,
    clusterId: ClusterId,
    epoch: Epoch,
  ) => Promise<DurableState | undefined>;
}

/** What a newcomer reuses with. */
export interface ReuseOptions extends FormerLogSource {
  readonly self: PeerIdentity;
  readonly peers: PeerCalls;
  readonly scheduler: Scheduler;
  readonly crypto: Crypto;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** What a newcomer was let into. */
export interface Entered {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly members: readonly PeerIdentity[];
}

/**
 * The part of the former log that the leader confirms.
 *
 * @returns undefined where nothing can be reused; an event says why. Never rejects.
 */
export async function findReusable(
  options: ReuseOptions,
  entered: Entered,
): Promise<ReusedLog | undefined> {
  const { readFormerLog, crypto, onEvent } = options;
  if (readFormerLog === undefined || options.peers.confirmLog === undefined) return undefined;
  const { clusterId, epoch, seed } = entered;
  const hash = (...parts: readonly Uint8Array[]) => crypto.hash('sha256', ...parts);
  try {
    const state = await readFormerLog(seed, clusterId, epoch);
    if (state === undefined) return undefined;
    const marks = marksOf(state, hash);
    const mark = await confirm(options, entered, marks);
    if (mark === undefined) return undefined;
    const part = partUpTo(state, mark, snapshotHoldsManifest);
    if (part === undefined) notReused(onEvent, 'no manifest in the confirmed part');
    return part;
  } catch (error) {
    onEvent('sealed log not reused', { reason: 'unreadable', error: describeError(error) });
    return undefined;
  }
}

async function confirm(
  options: ReuseOptions,
  entered: Entered,
  marks: readonly LogMark[],
): Promise<LogMark | undefined> {
  const { onEvent } = options;
  if (marks.length === 0) return notReused(onEvent, 'no snapshot');
  const answer = await askMembers(options, entered, marks);
  if (answer === undefined) return notReused(onEvent, 'no leader answered');
  if (answer.kind === 'refused') return notReused(onEvent, answer.code);
  // Only what was asked for counts, whatever the answer says.
  const mark = marks.find(({ index }) => index === answer.index);
  return mark ?? notReused(onEvent, 'no mark confirmed');
}

type LeadersAnswer = Exclude<ConfirmAnswer, { readonly kind: 'not-leader' }>;

/** All members at once: whoever does not lead says so, and whoever is dead holds nobody up. */
function askMembers(
  { self, peers, scheduler, onEvent }: ReuseOptions,
  { clusterId, epoch, members }: Entered,
  marks: readonly LogMark[],
): Promise<LeadersAnswer | undefined> {
  const request = { clusterId, epoch, marks: marks.map(({ index, link }) => ({ index, link })) };
  const slots = new Set(members.map((peer) => peer.slot));
  slots.delete(self.slot);
  return new Promise((resolve) => {
    const calls = [...slots].map(async (slot: SlotName) => {
      const call = peers.confirmLog?.(slot, request) ?? Promise.resolve(undefined);
      const failed = (error: unknown): undefined => {
        onEvent('log not confirmed', { peer: slot, error: describeError(error) });
      };
      const answer = await within(scheduler, ANSWER_MS, call.catch(failed));
      if (answer !== undefined && answer.value.kind !== 'not-leader') resolve(answer.value);
    });
    void Promise.all(calls).then(() => {
      resolve(undefined);
    });
  });
}

function notReused(onEvent: ReuseOptions['onEvent'], reason: string): undefined {
  onEvent('sealed log not reused', { reason });
}

/**
 * Puts the confirmed snapshot into a newcomer's state.
 *
 * @returns what its engine starts from; undefined where the snapshot does not open
 */
export function takeUp<ReferenceValues>(
  reused: ReusedLog | undefined,
  state: ClusterState<ReferenceValues>,
  onEvent: ReuseOptions['onEvent'],
): ReusedLog | undefined {
  if (reused === undefined) return undefined;
  const { index, confState } = reused.snapshot.metadata;
  const { voters, votersOutgoing, learners, learnersNext } = confState;
  const configuration = { voters, votersOutgoing, learners: [...learners, ...learnersNext] };
  try {
    state.restore(index, configuration, splitLink(reused.snapshot.data).data);
  } catch (error) {
    onEvent('sealed log not reused', { reason: 'snapshot', error: describeError(error) });
    return undefined;
  }
  onEvent('sealed log reused', { index: reused.mark.index });
  return reused;
}

/** What a leader answers with: its part in the cluster. */
export interface ConfirmingLeader {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly engine: ConsensusEngine;
  readonly chain: LogChain;
  readonly state: { members(): readonly PeerIdentity[] };
}

/**
 * A leader's answer. Only for members, and only once a quorum has confirmed that it leads: what it
 * calls committed then is (I5).
 *
 * @param from the identity that the channel has proved
 */
export async function answerMarks(
  leader: { readonly cluster: ConfirmingLeader; readonly timeoutMs: number },
  request: ConfirmRequest,
  from: IncarnationId,
): Promise<ConfirmAnswer> {
  const { clusterId, epoch, engine, chain, state } = leader.cluster;
  if (request.clusterId !== clusterId || request.epoch !== epoch) {
    return { kind: 'refused', code: 'ANOTHER_CLUSTER' };
  }
  if (request.marks.length > MARKS_MAX) return { kind: 'refused', code: 'TOO_MANY_MARKS' };
  if (engine.status().role !== 'leader') return { kind: 'not-leader' };
  try {
    await engine.readBarrier({ timeoutMs: leader.timeoutMs });
  } catch (error) {
    if (!(error instanceof ReplicaError)) throw error;
    return { kind: 'not-leader' };
  }
  const { role, commitIndex } = engine.status();
  if (role !== 'leader') return { kind: 'not-leader' };
  if (!state.members().some((peer) => peer.incarnation === from)) {
    return { kind: 'refused', code: 'NOT_A_MEMBER' };
  }
  const index = confirmedIndex(request.marks, chain, commitIndex);
  return index === undefined ? { kind: 'confirmed' } : { kind: 'confirmed', index };
}
