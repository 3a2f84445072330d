/**
 * What must hold after every event, checked at the border of the consensus core: each Ready that a
 * node hands out is compared with all that was seen before, of this node and of all others.
 */
import type { Configuration } from '@witan/replica';
import { RawNode, decodeConfChangeV2, type ConfState, type Entry, type Ready } from 'raft-ts';
import { hashOf } from './hash.ts';
import { SimulatorError } from './errors.ts';
import type { SimProcess } from './process.ts';

interface Committed {
  readonly term: number;
  readonly print: number;
  /** Term of the leader that committed it. */
  readonly byTerm: number;
}

/** One replicated log and all who ever held a part of it. */
export class Group {
  readonly id: string;
  readonly committed: (Committed | undefined)[] = [];
  maxCommitted = 0;
  readonly leaders: Map<number, number> = new Map();
  readonly votes: Map<string, number> = new Map();
  /** Fingerprint and the term before, of every entry that stood in any log, by index and term. */
  readonly entries: Map<string, { readonly print: number; readonly before: number }> = new Map();
  readonly mirrors: Mirror[] = [];
  /** The configuration that was applied furthest in the log. */
  configuration: { readonly index: number; readonly state: Configuration } | undefined;
  readonly snapshots: Map<string, number> = new Map();

  constructor(id: string) {
    this.id = id;
  }
}

/** One node's log and hard state as its Readies showed them. */
export interface Mirror {
  readonly process: SimProcess;
  readonly group: Group;
  base: number;
  baseTerm: number;
  log: Entry[];
  term: number;
  commit: number;
  role: string;
  match: Map<number, number>;
  matchTerm: number;
}

const BOOTSTRAP = { index: 1, term: 1 };

export class Invariants {
  readonly groups: Map<string, Group> = new Map();
  readonly #mirrors = new WeakMap<RawNode, Mirror>();
  readonly #slots: number;
  readonly #processOf: (nodeId: number) => SimProcess | undefined;
  checks = 0;
  elections = 0;
  /** How often a newcomer started from what was on its disk. */
  reuses = 0;

  constructor(slots: number, processOf: (nodeId: number) => SimProcess | undefined) {
    this.#slots = slots;
    this.#processOf = processOf;
  }

  /** @throws SimulatorError SIMULATOR_INVARIANT_VIOLATED */
  ready(process: SimProcess, node: RawNode, ready: Ready): void {
    const mirror = this.#mirrorOf(process, node);
    const { group } = mirror;
    const { term, vote, commit, role } = node.basicStatus();
    this.checks += 1;
    process.world.timeline.note(term * 31 + commit);
    check(commit >= mirror.commit, 'COMMIT_MONOTONIC', { commit, before: mirror.commit });
    if (vote !== 0) this.#voted(group, process, term, vote);
    mirror.term = term;
    const { snapshot } = ready;
    if (snapshot !== undefined && snapshot.metadata.index > 0) {
      const { index } = snapshot.metadata;
      const at = group.committed[index];
      check(at === undefined || at.term === snapshot.metadata.term, 'COMMITTED_PREFIX', { index });
      Object.assign(mirror, { base: index, baseTerm: snapshot.metadata.term, log: [] });
      this.#configured(mirror, index, snapshot.metadata.confState);
      mirror.commit = Math.max(mirror.commit, index);
    }
    if (ready.entries.length > 0) this.#appended(mirror, ready.entries);
    const isNew = role === 'StateLeader' && (mirror.role !== role || !group.leaders.has(term));
    if (isNew) this.#elected(mirror, term);
    if (role !== mirror.role) this.#roleChanged(mirror, node, role);
    // A leader may have stepped down between committing and this Ready.
    const leads = role === 'StateLeader' || mirror.role === 'StateLeader';
    mirror.role = role;
    if (commit > mirror.commit) this.#committed(mirror, node, commit, leads);
    if (process.configurationDue) this.#configured(mirror, mirror.commit, node.status().confState);
    // Applied after this call, and so seen in the next one: the core always has one more to report.
    if (ready.committedEntries.some(({ type }) => type !== 'EntryNormal')) {
      process.configurationDue = true;
    }
    if (role === 'StateLeader' && this.checks % 16 === 0) checkMatches(mirror, node);
  }

