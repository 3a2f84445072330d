/**
 * What an operator asks the leader: who the members are, whether a slot may stop, and to hand
 * leadership over. Every answer follows a ReadIndex round (I5). Whether a member is reachable is
 * judged by messages that came after the question, where stopping depends on it.
 */
import type { SlotName } from '@witan/core';
import type { ConsensusEngine, EngineStatus } from '../engine.ts';
import { ReplicaError } from '../errors.ts';
import type { Scheduler } from '../ports.ts';
import type { PeerIdentity } from '../standing.ts';
import { CAUGHT_UP_ENTRIES } from './admission.ts';
import { judgeStop, type StopVerdict } from './judge-stop.ts';
import { sleep } from './sleep.ts';
import type { VersionGate } from './versions.ts';

/** A member as the leader sees it. */
export interface MemberReport extends PeerIdentity {
  readonly role: 'leader' | 'voter' | 'learner';
  readonly reachable: boolean;
  readonly matchIndex: number;
  /** Committed entries that it lacks. */
  readonly behind: number;
  /** Whether its slot was removed. */
  readonly leaving: boolean;
  /** The highest state version that it applies; 0 where it announced none, or was not heard. */
  readonly version: number;
}

/** All members at one moment. */
export interface MembersReport {
  readonly term: number;
  readonly commitIndex: number;
  readonly slots: readonly SlotName[];
  readonly members: readonly MemberReport[];
  readonly changeUnderWay: boolean;
  /** What every member applies, and every newcomer has to. */
  readonly versionInUse: number;
}

/** How a leadership ended. */
export interface StepDown {
  /** Undefined where a later term had begun already. */
  readonly from: SlotName | undefined;
  readonly to: SlotName;
  readonly term: number;
}

/** What the steward works with. */
export interface StewardOptions {
  readonly engine: ConsensusEngine;
  readonly scheduler: Scheduler;
  readonly slots: () => readonly SlotName[];
  readonly members: () => readonly PeerIdentity[];
  readonly isLive: (peer: PeerIdentity, status: EngineStatus) => boolean;
  readonly versions: Pick<VersionGate, 'versionOf' | 'floor'>;
  /** Whether the leader has led long enough to be asked to step down. */
  readonly isSettled: () => boolean;
}

/** Between two looks, in milliseconds. */
const LOOK_MS = 25;
/** Messages of before the question are given so long to arrive, in milliseconds. */
const UNDER_WAY_MS = 100;
/** Followers answer heartbeats many times within this, in milliseconds. */
const FRESH_MS = 600;
/** A transfer that did not happen by then is asked for again, in milliseconds. */
const TRANSFER_MS = 1_500;

/** See the head of this file. */
export class Steward {
  readonly #options: StewardOptions;

  constructor(options: StewardOptions) {
    this.#options = options;
  }

