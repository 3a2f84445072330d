/**
 * Replays a trace against the model, event by event: each must be a step that the model allows, and
 * must show the state that the model has reached; then the invariants of invariants.ts must hold.
 */
import type { TraceEvent, TraceMessage } from '../../src/index.ts';
import { Invariants } from './invariants.ts';
import {
  NOBODY,
  TraceViolation,
  isQuorum,
  isUpToDate,
  last,
  require,
  type ModelEntry,
  type SentMessage,
  type Server,
} from './servers.ts';

/** How the replay of a whole trace ended. */
export type ReplayResult = {
  readonly events: number;
  /** Undefined if the trace was accepted. */
  readonly violation: TraceViolation | undefined;
};

/** Replays all events. Never throws for what a trace holds. */
export function replay(events: Iterable<TraceEvent>): ReplayResult {
  const model = new Replay();
  let count = 0;
  try {
    for (const event of events) {
      count += 1;
      model.event(event);
    }
    return { events: count, violation: undefined };
  } catch (error) {
    if (!(error instanceof TraceViolation)) throw error;
    return { events: count, violation: error };
  }
}

const CANDIDATES: readonly string[] = ['StateCandidate', 'StateFollower', 'StatePreCandidate'];

export class Replay {
  readonly #servers = new Map<string, Server>();
  /** Everything that ever left a server: it may arrive any number of times. */
  readonly #sent = new Map<string, SentMessage>();
  readonly #invariants = new Invariants(this.#servers);
  /** The entries that every server started with. */
  readonly #genesis: ModelEntry[] = [];

  event(event: TraceEvent): void {
    const { nid, name } = event;
    if (name === 'InitState') return this.#init(event);
    const server = this.#servers.get(nid);
    require(server !== undefined, 'InitState', `server ${nid} has not started`);
    if (name !== 'BecomeFollower') this.#carryOutPending(server, event);
    // A membership counts from the moment after ApplyConfChange, which still shows the one before.
    if (name !== 'ApplyConfChange') this.#adopt(server, event.conf);
    this.#step(server, event);
    this.#compare(server, event);
    this.#invariants.check(server);
  }

