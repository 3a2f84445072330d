/** Traces: what the core tells is accepted by the model, and what is wrong is not. */
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { traceLine, type TraceEvent } from '../src/index.ts';
import { replay } from '../testing/traces/replay.ts';
import { parseTrace, traceOfCluster, traceOfScript } from '../testing/traces/sources.ts';

// Long on a busy machine, never in idle time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const SCENARIOS = join(import.meta.dirname, '../../../test/scenarios/raft');
const script = (name: string): readonly TraceEvent[] => traceOfScript(join(SCENARIOS, name));
const ruleOf = (events: readonly TraceEvent[]): string | undefined =>
  replay(events).violation?.rule;

/** The trace with one event changed. */
function changed(
  events: readonly TraceEvent[],
  matches: (event: TraceEvent) => boolean,
  change: (event: TraceEvent) => TraceEvent | undefined,
): readonly TraceEvent[] {
  const at = events.findIndex(matches);
  expect(at, 'the event to change is there').toBeGreaterThanOrEqual(0);
  const replaced = change(events[at] as TraceEvent);
  return [
    ...events.slice(0, at),
    ...(replaced === undefined ? [] : [replaced]),
    ...events.slice(at + 1),
  ];
}

const withMessage = (event: TraceEvent, msg: Partial<TraceEvent['msg']>): TraceEvent => {
  return { ...event, msg: { ...(event.msg as NonNullable<TraceEvent['msg']>), ...msg } };
};

describe('traces that are accepted', () => {
  it.each([1, 2, 3, 4, 6])('of a random cluster, seed %i', (seed) => {
    const events = traceOfCluster(seed, 1500);
    expect(events.length).toBeGreaterThan(300);
    expect(replay(events)).toEqual({ events: events.length, violation: undefined });
  });

  it.each(['figure_8_no_commit_by_counting.txt', 'conf_change_joint_auto_leave.txt'])(
    'of the script %s',
    (name) => {
      expect(replay(script(name)).violation).toBeUndefined();
    },
  );

  it('survive being written and read', () => {
    const events = script('vote_once_per_term.txt');
    const text = events.map((event) => `${traceLine(event)}\n`).join('');
    expect(JSON.parse(text.split('\n')[0] ?? '')).toMatchObject({
      tag: 'trace',
      event: { name: 'InitState', nid: '1', role: 'StateFollower', state: { vote: '0' } },
    });
    expect(replay(parseTrace(text)).violation).toBeUndefined();
    expect(JSON.parse(JSON.stringify(parseTrace(text)))).toEqual(
      JSON.parse(JSON.stringify(events)),
    );
  });

  it('cost nothing when nobody listens: the same events without a listener', () => {
    expect(traceOfCluster(7, 300)).toEqual(traceOfCluster(7, 300));
  });
});

describe('planted mistakes are rejected', () => {
  const events = script('figure_8_no_commit_by_counting.txt');
  const named = (name: string) => (event: TraceEvent) => event.name === name;

  it('a leader without votes', () => {
    const wrong = events.filter(({ name }) => name !== 'ReceiveRequestVoteResponse');
    expect(ruleOf(wrong)).toBe('BecomeLeader');
  });

  it('a message that nobody sent', () => {
    const wrong = changed(events, named('ReceiveAppendEntriesRequest'), (event) =>
      withMessage(event, { commit: 99 }),
    );
    expect(ruleOf(wrong)).toBe('Receive');
  });

  it('a promise that arrives before it is durable', () => {
    const at = events.findIndex(({ name, msg }) => {
      return name === 'ReceiveRequestVoteResponse' && msg?.from !== msg?.to;
    });
    const voter = events[at]?.msg?.from;
    const ready = events.findLastIndex(({ name, nid }, position) => {
      return position < at && name === 'Ready' && nid === voter;
    });
    expect(ready).toBeGreaterThan(0);
    expect(ruleOf(events.filter((_, position) => position !== ready))).toBe('Receive');
  });

  it('a second vote in one term', () => {
    const grants = (event: TraceEvent): boolean =>
      event.name === 'SendRequestVoteResponse' && event.msg?.to !== event.nid && !event.msg?.reject;
    const wrong = events.flatMap((event) => {
      const again = withMessage({ ...event, state: { ...event.state } }, { to: '5' });
      return grants(event) ? [event, again] : [event];
    });
    expect(ruleOf(wrong)).toBe('ElectionSafety');
  });

  it('a commit by counting replicas of an older term (figure 8), or without a quorum', () => {
    const wrong = changed(
      events,
      ({ name, state, log }) => name === 'Commit' && state.commit < log,
      (event) => ({ ...event, state: { ...event.state, commit: event.log } }),
    );
    expect(['NeverCommitEntryPrevTerms', 'Commit']).toContain(ruleOf(wrong));
  });

  it('a term that falls', () => {
    const at = events.findLastIndex(named('BecomeFollower'));
    const wrong = events.map((event, position) =>
      position === at ? { ...event, state: { ...event.state, term: 0 } } : event,
    );
    expect(ruleOf(wrong)).toBe('MonotonicTerm');
  });

  it('a log that is longer than it can be', () => {
    const wrong = changed(events, named('Ready'), (event) => ({ ...event, log: event.log + 1 }));
    expect(ruleOf(wrong)).toBe('Ready');
  });

  it('a restart with an older vote (a disk that was rolled back)', () => {
    const restarted = script('restart_keeps_vote_and_log.txt');
    const at = restarted.findLastIndex(named('InitState'));
    const wrong = restarted.map((event, position) =>
      position === at ? { ...event, state: { ...event.state, vote: '0' } } : event,
    );
    expect(ruleOf(restarted)).toBeUndefined();
    expect(ruleOf(wrong)).toBe('Restart');
  });

  it('voters that nobody announced', () => {
    const wrong = changed(events, named('Ready'), (event) => ({ ...event, conf: [['1'], []] }));
    expect(ruleOf(wrong)).toBe('ApplyConfChange');
  });

  it('text that is no trace', () => {
    expect(() => parseTrace('{"tag":"trace","event":{}}')).toThrow('Format');
    expect(() => parseTrace('no json')).toThrow('Format');
    expect(parseTrace('{"tag":"other"}\n')).toEqual([]);
  });
});