  /** @throws ReplicaError REPLICA_NOT_LEADER, REPLICA_NO_LEADER, REPLICA_TIMED_OUT */
  async members(timeoutMs: number): Promise<MembersReport> {
    const status = await this.#confirmed(timeoutMs);
    const { slots, isLive } = this.#options;
    const { term, commitIndex, configuration } = status;
    const order = slots();
    const members = this.#members().map((peer): MemberReport => {
      const isSelf = peer.nodeId === status.nodeId;
      const match = status.progress.get(peer.nodeId)?.matchIndex ?? 0;
      const matchIndex = isSelf ? Math.max(match, status.appliedIndex) : match;
      const isVoter = [configuration.voters, configuration.votersOutgoing].some((half) =>
        half.includes(peer.nodeId),
      );
      return {
        ...peer,
        role: isSelf ? 'leader' : isVoter ? 'voter' : 'learner',
        reachable: isLive(peer, status),
        matchIndex,
        behind: Math.max(0, commitIndex - matchIndex),
        leaving: !order.includes(peer.slot),
        version: this.#options.versions.versionOf(peer) ?? 0,
      };
    });
    const changeUnderWay = configuration.votersOutgoing.length > 0;
    const versionInUse = this.#options.versions.floor;
    return { term, commitIndex, slots: order, members, changeUnderWay, versionInUse };
  }

  /** @throws ReplicaError as `members` */
  async canStop(slot: SlotName, timeoutMs: number): Promise<StopVerdict> {
    await this.#confirmed(timeoutMs);
    const { scheduler, slots } = this.#options;
    // What was on its way when its sender died has come by then, and proves nothing.
    await sleep(scheduler, UNDER_WAY_MS);
    const before = this.#leading().progress;
    const untilMs = scheduler.monotonicMs() + Math.min(FRESH_MS, timeoutMs);
    for (;;) {
      const status = this.#leading();
      const verdict = judgeStop(slot, {
        slots: slots(),
        members: this.#members(),
        configuration: status.configuration,
        isReady: (nodeId) => isReady(nodeId, status, before),
      });
      const mayChange = verdict.code === 'QUORUM_WOULD_BE_LOST';
      if (!mayChange || scheduler.monotonicMs() >= untilMs) return verdict;
      await sleep(scheduler, LOOK_MS);
    }
  }

  /**
   * Hands leadership to the voter that is furthest, and waits until another one leads.
   *
   * @param term the term in which the caller saw this leader
   * @throws ReplicaError as `members`, and REPLICA_NO_SUCCESSOR where nobody could take over
   */
  async stepDown(term: number, timeoutMs: number): Promise<StepDown> {
    const { engine, scheduler } = this.#options;
    const self = this.#leading().nodeId;
    const from = this.#slotOf(self);
    if (engine.status().term > term) return this.#ledBy(engine.status(), undefined);
    await this.#confirmed(timeoutMs);
    const untilMs = scheduler.monotonicMs() + timeoutMs;
    while (scheduler.monotonicMs() < untilMs) {
      if (!this.#options.isSettled() && this.#leading().term === term) {
        await sleep(scheduler, LOOK_MS);
        continue;
      }
      const successor = this.successor();
      if (successor === undefined) throw noSuccessor(from);
      engine.transferLeadership(successor.nodeId);
      const againMs = scheduler.monotonicMs() + TRANSFER_MS;
      while (scheduler.monotonicMs() < Math.min(againMs, untilMs)) {
        await sleep(scheduler, LOOK_MS);
        const status = engine.status();
        const isOver = status.leaderId !== 0 && status.leaderId !== self;
        if (isOver) return this.#ledBy(status, from);
      }
    }
    throw new ReplicaError('REPLICA_TIMED_OUT', 'no other voter has taken over in time', {
      fields: { timeoutMs },
    });
  }

  /** Whom leadership would go to: the live voter of a slot that stays whose log is longest. */
  successor(): PeerIdentity | undefined {
    const { engine, slots, isLive } = this.#options;
    const status = engine.status();
    const matchOf = ({ nodeId }: PeerIdentity) => status.progress.get(nodeId)?.matchIndex ?? 0;
    const [best] = this.#members()
      .filter(({ nodeId }) => nodeId !== status.nodeId)
      .filter(({ nodeId }) => status.configuration.voters.includes(nodeId))
      .filter((peer) => slots().includes(peer.slot) && isLive(peer, status))
      .toSorted((left, right) => matchOf(right) - matchOf(left));
    return best;
  }

  /** Asks the best successor to take over, without waiting for it. */
  handOver(): void {
    const successor = this.successor();
    if (successor !== undefined) this.#options.engine.transferLeadership(successor.nodeId);
  }

  /** The status of a leader that a quorum has confirmed since the call (I5). */
  async #confirmed(timeoutMs: number): Promise<EngineStatus> {
    this.#leading();
    await this.#options.engine.readBarrier({ timeoutMs });
    return this.#leading();
  }

  #leading(): EngineStatus {
    const status = this.#options.engine.status();
    if (status.role === 'leader') return status;
    throw new ReplicaError('REPLICA_NOT_LEADER', 'another replica leads');
  }

  /** In the order of the slots, then those of slots that were removed. */
  #members(): readonly PeerIdentity[] {
    const order = this.#options.slots();
    const place = ({ slot }: PeerIdentity) => (order.indexOf(slot) + 1 || order.length + 1) - 1;
    return this.#options.members().toSorted((left, right) => place(left) - place(right));
  }

  #slotOf(nodeId: number): SlotName | undefined {
    return this.#options.members().find((peer) => peer.nodeId === nodeId)?.slot;
  }

  #ledBy({ leaderId, term }: EngineStatus, from: SlotName | undefined): StepDown {
    const to = this.#slotOf(leaderId);
    if (to === undefined) throw new ReplicaError('REPLICA_NO_LEADER', 'the leader is not known');
    return { from, to, term };
  }
}

function isReady(nodeId: number, status: EngineStatus, before: EngineStatus['progress']): boolean {
  if (nodeId === status.nodeId) return true;
  const now = status.progress.get(nodeId);
  if (now === undefined) return false;
  const isHeard = now.heard > (before.get(nodeId)?.heard ?? 0);
  return isHeard && now.matchIndex + CAUGHT_UP_ENTRIES >= status.commitIndex;
}

function noSuccessor(slot: SlotName | undefined): ReplicaError {
  return new ReplicaError('REPLICA_NO_SUCCESSOR', 'no other voter is reachable', {
    fields: { leader: slot ?? '' },
  });
}
