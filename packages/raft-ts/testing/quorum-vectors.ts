/** Runs `committed` and `vote` directives against the quorum functions. */
import {
  jointCommittedIndex,
  jointVoteResult,
  jointVoterIds,
  majorityCommittedIndex,
  majorityVoteResult,
  type JointVoters,
  type NodeId,
} from '../src/index.ts';
import type { Argument, Directive } from './script.ts';

/** @returns the output, in the form that the files record */
export function runQuorum(directive: Directive): string {
  const find = (key: string): Argument | undefined => directive.args.find((arg) => arg.key === key);
  const list = (key: string): readonly string[] => find(key)?.values ?? [];
  const zero = list('cfgj')[0] === 'zero';
  const incoming = list('cfg').map((id) => Number(id) as NodeId);
  const outgoing = zero ? [] : list('cfgj').map((id) => Number(id) as NodeId);
  const voters = { incoming: new Set(incoming), outgoing: new Set(outgoing) };
  const isJoint = zero || outgoing.length > 0;
  const values = list(directive.command === 'vote' ? 'votes' : 'idx');
  const ids = [...new Set([...incoming, ...outgoing])];
  if (directive.command !== 'vote' && directive.command !== 'committed') return 'unknown command';
  if (values.length !== ids.length) return describeMismatch(ids, values);
  const known = new Map<NodeId, string>();
  for (const [at, id] of ids.entries()) {
    const value = values[at];
    if (value !== undefined && value !== '_') known.set(id, value);
  }
  if (directive.command === 'vote') return runVote(voters, isJoint, known);
  return runCommitted(voters, isJoint, known);
}

/** In the words of the recorded files' harness: a set of ids; numbers in place of `y`, `n`, `_`. */
function describeMismatch(ids: readonly NodeId[], values: readonly string[]): string {
  const known: Readonly<Record<string, string>> = { _: '0', y: '2', n: '1' };
  const numbers = values.map((value) => known[value] ?? value);
  const voters = ids.toSorted((left, right) => left - right).map((id) => `${id}:{}`);
  const list = numbers.length === 0 ? '[]' : `[${numbers.join(' ')}]`;
  return `error: mismatched input (explicit or _) for voters map[${voters.join(' ')}]: ${list}`;
}

function runVote(
  voters: JointVoters,
  isJoint: boolean,
  known: ReadonlyMap<NodeId, string>,
): string {
  const voteOf = (id: NodeId): boolean | undefined => {
    const vote = known.get(id);
    return vote === undefined ? undefined : vote === 'y';
  };
  const result = jointVoteResult(voters, voteOf);
  const swapped = { incoming: voters.outgoing, outgoing: voters.incoming };
  const same =
    result === jointVoteResult(swapped, voteOf) &&
    (isJoint || result === majorityVoteResult(voters.incoming, voteOf));
  return same ? result : `${result} <-- not symmetric`;
}

function runCommitted(
  voters: JointVoters,
  isJoint: boolean,
  known: ReadonlyMap<NodeId, string>,
): string {
  const acked = (id: NodeId): number | undefined => {
    const value = known.get(id);
    return value === undefined ? undefined : Number(value);
  };
  const result = jointCommittedIndex(voters, acked);
  const lines = [chart(jointVoterIds(voters), acked)];
  if (!isJoint) {
    const self = { incoming: voters.incoming, outgoing: voters.incoming };
    const alternatives = [
      majorityCommittedIndex(voters.incoming, acked),
      jointCommittedIndex(self, acked),
      byDefinition(voters.incoming, acked),
    ];
    if (alternatives.some((other) => other !== result)) lines.push('not the same by other means');
    if (!staysWhenLowered(voters.incoming, acked, result)) lines.push('not the same when lowered');
  }
  const swapped = { incoming: voters.outgoing, outgoing: voters.incoming };
  if (jointCommittedIndex(swapped, acked) !== result) lines.push('not symmetric');
  return `${lines.join('\n')}${Number.isFinite(result) ? result : '∞'}`;
}

/** An acknowledgement below the result may be lowered further without any effect. */
function staysWhenLowered(
  voters: ReadonlySet<NodeId>,
  acked: (id: NodeId) => number | undefined,
  result: number,
): boolean {
  return [...voters].every((id) => {
    const own = acked(id) ?? 0;
    if (own === 0 || own >= result) return true;
    return [own - 1, 0].every((lowered) => {
      const overlay = (other: NodeId): number | undefined =>
        other === id ? lowered : acked(other);
      return majorityCommittedIndex(voters, overlay) === result;
    });
  });
}

/** The largest acknowledged index that a majority has reached, by trying each. */
function byDefinition(
  voters: ReadonlySet<NodeId>,
  acked: (id: NodeId) => number | undefined,
): number {
  if (voters.size === 0) return Number.POSITIVE_INFINITY;
  const reached = [...voters].map((id) => acked(id) ?? 0);
  const majority = reached.filter((index) => {
    return reached.filter((other) => other >= index).length > voters.size / 2;
  });
  return Math.max(0, ...majority);
}

function chart(ids: readonly NodeId[], acked: (id: NodeId) => number | undefined): string {
  const width = ids.length;
  if (width === 0) return '<empty majority quorum>';
  const rows = ids.map((id) => {
    const index = acked(id);
    const length = ids.filter((other) => (acked(other) ?? 0) < (index ?? 0)).length;
    const bar =
      index === undefined
        ? `?${' '.repeat(width)}`
        : `${'x'.repeat(length)}>${' '.repeat(width - length)}`;
    return `${bar} ${String(index ?? 0).padStart(5)}    (id=${id})\n`;
  });
  return `${' '.repeat(width)}    idx\n${rows.join('')}`;
}
