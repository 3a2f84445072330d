/**
 * Traces in the format of etcd's raft (its TLA+ trace validation): one event for each step of the
 * protocol, which a model can replay. Off unless `Config.onTrace` is given; then each place
 * that traces costs one comparison.
 *
 * Not traced, as there: PreVote, ReadIndex, leadership transfer. Different from there: leaving a
 * joint configuration is a ChangeConf without changes, and InitState comes after the stored state
 * was loaded.
 */
import type { Core } from './core.ts';
import { jointVoterIds } from './quorum/joint.ts';
import type { Role } from './events.ts';
import type { ConfChangeSingle } from './membership/conf-change.ts';
import type { Index, Message, NodeId, Term } from './types.ts';

/** What happened. */
export type TraceEventName =
  | 'InitState'
  | 'BecomeFollower'
  | 'BecomeCandidate'
  | 'BecomeLeader'
  | 'Commit'
  | 'Replicate'
  | 'ChangeConf'
  | 'ApplyConfChange'
  | 'Ready'
  | 'SendAppendEntriesRequest'
  | 'SendAppendEntriesResponse'
  | 'SendRequestVoteRequest'
  | 'SendRequestVoteResponse'
  | 'ReceiveAppendEntriesRequest'
  | 'ReceiveAppendEntriesResponse'
  | 'ReceiveRequestVoteRequest'
  | 'ReceiveRequestVoteResponse';

/** A message, without the content of its entries. Node ids are decimal text. */
export type TraceMessage = {
  readonly type: string;
  readonly term: Term;
  readonly from: string;
  readonly to: string;
  /** How many; of a snapshot, its index, as if it brought every entry from the first on. */
  readonly entries: number;
  readonly logTerm: Term;
  readonly index: Index;
  readonly commit: Index;
  readonly vote: string;
  readonly reject: boolean;
  readonly rejectHint: Index;
};

/** One change of a membership: what is proposed for one node. */
export type TraceConfChange = {
  readonly nid: string;
  readonly action: 'AddNewServer' | 'RemoveServer' | 'AddLearner';
};

/** One event. The state is that of the node at that moment. */
export type TraceEvent = {
  readonly name: TraceEventName;
  readonly nid: string;
  readonly state: { readonly term: Term; readonly vote: string; readonly commit: Index };
  readonly role: Role;
  /** Last index of the log. */
  readonly log: Index;
  /** Voters of the incoming and of the outgoing half. */
  readonly conf: readonly [readonly string[], readonly string[]];
  readonly msg?: TraceMessage | undefined;
  readonly prop?:
    | {
        readonly cc?: {
          readonly changes?: readonly TraceConfChange[];
          readonly newconf?: readonly string[];
        };
      }
    | undefined;
};

/** Takes no notice of events: what `onTrace` is where none is given. */
export function ignoreTrace(): void {}

/** One line of a trace file, without its line end. */
export function traceLine(event: TraceEvent): string {
  return JSON.stringify({ tag: 'trace', event });
}

/** Tells that something happened in this node. */
export function trace(
  core: Core,
  name: TraceEventName,
  more: Pick<TraceEvent, 'msg' | 'prop'> = {},
): void {
  const { onTrace } = core.config;
  if (onTrace === ignoreTrace) return;
  const { incoming, outgoing } = core.tracker.membership.voters;
  onTrace({
    name,
    nid: String(core.id),
    state: { term: core.term, vote: String(core.vote), commit: core.log.committed },
    role: core.role,
    log: core.log.lastIndex(),
    conf: [idsOf(incoming), idsOf(outgoing)],
    ...more,
  });
}

const NO_VOTERS: ReadonlySet<NodeId> = new Set();

function idsOf(voters: ReadonlySet<NodeId>): readonly string[] {
  return jointVoterIds({ incoming: voters, outgoing: NO_VOTERS }).map(String);
}

type Kind = 'AppendEntriesRequest' | 'AppendEntriesResponse' | 'RequestVoteRequest';
type TracedKind = Kind | 'RequestVoteResponse';

function kindOf(message: Message): TracedKind | undefined {
  switch (message.type) {
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      return 'AppendEntriesRequest';
    case 'MsgAppResp':
    case 'MsgHeartbeatResp':
      return 'AppendEntriesResponse';
    case 'MsgVote':
      return 'RequestVoteRequest';
    case 'MsgVoteResp':
      return 'RequestVoteResponse';
    default:
      return undefined;
  }
}

/** Tells that this node queued a message, or that one has arrived. */
export function traceMessage(core: Core, verb: 'Send' | 'Receive', message: Message): void {
  if (core.config.onTrace === ignoreTrace) return;
  const kind = kindOf(message);
  if (kind === undefined) return;
  const snapshotIndex = message.snapshot?.metadata.index;
  const msg: TraceMessage = {
    type: message.type,
    term: message.term,
    from: String(message.from),
    to: String(message.to),
    entries: snapshotIndex ?? message.entries.length,
    logTerm: message.logTerm,
    index: message.index,
    commit: message.commit,
    vote: String(message.vote),
    reject: message.reject,
    rejectHint: message.rejectHint,
  };
  trace(core, `${verb}${kind}`, { msg });
}

/** Tells that a leader adds a change of the membership to its log. */
export function traceChangeConf(core: Core, changes: readonly ConfChangeSingle[]): void {
  if (core.config.onTrace === ignoreTrace) return;
  const traced = changes.flatMap(({ type, nodeId }): readonly TraceConfChange[] => {
    const nid = String(nodeId);
    if (type === 'add-voter') return [{ nid, action: 'AddNewServer' }];
    if (type === 'remove') return [{ nid, action: 'RemoveServer' }];
    return type === 'add-learner' ? [{ nid, action: 'AddLearner' }] : [];
  });
  trace(core, 'ChangeConf', { prop: { cc: { changes: traced } } });
}

/** Tells that a membership is about to count; the event has the one before. */
export function traceApplyConfChange(core: Core, incoming: ReadonlySet<NodeId>): void {
  if (core.config.onTrace === ignoreTrace) return;
  trace(core, 'ApplyConfChange', { prop: { cc: { newconf: idsOf(incoming) } } });
}
