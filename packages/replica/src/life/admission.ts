/**
 * The leader's side of replacing a lost incarnation (I2): let the newcomer in as a learner, wait
 * until it has caught up, swap it in by one joint change that removes the slot's previous holder.
 * A slot of the state without any voter is vacant, by the owners' word, and is filled likewise;
 * members of slots that owners have removed are taken out, one by one.
 *
 * A live incarnation is not displaced: its slot is free only when the leader has heard nothing from
 * it for `SILENT_BEATS` in a row. Beats are counted, not measured: neither a clock that jumps nor a
 * pause of the leader makes anybody silent. Changes run one at a time. Nothing here adds a slot.
 */
import type { IncarnationId, SlotName } from '@witan/core';
import type { ConsensusEngine, EngineStatus } from '../engine.ts';
import type { JoinRefusal, JoinRequest, PeerIdentity } from '../standing.ts';
import { Challenges } from './challenges.ts';
import { nextDeparture } from './departures.ts';
import { encodeMembershipContext } from './membership-context.ts';
import type { Refusals } from './refusals.ts';
import type { VersionGate } from './versions.ts';
import { nodeIdOf, type MembershipChange } from '@witan/state-machine';

export interface AdmissionOptions {
  readonly engine: ConsensusEngine;
  /** The slots that the replicated state has: no other one can have a member (I2). */
  readonly slots: () => readonly SlotName[];
  /** Whether a manifest is in force: before it, all measured lists of slots must agree. */
  readonly hasManifest: () => boolean;
  /** Members as applied here. */
  readonly members: () => readonly PeerIdentity[];
  /** Why a configuration may not be proposed, by I2; undefined when it may. */
  readonly check: (change: MembershipChange) => string | undefined;
  /** State versions: which one a newcomer has to apply. */
  readonly versions: Pick<VersionGate, 'floor' | 'settle'>;
  readonly isRetired: (incarnation: IncarnationId) => boolean;
  /** Hands leadership to somebody who stays; it may take several calls. */
  readonly stepDown: () => void;
  /** Told of clones, zombies and impostors, as often as they ask. */
  readonly onRefused: Refusals['note'];
  readonly timeoutMs: number;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

export type Admission =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'not-leader' }
  | { readonly kind: 'busy'; readonly code: string }
  | { readonly kind: 'refused'; readonly code: JoinRefusal; readonly needed?: number };

/** How close to the commit index a learner must be before it is swapped in, in entries. */
export const CAUGHT_UP_ENTRIES = 64;
/** A member that was not heard for so many beats no longer holds its slot. */
const SILENT_BEATS = 10;

/** How many messages of a member the leader had heard, and for how many beats no more came. */
interface Sign {
  readonly heard: number;
  readonly beats: number;
}

