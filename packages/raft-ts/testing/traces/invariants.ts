/** The invariants that hold after each event; names as in etcd's TLA+ model, where it has them. */
import {
  holds,
  isQuorum,
  isUpToDate,
  last,
  require,
  type ModelEntry,
  type Server,
} from './servers.ts';

export class Invariants {
  readonly #servers: ReadonlyMap<string, Server>;
  /** `#committed[i]` is the entry that is decided at index i + 1. */
  readonly #committed: ModelEntry[] = [];
  readonly #leaders = new Map<number, string>();
  readonly #entries = new Map<string, ModelEntry>();
  /** The last entry of each log when it was checked. */
  readonly #ends = new WeakMap<Server, ModelEntry | undefined>();

  constructor(servers: ReadonlyMap<string, Server>) {
    this.#servers = servers;
  }

  /** What a server starts with counts as decided. */
  started(server: Server): void {
    this.committed(server, 0, server.commit);
  }

  /** LogInv: what is decided at an index is decided for ever. */
  committed(server: Server, from: number, to: number): void {
    for (let index = from + 1; index <= to; index += 1) {
      const entry = server.log[index - 1];
      require(entry !== undefined, 'LogInv', `server ${server.id} committed what it lacks`);
      const known = (this.#committed[index - 1] ??= entry);
      require(known === entry, 'LogInv', `two entries are committed at ${index}`);
    }
  }

  /** MoreThanOneLeaderInv and LeaderCompletenessInv. */
  leads(server: Server): void {
    const other = this.#leaders.get(server.term) ?? server.id;
    const alone = other === server.id;
    require(alone, 'MoreThanOneLeaderInv', `${other} and ${server.id} lead term ${server.term}`);
    this.#leaders.set(server.term, server.id);
    const end = this.#committed.at(-1);
    // Logs that agree on an entry agree on all before it, which LogMatchingInv has checked.
    const complete = end === undefined || holds(server.log, end);
    require(complete, 'LeaderCompletenessInv', `leader ${server.id} lacks committed entries`);
  }

  /** QuorumLogInv and CommittedIsDurableInv, for what a leader has just committed. */
  heldByQuorum(server: Server): void {
    const entry = server.log[server.commit - 1];
    if (entry === undefined) return;
    const durable = holds(server.durable.log, entry);
    require(durable, 'CommittedIsDurableInv', `leader ${server.id} may lose entry ${entry.index}`);
    const held = isQuorum(server.conf, (id) => {
      const member = this.#servers.get(id);
      return member !== undefined && holds(member.durable.log, entry);
    });
    require(held, 'QuorumLogInv', `no quorum holds entry ${entry.index}`);
  }

  /** What must hold after every event. */
  check(server: Server): void {
    this.#logMatching(server);
    this.#electionSafety(server);
    for (const other of this.#servers.values()) {
      this.#moreUpToDate(server, other);
      this.#moreUpToDate(other, server);
    }
  }

  /** LogMatchingInv: an index and a term name one entry, and thereby all before it. */
  #logMatching(server: Server): void {
    const { log, id } = server;
    const end = log.at(-1);
    // Logs change at their end only.
    if (this.#ends.get(server) === end) return;
    this.#ends.set(server, end);
    for (const [at, entry] of log.entries()) {
      const linked = entry.before === log[at - 1] && entry.index === at + 1;
      require(linked, 'LogMatchingInv', `the log of ${id} has no unbroken order at ${at + 1}`);
      const key = `${entry.term}:${entry.index}`;
      const known = this.#entries.get(key) ?? entry;
      require(known === entry, 'LogMatchingInv', `there are two entries ${key}`);
      this.#entries.set(key, entry);
    }
  }

  /** ElectionSafetyInv: nobody has an entry of a leader's term that the leader lacks. */
  #electionSafety(server: Server): void {
    const end = last(server.log);
    for (const other of this.#servers.values()) {
      if (other.role !== 'StateLeader' || other.term !== end.term) continue;
      const newest = last(other.log).index;
      require(newest >= end.index, 'ElectionSafetyInv', `leader ${other.id} lacks ${end.index}`);
    }
  }

  /** MoreUpToDateCorrectInv: who could get a server's vote holds what that server committed. */
  #moreUpToDate(candidate: Server, voter: Server): void {
    if (!isUpToDate(last(candidate.log), last(voter.log))) return;
    const entry = voter.log[voter.commit - 1];
    const complete = entry === undefined || holds(candidate.log, entry);
    require(complete, 'MoreUpToDateCorrectInv', `${candidate.id} lacks what ${voter.id} committed`);
  }
}
