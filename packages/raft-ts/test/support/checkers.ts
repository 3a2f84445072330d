/**
 * Safety properties of Raft (paper, figure 3; CCF's and etcd's TLA+ invariants), checked after
 * every event. Throws on the first violation.
 */
import type { ConfState, Entry, NodeId, Ready } from '../../src/index.ts';
import type { Observer, SimNode } from './sim-node.ts';

type Mark = { readonly term: number; readonly commit: number; readonly restarts: number };

export class Checkers implements Observer {
  readonly #leaders = new Map<number, number>();
  /** Per index and term: what the entry and its predecessor are. */
  readonly #entries = new Map<string, string>();
  /** Per index: the digest of the state after it. */
  readonly #states = new Map<number, string>();
  /** Per index: the term of the entry that was committed there. */
  readonly #committed = new Map<number, number>();
  readonly #votes = new Map<string, number>();
  readonly #marks = new Map<number, Mark>();
  readonly #logs = new Map<number, Map<number, Entry>>();
  /** Highest index that any node has applied: a read that starts now must see it. */
  appliedMax = 0;
  leadersSeen = 0;

  ready(node: SimNode, ready: Ready): void {
    this.#checkVote(node, ready);
    const log = this.#logOf(node);
    if (ready.snapshot !== undefined) log.clear();
    for (const entry of ready.entries) {
      this.#checkLogMatching(node, entry, log);
      for (const index of log.keys()) if (index > entry.index) log.delete(index);
      log.set(entry.index, entry);
    }
    if (ready.softState?.role === 'StateLeader') this.#checkLeader(node, log);
  }

  applied(node: SimNode, entry: Entry, state: string): void {
    const known = this.#states.get(entry.index);
    if (known !== undefined && known !== state) {
      throw new Error(`state machine safety: index ${entry.index} differs on ${node.id}`);
    }
    this.#states.set(entry.index, state);
    this.#commit(entry.index, entry.term);
    this.appliedMax = Math.max(this.appliedMax, entry.index);
  }

  #commit(index: number, term: number): void {
    const known = this.#committed.get(index);
    if (known !== undefined && known !== term) {
      throw new Error(`committed entry ${known}/${index} was replaced by ${term}/${index}`);
    }
    this.#committed.set(index, term);
  }

  /** After every event: monotonic marks, one leader per term, and durable commits. */
  checkNode(node: SimNode, all: readonly SimNode[]): void {
    const { term, commit, role, applied } = node.raw.basicStatus();
    const mark = this.#marks.get(node.id);
    if (mark !== undefined) {
      if (term < mark.term && mark.restarts === node.restarts) throw new Error('term fell');
      if (commit < mark.commit && mark.restarts === node.restarts) throw new Error('commit fell');
    }
    if (applied > commit) throw new Error('applied beyond commit');
    this.#marks.set(node.id, { term, commit, restarts: node.restarts });
    if (role !== 'StateLeader') return;
    const leader = this.#leaders.get(term);
    if (leader !== undefined && leader !== node.id) {
      throw new Error(`election safety: ${leader} and ${node.id} lead term ${term}`);
    }
    if (leader === undefined) this.leadersSeen += 1;
    this.#leaders.set(term, node.id);
    if (mark !== undefined && commit > mark.commit) this.#checkDurable(node, commit, all);
  }

  /** A leader's commit index never exceeds what a quorum has written (CommittedIsDurableInv). */
  #checkDurable(node: SimNode, commit: number, all: readonly SimNode[]): void {
    const { confState } = node.raw.status();
    const has = (id: NodeId): boolean => {
      const other = all[id - 1];
      return other !== undefined && other.storage.lastIndex() >= commit;
    };
    const majority = (voters: readonly NodeId[]): boolean =>
      voters.length === 0 || voters.filter(has).length > voters.length / 2;
    const both = (state: ConfState): boolean =>
      majority(state.voters) && majority(state.votersOutgoing);
    if (!both(confState)) throw new Error(`commit ${commit} of ${node.id} is on no quorum`);
  }

  #checkVote(node: SimNode, ready: Ready): void {
    if (ready.hardState === undefined || ready.hardState.vote === 0) return;
    // A vote that was lost in a crash before it was durable was never given.
    const key = `${node.id}/${node.restarts}/${ready.hardState.term}`;
    const known = this.#votes.get(key);
    if (known !== undefined && known !== ready.hardState.vote) throw new Error('vote changed');
    this.#votes.set(key, ready.hardState.vote);
  }

  /** Same index and term: same entry and same predecessor. By induction: same prefix. */
  #checkLogMatching(node: SimNode, entry: Entry, log: ReadonlyMap<number, Entry>): void {
    const previous = log.get(entry.index - 1)?.term ?? this.#termBefore(node, entry.index);
    const key = `${entry.index}/${entry.term}`;
    const value = `${previous ?? '?'} ${entry.type} ${String(entry.data)}`;
    const known = this.#entries.get(key);
    if (known === undefined || known.startsWith('?')) this.#entries.set(key, value);
    else if (known !== value && previous !== undefined) {
      throw new Error(`log matching: ${key} is ${known} and, on ${node.id}, ${value}`);
    }
  }

  #termBefore(node: SimNode, index: number): number | undefined {
    const inLog = index - 1 >= node.storage.firstIndex() && index - 1 <= node.storage.lastIndex();
    if (inLog || index - 1 === node.storage.firstIndex() - 1) return node.storage.term(index - 1);
    return this.#committed.get(index - 1);
  }

  /** Every leader has every entry that was committed before (leader completeness). */
  #checkLeader(node: SimNode, log: ReadonlyMap<number, Entry>): void {
    for (const [index, term] of this.#committed) {
      if (index < node.storage.firstIndex()) continue;
      const found = log.get(index)?.term ?? this.#storedTerm(node, index);
      // An entry committed in a later term does not bind a leader of an earlier one.
      if (found === term || term > node.raw.basicStatus().term) continue;
      throw new Error(`leader completeness: ${node.id} lacks ${term}/${index}, has ${found}`);
    }
  }

  #storedTerm(node: SimNode, index: number): number | undefined {
    return index <= node.storage.lastIndex() ? node.storage.term(index) : undefined;
  }

  /** What the node believes its log to be, beyond what its storage holds. */
  #logOf(node: SimNode): Map<number, Entry> {
    let log = this.#logs.get(node.id);
    if (log === undefined) {
      log = new Map();
      this.#logs.set(node.id, log);
    }
    return log;
  }

  /** A crash: what was only in memory is gone. */
  forgetMemory(node: SimNode): void {
    this.#logs.delete(node.id);
  }
}