  #mirrorOf(process: SimProcess, node: RawNode): Mirror {
    const known = this.#mirrors.get(node);
    if (known !== undefined) return known;
    const cluster = process.replica.cluster;
    const id = cluster?.clusterId ?? 'none';
    const group = this.groups.get(id) ?? new Group(id);
    this.groups.set(id, group);
    const isFounder = cluster?.founders !== undefined;
    const mirror: Mirror = {
      process,
      group,
      base: isFounder ? BOOTSTRAP.index : 0,
      baseTerm: isFounder ? BOOTSTRAP.term : 0,
      log: [],
      term: 0,
      commit: isFounder ? BOOTSTRAP.index : 0,
      role: '',
      match: new Map(),
      matchTerm: 0,
    };
    process.mirror = mirror;
    group.mirrors.push(mirror);
    if (isFounder) {
      group.committed[BOOTSTRAP.index] ??= { term: BOOTSTRAP.term, print: 0, byTerm: 0 };
      group.maxCommitted = Math.max(group.maxCommitted, BOOTSTRAP.index);
      this.#configured(mirror, BOOTSTRAP.index, node.status().confState);
    }
    this.#mirrors.set(node, mirror);
    if (cluster !== undefined && cluster.reusedIndex > 0) {
      this.#reused(mirror, cluster.reusedIndex);
    }
    return mirror;
  }

  /** What a newcomer took from its disk was written by this cluster, and committed (I4). */
  #reused(mirror: Mirror, upTo: number): void {
    const { group, process } = mirror;
    const { snapshot, entries = [] } = process.former ?? {};
    check(snapshot !== undefined && upTo <= group.maxCommitted, 'REUSED_IS_COMMITTED (I4)', {
      upTo,
    });
    const { index, term, confState } = snapshot.metadata;
    const known = group.committed[index];
    check(known === undefined || known.term === term, 'COMMITTED_PREFIX', { index });
    Object.assign(mirror, { base: index, baseTerm: term, commit: index });
    this.#configured(mirror, index, confState);
    const reused = entries.filter((entry) => entry.index <= upTo);
    const areKnown = reused.every((entry) => group.entries.has(`${entry.index}/${entry.term}`));
    check(areKnown, 'REUSED_WAS_WRITTEN (I4)', { upTo });
    if (reused.length > 0) this.#appended(mirror, reused);
    this.reuses += 1;
  }

  #voted(group: Group, process: SimProcess, term: number, vote: number): void {
    const key = `${process.self.nodeId}/${term}`;
    const before = group.votes.get(key);
    if (before === undefined) group.votes.set(key, vote);
  }

  #appended(mirror: Mirror, entries: readonly Entry[]): void {
    const { group } = mirror;
    const first = entries[0]?.index ?? 0;
    check(first > mirror.commit, 'COMMITTED_KEPT', { first, commit: mirror.commit });
    check(first <= mirror.base + mirror.log.length + 1, 'LOG_WITHOUT_GAP', { first });
    mirror.log.length = Math.max(0, first - mirror.base - 1);
    for (const entry of entries) {
      const before = termAt(mirror, entry.index - 1) ?? 0;
      const key = `${entry.index}/${entry.term}`;
      const print = printOf(entry);
      const known = group.entries.get(key);
      if (known === undefined) {
        group.entries.set(key, { print, before });
        this.#proposed(mirror, entry);
      } else {
        const same = known.print === print && known.before === before;
        check(same, 'LOG_MATCHING', { index: entry.index, term: entry.term });
      }
      mirror.log.push(entry);
    }
    if (entries.every(({ type }) => type === 'EntryNormal')) return;
    const pending = mirror.log.filter(
      ({ index, type }) => type !== 'EntryNormal' && index > group.maxCommitted,
    );
    check(pending.length <= 1, 'ONE_PENDING_CHANGE', { pending: pending.length });
  }

  #elected(mirror: Mirror, term: number): void {
    const { group } = mirror;
    const leader = mirror.process.self.nodeId;
    const known = group.leaders.get(term);
    check(known === undefined || known === leader, 'ELECTION_SAFETY', { term, known, leader });
    if (known !== undefined) return;
    this.elections += 1;
    group.leaders.set(term, leader);
    for (let index = mirror.base + 1; index <= group.maxCommitted; index += 1) {
      const committed = group.committed[index];
      if (committed === undefined || committed.byTerm >= term) continue;
      const holds = termAt(mirror, index) === committed.term;
      check(holds, 'LEADER_COMPLETENESS', { term, index });
    }
  }

  /** Only a voter stands for election, and never in a term that it has already led. */
  #roleChanged(mirror: Mirror, node: RawNode, role: string): void {
    if (role === 'StateFollower') return;
    const { id, confState, term } = node.status();
    const votes = confState.voters.includes(id) || confState.votersOutgoing.includes(id);
    // One that leads when it is removed steps down once it has applied that.
    check(votes || mirror.role === 'StateLeader', 'ONLY_VOTERS_STAND', { role, term });
    const standsAgain = role === 'StateCandidate' && mirror.group.leaders.get(term) === id;
    check(!standsAgain, 'LEGAL_ROLE', { role, term });
  }

  #committed(mirror: Mirror, node: RawNode, commit: number, leads: boolean): void {
    const { group } = mirror;
    for (let index = Math.max(mirror.commit, mirror.base) + 1; index <= commit; index += 1) {
      const entry = mirror.log[index - mirror.base - 1];
      check(entry !== undefined, 'COMMITTED_ENTRY_HELD', { index });
      const print = printOf(entry);
      const known = group.committed[index];
      if (known === undefined) {
        group.committed[index] = { term: entry.term, print, byTerm: mirror.term };
      } else {
        const same = known.term === entry.term && known.print === print;
        check(same, 'COMMITTED_PREFIX', { index, term: entry.term, expected: known.term });
      }
    }
    if (commit > group.maxCommitted) {
      check(leads, 'LEADER_COMMITS_FIRST', { commit });
      group.maxCommitted = commit;
      const { confState } = node.status();
      const term = termAt(mirror, commit) ?? 0;
      this.#held(group, confState.voters, commit, term);
      if (confState.votersOutgoing.length > 0) {
        this.#held(group, confState.votersOutgoing, commit, term);
      }
    }
    mirror.commit = commit;
  }

  /** A majority holds it: on disk where the journal is open, else in memory (I3). */
  #held(group: Group, voters: readonly number[], index: number, term: number): void {
    const holders = voters.filter((nodeId) => {
      const mirror = group.mirrors.findLast(({ process }) => process.self.nodeId === nodeId);
      if (mirror === undefined) return false;
      const { durable } = mirror.process;
      if (durable.isOpen) return durable.holds(index, term);
      return mirror.base >= index || termAt(mirror, index) === term;
    });
    const enough = holders.length > voters.length / 2;
    check(enough, 'COMMITTED_IS_DURABLE (I3)', { index, term, holders: holders.length });
  }

  #configured(mirror: Mirror, index: number, state: ConfState): void {
    const { group, process } = mirror;
    process.configurationDue = false;
    for (const half of [state.voters, state.votersOutgoing]) {
      const slots = half.map((nodeId) => this.#processOf(nodeId)?.slot ?? -1);
      const distinct = new Set(slots).size === slots.length && !slots.includes(-1);
      check(distinct, 'ONE_INCARNATION_PER_SLOT (I2)', { slots: slots.join(',') });
      check(half.length <= this.#slots, 'VOTERS_NEVER_GROW (I2)', { voters: half.length });
    }
    if ((group.configuration?.index ?? -1) > index) return;
    const { voters, votersOutgoing } = state;
    const learners = [...state.learners, ...state.learnersNext];
    group.configuration = { index, state: { voters, votersOutgoing, learners } };
  }

  /** A leader does not propose to remove whoever lives where everybody hears it. */
  #proposed(mirror: Mirror, entry: Entry): void {
    const { group, process: leader } = mirror;
    if (entry.type === 'EntryNormal' || entry.data.byteLength === 0) return;
    for (const { type, nodeId } of decodeConfChangeV2(entry.data, entry.data.byteLength).changes) {
      const process = this.#processOf(nodeId);
      if (type !== 'remove' || process === undefined) continue;
      const { slot, birth } = process;
      const isWrong = isPlainlyAlive(process, group) && isPlainlyAlive(leader, group);
      check(!isWrong, 'LIVE_NOT_DISPLACED (I2)', { slot, birth });
    }
  }

  /** All states that were sealed at one index are equal. */
  sealed(process: SimProcess, index: number, register: Uint8Array, machine: Uint8Array): void {
    const group = process.mirror?.group;
    if (group === undefined) return;
    const key = String(index);
    const hash = hashOf(machine, hashOf(register));
    const known = group.snapshots.get(key);
    check(known === undefined || known === hash, 'STATE_MACHINES_EQUAL', { index });
    group.snapshots.set(key, hash);
  }
}