  #init(event: TraceEvent): void {
    const { nid, state, log, conf } = event;
    const old = this.#servers.get(nid);
    const entries = old === undefined ? this.#genesisUpTo(log) : [...old.durable.log];
    const stored = old?.durable ?? { ...state, log: entries };
    const { term, vote } = stored;
    const asStored = state.term === term && state.vote === vote && log === stored.log.length;
    require(asStored, 'Restart', `server ${nid} came back without what it had made durable`);
    require(state.commit <= log, 'Restart', `server ${nid} came back with a commit beyond its log`);
    const server: Server = {
      id: nid,
      term: state.term,
      vote: state.vote,
      role: 'StateFollower',
      commit: state.commit,
      log: [...entries],
      conf: { incoming: conf[0], outgoing: conf[1] },
      durable: { ...stored, commit: state.commit },
      votes: new Map(),
      match: new Map(),
      pending: undefined,
      voteRequest: undefined,
      nextConf: undefined,
      outbox: [],
    };
    this.#servers.set(nid, server);
    this.#invariants.started(server);
  }

  /** What a server starts with is the same everywhere, and of term 1 (a bootstrap snapshot). */
  #genesisUpTo(index: number): ModelEntry[] {
    while (this.#genesis.length < index) {
      const before = this.#genesis.at(-1);
      this.#genesis.push({ term: 1, index: this.#genesis.length + 1, before, changes: undefined });
    }
    return this.#genesis.slice(0, index);
  }

  #step(server: Server, event: TraceEvent): void {
    switch (event.name) {
      case 'InitState':
        return;
      case 'BecomeFollower':
        return this.#becomeFollower(server, event);
      case 'BecomeCandidate':
        return this.#becomeCandidate(server);
      case 'BecomeLeader':
        return this.#becomeLeader(server);
      case 'Replicate':
        return this.#append(server, undefined);
      case 'ChangeConf':
        return this.#append(server, event.prop?.cc?.changes ?? []);
      case 'ApplyConfChange':
        server.nextConf = event.prop?.cc?.newconf ?? [];
        return;
      case 'Commit':
        return this.#commit(server, event.state.commit);
      case 'Ready':
        return this.#ready(server);
      default:
        return this.#message(server, event);
    }
  }

  #becomeFollower(server: Server, event: TraceEvent): void {
    const { term } = event.state;
    require(term >= server.term, 'MonotonicTerm', `server ${server.id} went back to term ${term}`);
    if (term > server.term) server.vote = NOBODY;
    server.term = term;
    server.role = 'StateFollower';
  }

  #becomeCandidate(server: Server): void {
    require(CANDIDATES.includes(server.role), 'BecomeCandidate', 'a leader campaigned');
    server.term += 1;
    server.vote = server.id;
    server.role = 'StateCandidate';
    server.votes = new Map();
  }

  #becomeLeader(server: Server): void {
    require(server.role === 'StateCandidate', 'BecomeLeader', 'it was no candidate');
    const won = isQuorum(server.conf, (id) => server.votes.get(id) === true);
    require(won, 'BecomeLeader', `server ${server.id} leads without a quorum of votes`);
    server.role = 'StateLeader';
    server.match = new Map([[server.id, server.log.length]]);
    this.#invariants.leads(server);
  }

  #append(server: Server, changes: ModelEntry['changes']): void {
    require(server.role === 'StateLeader', 'Replicate', 'only a leader adds entries of its own');
    const { term } = server;
    const index = server.log.length + 1;
    server.log.push({ term, index, before: server.log.at(-1), changes });
  }

  #commit(server: Server, commit: number): void {
    if (commit === server.commit) return;
    require(commit > server.commit, 'MonotonicCommitIndex', `it fell to ${commit}`);
    const entry = server.log[commit - 1];
    require(entry !== undefined, 'Commit', `entry ${commit} is not in the log`);
    require(entry.term === server.term, 'NeverCommitEntryPrevTerms', `entry ${commit} is older`);
    const held = isQuorum(server.conf, (id) => (server.match.get(id) ?? 0) >= commit);
    require(held, 'Commit', `no quorum has acknowledged entry ${commit}`);
    this.#invariants.committed(server, server.commit, commit);
    server.commit = commit;
    this.#invariants.heldByQuorum(server);
  }

  #ready(server: Server): void {
    const { term, vote, commit, log } = server;
    server.durable = { term, vote, commit, log: [...log] };
    for (const message of server.outbox) this.#sent.set(keyOf(message.msg), message);
    server.outbox = [];
  }

  #message(server: Server, event: TraceEvent): void {
    const { msg, name } = event;
    require(msg !== undefined, name, 'the event has no message');
    if (name.startsWith('Receive')) return this.#receive(server, msg);
    require(msg.from === server.id, name, 'sent under another name');
    const entries = this.#checkSend(server, msg);
    server.outbox.push({ msg, entries });
  }

  /** @returns the entries that go with the message */
  #checkSend(server: Server, msg: TraceMessage): readonly ModelEntry[] {
    const { term, log } = server;
    const rule = `Send ${msg.type}`;
    if (msg.type === 'MsgVoteResp') {
      if (!msg.reject) this.#grantVote(server, msg);
      return [];
    }
    require(msg.term === term, rule, `it names term ${msg.term} in term ${term}`);
    switch (msg.type) {
      case 'MsgVote': {
        const end = last(log);
        require(server.role === 'StateCandidate', rule, 'only a candidate asks for votes');
        require(msg.index === end.index &&
          msg.logTerm === end.term, rule, 'not the end of its log');
        return [];
      }
      case 'MsgAppResp':
        require(msg.reject || msg.index <= log.length, rule, 'it acknowledges what it lacks');
        return [];
      case 'MsgHeartbeatResp':
        return [];
      default:
        require(server.role === 'StateLeader', rule, 'only a leader sends entries');
        return this.#checkEntries(server, msg);
    }
  }

  #checkEntries(server: Server, msg: TraceMessage): readonly ModelEntry[] {
    const { log, commit, match } = server;
    const rule = `Send ${msg.type}`;
    if (msg.type === 'MsgHeartbeat') {
      const known = Math.min(match.get(msg.to) ?? 0, commit);
      require(msg.commit <= known, rule, `its commit ${msg.commit} is beyond the match ${known}`);
      return [];
    }
    const end = msg.index + msg.entries;
    require(end <= log.length, rule, 'it holds entries that the log lacks');
    if (msg.type === 'MsgSnap') {
      require(end <= commit, rule, 'a snapshot holds what is not committed');
      return log.slice(0, end);
    }
    const previous = log[msg.index - 1]?.term ?? 0;
    require(previous === msg.logTerm, rule, 'the entry before has another term');
    require(msg.commit === commit, rule, 'it does not carry the commit index');
    return log.slice(msg.index, end);
  }

  #grantVote(server: Server, msg: TraceMessage): void {
    require(msg.term === server.term, 'RequestVote', 'a vote for another term');
    const free = server.vote === NOBODY || server.vote === msg.to;
    require(free, 'ElectionSafety', `server ${server.id} votes twice in term ${msg.term}`);
    server.vote = msg.to;
    if (msg.to === server.id) return;
    const asked = server.voteRequest;
    const fits = asked?.from === msg.to && asked.term === msg.term;
    require(asked !== undefined && fits, 'RequestVote', 'a vote that nobody asked for');
    const candidate = { term: asked.logTerm, index: asked.index };
    const upToDate = isUpToDate(candidate, last(server.log));
    require(upToDate, 'RequestVote', `the log of ${msg.to} is behind that of ${server.id}`);
  }

  #receive(server: Server, msg: TraceMessage): void {
    require(msg.to === server.id, 'Receive', 'it arrived at another server');
    const sent = this.#sent.get(keyOf(msg));
    require(sent !== undefined, 'Receive', `${msg.type} was not sent, or not before a Ready`);
    switch (msg.type) {
      case 'MsgApp':
      case 'MsgHeartbeat':
      case 'MsgSnap':
        server.pending = sent;
        return;
      case 'MsgVote':
        server.voteRequest = msg;
        return;
      case 'MsgAppResp': {
        if (msg.term !== server.term || server.role !== 'StateLeader' || msg.reject) return;
        server.match.set(msg.from, Math.max(msg.index, server.match.get(msg.from) ?? 0));
        return;
      }
      case 'MsgVoteResp':
        if (msg.term !== server.term || server.role !== 'StateCandidate') return;
        if (!server.votes.has(msg.from)) server.votes.set(msg.from, !msg.reject);
    }
  }

  /** A follower's part of AppendEntries (Raft paper, figure 2). */
  #carryOutPending(server: Server, event: TraceEvent): void {
    const sent = server.pending;
    server.pending = undefined;
    if (sent === undefined || sent.msg.term < server.term) return;
    const { msg, entries } = sent;
    const rule = `Receive ${msg.type}`;
    require(msg.term === server.term, rule, `server ${server.id} did not follow to its term`);
    require(server.role === 'StateFollower', rule, `server ${server.id} did not follow`);
    if (msg.type === 'MsgHeartbeat') return this.#learnCommit(server, msg.commit);
    if (msg.type === 'MsgSnap') return this.#install(server, entries, event);
    if (msg.index < server.commit) return;
    const previous = server.log[msg.index - 1]?.term ?? 0;
    if (msg.index > server.log.length || previous !== msg.logTerm) return;
    const conflict = entries.find((entry) => server.log[entry.index - 1]?.term !== entry.term);
    if (conflict !== undefined) {
      require(conflict.index > server.commit, 'CommittedLogAppendOnly', 'a commit was undone');
      server.log.length = conflict.index - 1;
      server.log.push(...entries.slice(conflict.index - msg.index - 1));
    }
    this.#learnCommit(server, Math.min(msg.commit, msg.index + msg.entries));
  }

  #install(server: Server, entries: readonly ModelEntry[], event: TraceEvent): void {
    const end = entries.at(-1);
    // A server may leave a snapshot, but not one that it says it took.
    if (end === undefined || end.index <= server.commit || event.state.commit < end.index) return;
    if (server.log[end.index - 1]?.term !== end.term) server.log = [...entries];
    this.#learnCommit(server, end.index);
  }

  #learnCommit(server: Server, commit: number): void {
    if (commit <= server.commit) return;
    require(commit <= server.log.length, 'Commit', 'it is beyond the log');
    this.#invariants.committed(server, server.commit, commit);
    server.commit = commit;
  }

  /** The event must show what the model has. */
  #compare(server: Server, event: TraceEvent): void {
    const { state, role, log, name } = event;
    // A vote is noted after its answer was queued.
    const voting = name === 'SendRequestVoteResponse' && state.vote === NOBODY;
    const same =
      state.term === server.term &&
      (state.vote === server.vote || voting) &&
      state.commit === server.commit &&
      (role === server.role || role === 'StatePreCandidate');
    const found = describeState(role, state.term, state.vote, state.commit);
    const expected = describeState(server.role, server.term, server.vote, server.commit);
    require(same, name, `server ${server.id} is ${found}, not ${expected}`);
    const appending = name === 'Replicate' || name === 'ChangeConf';
    const length = server.log.length;
    const logOk = appending ? log < length : log === length || server.pending !== undefined;
    require(logOk, name, `the log of ${server.id} ends at ${log}, not at ${length}`);
  }

  #adopt(server: Server, [incoming, outgoing]: TraceEvent['conf']): void {
    const conf = { incoming, outgoing };
    const before = server.conf;
    if (String(conf.incoming) === String(before.incoming)) {
      if (String(conf.outgoing) === String(before.outgoing)) return;
    }
    const told = server.nextConf;
    server.nextConf = undefined;
    require(told !== undefined, 'ApplyConfChange', `server ${server.id} changed without a word`);
    require(String(told) === String(conf.incoming), 'ApplyConfChange', 'other voters than told');
    server.conf = conf;
  }
}

/** Messages of equal content are the same. */
function keyOf(msg: TraceMessage): string {
  return JSON.stringify(msg);
}

function describeState(role: string, term: number, vote: string, commit: number): string {
  return `${role} term ${term} vote ${vote} commit ${commit}`;
}
