/** The `add-nodes` command: settings and first state of a script's nodes. */
import { EMPTY_SNAPSHOT, nodeId, type NodeId, type Snapshot } from '../src/index.ts';
import type { Arguments } from './arguments.ts';
import { CommandError } from './command-error.ts';
import type { Environment } from './environment.ts';

const UNLIMITED = Number.MAX_SAFE_INTEGER;

/**
 * Scripts run as etcd's raft behaves: what this package does otherwise by default (`commit-hints`,
 * snapshots for nodes that are not listed) is off unless the script asks for it.
 */
export function addNodes(env: Environment, args: Arguments): void {
  const bootstrap = bootstrapOf(args);
  const settings = {
    electionTicks: 3,
    heartbeatTicks: 1,
    // The longest timeout: no node campaigns unless the script makes it.
    randomInt: (bound: number) => bound - 1,
    maxSizePerMessageBytes: args.number('max-size-per-msg') ?? UNLIMITED,
    maxCommittedSizePerReadyBytes: args.number('max-committed-size-per-ready') ?? UNLIMITED,
    maxUncommittedEntriesBytes: args.number('max-uncommitted', 'max-uncommitted-size') ?? 0,
    maxInflightMessages: args.number('inflight') ?? 2 ** 31 - 1,
    maxInflightBytes: args.number('inflight-bytes', 'max-inflight-bytes') ?? 0,
    asyncStorageWrites: args.flag('async-storage-writes'),
    preVote: args.flag('prevote'),
    checkQuorum: args.flag('checkquorum'),
    disableConfChangeValidation: args.flag('disable-conf-change-validation'),
    disableProposalForwarding: args.flag('disable-proposal-forwarding'),
    readOnly: readOnlyOf(args),
    stepDownOnRemoval: args.flag('step-down-on-removal'),
    commitHints: args.flag('commit-hints'),
    snapshotsForMembersOnly: args.flag('snapshots-for-members-only', true),
  };
  for (let i = 0; i < args.id(); i += 1) env.addNode(settings, bootstrap);
}

function readOnlyOf(args: Arguments): 'safe' | 'lease-based' {
  const word = args.text('read-only') ?? 'safe';
  if (word === 'safe' || word === 'lease-based') return word;
  throw new CommandError(`invalid read-only option "${word}"`);
}

function bootstrapOf(args: Arguments): Snapshot {
  const keys = ['voters', 'learners', 'index', 'content'];
  if (args.list(...keys) === undefined) return EMPTY_SNAPSHOT;
  const ids = (key: string): readonly NodeId[] =>
    (args.list(key) ?? []).map((id) => nodeId(Number(id)));
  const index = args.number('index') ?? 0;
  if (index <= 1) throw new CommandError('index must be specified as > 1 due to bootstrap');
  return {
    data: new TextEncoder().encode(args.text('content') ?? ''),
    metadata: {
      index,
      term: 1,
      confState: {
        voters: ids('voters'),
        votersOutgoing: [],
        learners: ids('learners'),
        learnersNext: [],
        autoLeave: false,
      },
    },
  };
}