/** How long a process must have run, and the network have carried everything, to count as alive. */
const ALIVE_MS = 1_500;

function isPlainlyAlive(process: SimProcess, group: Group): boolean {
  const { alive, paused, isApart, diskTrouble, mayFail, steadySinceMs, world, replica } = process;
  const isReachable = !paused && !isApart && world.network.quietForMs > ALIVE_MS;
  const isSteady = world.timeline.nowMs - steadySinceMs > ALIVE_MS;
  const isWell = diskTrouble === 'none' && !mayFail && replica.phase() !== 'removed';
  const takesPart = replica.cluster?.clusterId === group.id;
  return alive && isReachable && isSteady && isWell && takesPart;
}

function checkMatches(mirror: Mirror, node: RawNode): void {
  const { progress, term } = node.status();
  const before = mirror.matchTerm === term ? mirror.match : new Map<number, number>();
  const next = new Map<number, number>();
  for (const [nodeId, { match }] of progress) {
    check(match >= (before.get(nodeId) ?? 0), 'MATCH_MONOTONIC', { nodeId, match });
    next.set(nodeId, match);
  }
  mirror.match = next;
  mirror.matchTerm = term;
}

export function termAt(mirror: Mirror, index: number): number | undefined {
  if (index === mirror.base) return mirror.baseTerm;
  return mirror.log[index - mirror.base - 1]?.term;
}

