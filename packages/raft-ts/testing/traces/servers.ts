/**
 * The state of a model of Raft that is independent of the core: logs of linked entries, terms,
 * votes, messages in flight. Written from the Raft paper and from the names of etcd's TLA+ model.
 */
import type { TraceConfChange, TraceMessage } from '../../src/index.ts';

/** A trace that the model cannot follow, or that breaks an invariant. */
export class TraceViolation extends Error {
  override readonly name: string = 'TraceViolation';
  readonly rule: string;

  /** @param rule name of the invariant or action that does not allow the event */
  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`);
    this.rule = rule;
  }
}

/** @throws TraceViolation unless it holds */
export function require(holds: boolean, rule: string, message: string): asserts holds {
  if (!holds) throw new TraceViolation(rule, message);
}

/**
 * One entry, made once by its leader and shared by every log that holds it, so that "the same
 * entry" is identity, and logs agree up to an entry if they hold the same object there.
 */
export type ModelEntry = {
  readonly term: number;
  readonly index: number;
  readonly before: ModelEntry | undefined;
  /** Of a change of the membership. */
  readonly changes: readonly TraceConfChange[] | undefined;
};

export type ModelRole = 'StateFollower' | 'StatePreCandidate' | 'StateCandidate' | 'StateLeader';

/** Voters of both halves. */
export type ModelConf = {
  readonly incoming: readonly string[];
  readonly outgoing: readonly string[];
};

/** What a crash leaves. */
export type Durable = {
  readonly term: number;
  readonly vote: string;
  readonly commit: number;
  readonly log: readonly ModelEntry[];
};

export type Server = {
  readonly id: string;
  term: number;
  vote: string;
  role: ModelRole;
  commit: number;
  /** `log[i]` has index i + 1. */
  log: ModelEntry[];
  conf: ModelConf;
  durable: Durable;
  /** Of this term, as candidate. */
  votes: Map<string, boolean>;
  /** As leader: what each member has acknowledged. */
  match: Map<string, number>;
  /** A request that arrived and is carried out before the next event but BecomeFollower. */
  pending: SentMessage | undefined;
  /** The newest request for a vote that arrived. */
  voteRequest: TraceMessage | undefined;
  /** Messages leave with the next Ready; a crash before it loses them. */
  outbox: SentMessage[];
  /** The membership that the next event must show. */
  nextConf: readonly string[] | undefined;
};

/** A message in flight; it may arrive any number of times, or never. */
export type SentMessage = {
  readonly msg: TraceMessage;
  /** Entries of an append, or the whole log of a snapshot. */
  readonly entries: readonly ModelEntry[];
};

export const NOBODY = '0';

export function last(log: readonly ModelEntry[]): {
  readonly index: number;
  readonly term: number;
} {
  const entry = log.at(-1);
  return entry === undefined ? { index: 0, term: 0 } : entry;
}

/** Whether a log holds an entry. */
export function holds(log: readonly ModelEntry[], entry: ModelEntry): boolean {
  return log[entry.index - 1] === entry;
}

/** Whether `left` would get the vote of a server with `right` (Raft paper, section 5.4.1). */
export function isUpToDate(
  left: { readonly term: number; readonly index: number },
  right: { readonly term: number; readonly index: number },
): boolean {
  return left.term !== right.term ? left.term > right.term : left.index >= right.index;
}

/** Whether those for whom `agrees` holds are a majority of both halves. */
export function isQuorum(conf: ModelConf, agrees: (id: string) => boolean): boolean {
  return [conf.incoming, conf.outgoing].every((voters) => {
    return voters.length === 0 || voters.filter(agrees).length > voters.length / 2;
  });
}