export class AdmissionDesk {
  readonly #options: AdmissionOptions;
  /** Whoever is not in here yet is taken for alive: a new leader and a newcomer get that long. */
  #signs: ReadonlyMap<number, Sign> = new Map();
  #term = 0;
  #beatsInTerm = 0;
  #changing = false;
  readonly #challenges = new Challenges();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** To be called at even intervals: notes who was heard, and swaps in who is due. */
  async beat(): Promise<void> {
    const status = this.#options.engine.status();
    const signs = status.term === this.#term ? this.#signs : new Map<number, Sign>();
    this.#beatsInTerm = status.term === this.#term ? this.#beatsInTerm + 1 : 0;
    this.#term = status.term;
    this.#signs = new Map(
      [...status.progress].map(([nodeId, { heard }]) => {
        const before = signs.get(nodeId);
        return [nodeId, { heard, beats: before?.heard === heard ? before.beats + 1 : 0 }];
      }),
    );
    this.#findClones(status);
    if (status.role !== 'leader' || status.configuration.votersOutgoing.length > 0) return;
    if (this.#changing) return;
    if (!(await this.#swapNext(status))) await this.#takeOutNext(status);
  }

  /**
   * @param from the identity that the channel has proved; the request must name the same
   * @throws ReplicaError when the change could not be carried through
   */
  async admit(request: JoinRequest, from: IncarnationId): Promise<Admission> {
    const refusal = this.#refusal(request, from);
    if (refusal !== undefined) return this.#refuse(refusal, request.self, from);
    const { engine, timeoutMs } = this.#options;
    const status = engine.status();
    if (status.role !== 'leader') {
      // The leader's clone does not ask the leader: that is where its own slot is.
      const leader = this.#options.members().find(({ nodeId }) => nodeId === status.leaderId);
      if (leader?.slot === request.self.slot) this.#challenges.note(request.self, leader.nodeId);
      return { kind: 'not-leader' };
    }
    // Only a leader that a quorum confirms may judge who is a member now, and of what (I5).
    await engine.readBarrier({ timeoutMs });
    this.#options.versions.settle(status.term);
    const misfit = this.#misfit(request);
    if (misfit !== undefined) return this.#refuse(misfit, request.self, from);
    const self = request.self;
    if (this.#options.members().some((peer) => peer.incarnation === self.incarnation)) {
      return { kind: 'admitted' };
    }
    return this.#change(() => this.#addLearner(self));
  }

  /** Runs while no change of members is ordered. @returns undefined where one is under way */
  exclusively<Value>(run: () => Promise<Value>): Promise<Value> | undefined {
    return this.#changing ? undefined : this.#alone(run);
  }

  /** Swaps in one learner that has caught up, if there is one whose slot is free. */
  async #swapNext(status: EngineStatus): Promise<boolean> {
    const ready = this.#learnerToSwap(status);
    if (ready === undefined) return false;
    await this.#change(() => this.#swap(ready));
    return true;
  }

  /** Takes out one member of a slot that owners have removed. */
  async #takeOutNext(status: EngineStatus): Promise<void> {
    const { engine, slots, members, timeoutMs, onEvent } = this.#options;
    const next = nextDeparture({
      slots: slots(),
      members: members(),
      configuration: status.configuration,
      self: status.nodeId,
      isReady: (nodeId) => this.#isReady(nodeId, status),
    });
    if (next.kind === 'step-down' && this.isSettled) this.#options.stepDown();
    if (next.kind !== 'take-out') return;
    const { peer, votes } = next;
    await this.#change(async () => {
      const { voters, learners } = status.configuration;
      const violation = this.#options.check({
        voters: voters.filter((id) => id !== peer.nodeId),
        votersOutgoing: votes ? voters : [],
        learners: learners.filter((id) => id !== peer.nodeId),
      });
      if (violation !== undefined) return busy(violation);
      const context = encodeMembershipContext([]);
      const change = { addLearners: [], promote: [], remove: [peer.nodeId], context };
      await engine.changeMembership({ ...change, removesVoter: votes }, { timeoutMs });
      const fields = { peer: peer.slot, incarnation: peer.incarnation };
      onEvent('member of a removed slot taken out', fields);
      return { kind: 'admitted' };
    });
  }

  /** Newcomers for the slot of somebody who was heard after they had asked. */
  #findClones(status: EngineStatus): void {
    const { role, nodeId: self, leaderId, leaderHeard, progress } = status;
    const heardOf = (nodeId: number): number | undefined => {
      if (role !== 'leader') return nodeId === leaderId ? leaderHeard : undefined;
      return nodeId === self ? this.#beatsInTerm : progress.get(nodeId)?.heard;
    };
    for (const clone of this.#challenges.beat(heardOf)) this.#options.onRefused('clone', clone);
  }

  #isReady(nodeId: number, status: EngineStatus): boolean {
    if (nodeId === status.nodeId) return true;
    const peer = this.#options.members().find((member) => member.nodeId === nodeId);
    const matchIndex = status.progress.get(nodeId)?.matchIndex ?? 0;
    const isCaughtUp = matchIndex + CAUGHT_UP_ENTRIES >= status.commitIndex;
    return peer !== undefined && isCaughtUp && this.isLive(peer, status);
  }

  #refuse(code: JoinRefusal, self: PeerIdentity, incarnation: IncarnationId): Admission {
    const { slot, version: found = 0 } = self;
    if (code === 'VERSION_TOO_OLD') {
      const { floor: needed } = this.#options.versions;
      this.#options.onRefused('version', { slot, incarnation }, { code, found, needed });
      return { kind: 'refused', code, needed };
    }
    const kind = code === 'INCARNATION_RETIRED' ? 'zombie' : 'slot';
    // Before the first manifest other lists of slots are a matter of configuration.
    if (kind === 'zombie' || this.#options.hasManifest()) {
      this.#options.onRefused(kind, { slot, incarnation }, { code });
    }
    return { kind: 'refused', code };
  }

  #refusal(request: JoinRequest, from: IncarnationId): JoinRefusal | undefined {
    const { self } = request;
    if (self.incarnation !== from || self.nodeId !== nodeIdOf(from)) return 'IDENTITY_MISMATCH';
    if (this.#options.isRetired(from)) return 'INCARNATION_RETIRED';
    const namesake = this.#options.members().find((peer) => peer.nodeId === self.nodeId);
    if (namesake !== undefined && namesake.incarnation !== from) return 'NODE_ID_TAKEN';
    return undefined;
  }

  /**
   * The measured list is for founding, so it must agree as long as the cluster can be founded
   * again. Afterwards owners decide which slots there are (decision record 0053); the newcomer's
   * list has to name its own slot, or the host could have chosen that.
   */
  #misfit({ self, slots }: JoinRequest): JoinRefusal | undefined {
    const approved = this.#options.slots();
    const agrees = this.#options.hasManifest()
      ? slots.includes(self.slot)
      : slots.join(',') === approved.join(',');
    if (!agrees) return 'SLOTS_DIFFER';
    if (!approved.includes(self.slot)) return 'SLOT_UNKNOWN';
    return (self.version ?? 0) < this.#options.versions.floor ? 'VERSION_TOO_OLD' : undefined;
  }

  async #addLearner(self: PeerIdentity): Promise<Admission> {
    const { engine, timeoutMs, onEvent, versions } = this.#options;
    const status = engine.status();
    if (status.configuration.votersOutgoing.length > 0) return busy('SWAP_UNDER_WAY');
    // Again, as a version may have come into use while this waited: nothing waits from here on.
    if ((self.version ?? 0) < versions.floor) return busy('VERSION_CHANGES');
    const holders = this.#options.members().filter((peer) => peer.slot === self.slot);
    const live = holders.find((peer) => this.isLive(peer, status));
    if (live !== undefined) {
      this.#challenges.note(self, live.nodeId);
      return busy('SLOT_HELD_BY_LIVE_INCARNATION');
    }
    const { voters, learners } = status.configuration;
    const stale = holders.map((peer) => peer.nodeId).filter((id) => learners.includes(id));
    const kept = learners.filter((id) => !stale.includes(id));
    const violation = this.#options.check({
      voters,
      votersOutgoing: [],
      learners: [...kept, self.nodeId],
      added: [self],
    });
    if (violation !== undefined) return busy(violation);
    await engine.changeMembership(
      {
        addLearners: [self.nodeId],
        promote: [],
        remove: stale,
        context: encodeMembershipContext([self]),
      },
      { timeoutMs },
    );
    const admitted = this.#options.members().some((peer) => peer.nodeId === self.nodeId);
    if (!admitted) return busy('CHANGE_VOID');
    onEvent('newcomer admitted as a learner', { peer: self.slot, incarnation: self.incarnation });
    return { kind: 'admitted' };
  }

  async #swap(learner: PeerIdentity): Promise<Admission> {
    const { engine, timeoutMs, onEvent } = this.#options;
    const status = engine.status();
    const holders = this.#holdersOf(learner, status);
    if (holders.some((peer) => this.isLive(peer, status)))
      return busy('SLOT_HELD_BY_LIVE_INCARNATION');
    // None where the slot is vacant: the list of slots in the state is the owners' approval (I2).
    const left = holders.map(({ nodeId }) => nodeId);
    const { voters, learners } = status.configuration;
    const violation = this.#options.check({
      voters: [...voters.filter((id) => !left.includes(id)), learner.nodeId],
      votersOutgoing: voters,
      learners: learners.filter((id) => id !== learner.nodeId),
    });
    if (violation !== undefined) return busy(violation);
    await engine.changeMembership(
      {
        addLearners: [],
        promote: [learner.nodeId],
        remove: left,
        context: encodeMembershipContext([]),
      },
      { timeoutMs },
    );
    const fields = { peer: learner.slot, incarnation: learner.incarnation };
    onEvent(left.length === 0 ? 'vacant slot filled' : 'newcomer swapped in', fields);
    return { kind: 'admitted' };
  }

  #learnerToSwap(status: EngineStatus): PeerIdentity | undefined {
    return this.#options.members().find((peer) => {
      if (!status.configuration.learners.includes(peer.nodeId)) return false;
      if (!this.#options.slots().includes(peer.slot)) return false;
      const progress = status.progress.get(peer.nodeId);
      const caughtUp = (progress?.matchIndex ?? 0) + CAUGHT_UP_ENTRIES >= status.commitIndex;
      const isHeard = (progress?.heard ?? 0) > 0 && this.isLive(peer, status);
      if (!caughtUp || progress?.matchIndex === 0 || !isHeard) return false;
      // A learner whose slot's holder came back must not keep others waiting.
      return !this.#holdersOf(peer, status).some((holder) => this.isLive(holder, status));
    });
  }

  /** Voters of the learner's slot. */
  #holdersOf(learner: PeerIdentity, status: EngineStatus): readonly PeerIdentity[] {
    return this.#options
      .members()
      .filter(
        ({ slot, nodeId }) => slot === learner.slot && status.configuration.voters.includes(nodeId),
      );
  }

  /** Whether the term is old enough to be ended on request: nobody may keep the cluster voting. */
  get isSettled(): boolean {
    const isTerm = this.#options.engine.status().term === this.#term;
    return isTerm && this.#beatsInTerm >= SILENT_BEATS;
  }

  /** Whether the leader has heard from it within the last beats. */
  isLive(peer: PeerIdentity, status: EngineStatus): boolean {
    if (peer.nodeId === status.nodeId) return true;
    return (this.#signs.get(peer.nodeId)?.beats ?? 0) < SILENT_BEATS;
  }

  async #change(run: () => Promise<Admission>): Promise<Admission> {
    return this.#changing ? busy('SWAP_UNDER_WAY') : this.#alone(run);
  }

  async #alone<Value>(run: () => Promise<Value>): Promise<Value> {
    this.#changing = true;
    try {
      return await run();
    } finally {
      this.#changing = false;
    }
  }
}

function busy(code: string): Admission {
  return { kind: 'busy', code };
}