const prints = new WeakMap<Uint8Array, number>();

/** A fingerprint of what an entry says. */
export function printOf(entry: Entry): number {
  // Empty data is shared between entries of different types.
  const known = prints.get(entry.data);
  const print = known ?? hashOf(entry.data);
  if (known === undefined) prints.set(entry.data, print);
  return print * 32 + entry.type.length;
}

/** @throws SimulatorError SIMULATOR_INVARIANT_VIOLATED */
export function check(
  holds: boolean,
  invariant: string,
  fields: Readonly<Record<string, string | number | undefined>>,
): asserts holds {
  if (holds) return;
  const found = Object.entries(fields).map(([key, value]) => `${key}=${value ?? ''}`);
  throw new SimulatorError('SIMULATOR_INVARIANT_VIOLATED', 'an invariant does not hold', {
    fields: { invariant, found: found.join(' ') },
  });
}

type Observer = (node: RawNode, ready: Ready) => void;
let observer: Observer = () => undefined;
let isInstalled = false;

/** Shows every Ready of every node in this program to one observer, until the next call. */
export function observeReadies(next: Observer): void {
  observer = next;
  if (isInstalled) return;
  isInstalled = true;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its receiver below
  const original = RawNode.prototype.ready;
  RawNode.prototype.ready = function (this: RawNode): Ready {
    const ready = original.call(this);
    observer(this, ready);
    return ready;
  };
}
