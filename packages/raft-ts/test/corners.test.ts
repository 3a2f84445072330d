/** Corners that seeded bugs showed to be untested. Each test fails if its rule is broken. */
import { describe, expect, it } from 'vitest';
import { makeMessage, nodeId, type ConfChange, type Entry, type Message } from '../src/index.ts';
import { Unstable } from '../src/log/unstable.ts';
import { bytes, text } from './support/ids.ts';
import { Network } from './support/network.ts';

const notTo = (id: number) => (message: Message) => message.to !== id;

function changeOf(type: ConfChange['type'], id: number): ConfChange {
  return { type, nodeId: nodeId(id), context: bytes('') };
}

/** Proposes and settles without node 3, which thereby falls behind. */
function proposeWithout3(network: Network, ...values: readonly string[]): void {
  for (const value of values) network.raw(1).propose(bytes(value));
  network.settle(notTo(3));
}

function compact(network: Network, id: number): void {
  const { raw, storage } = network.node(id);
  const { applied } = raw.basicStatus();
  storage.createSnapshot(applied, undefined, bytes(''));
  storage.compact(applied);
}

describe('a transfer of leadership', () => {
  it('succeeds although every member hears from the leader (CheckQuorum)', () => {
    const network = new Network(3, { checkQuorum: true });
    network.elect(1);
    network.raw(1).transferLeader(nodeId(2));
    network.settle();
    expect(network.raw(2).basicStatus()).toMatchObject({ role: 'StateLeader', term: 3 });
  });

  it('waits until the target has acknowledged the last of several appends', () => {
    const network = new Network(3, { maxSizePerMessageBytes: 0 });
    network.elect(1);
    proposeWithout3(network, 'a', 'b', 'c');
    network.raw(1).transferLeader(nodeId(3));
    const reachedAtOrder: number[] = [];
    network.settle((message) => {
      if (message.type === 'MsgTimeoutNow') {
        reachedAtOrder.push(network.node(3).storage.lastIndex());
      }
      return true;
    });
    expect(reachedAtOrder).toEqual([5]);
    expect(network.raw(3).basicStatus().role).toBe('StateLeader');
  });

  it('to a learner does not start', () => {
    const network = new Network(3);
    network.elect(1);
    network.raw(1).applyConfChange(changeOf('add-learner', 3));
    network.raw(1).transferLeader(nodeId(3));
    expect(network.flush(1).filter(({ type }) => type === 'MsgTimeoutNow')).toEqual([]);
    expect(() => network.raw(1).propose(bytes('a'))).not.toThrow();
  });

  it('ends when its target is removed', () => {
    const network = new Network(3);
    network.elect(1);
    proposeWithout3(network, 'a');
    network.raw(1).transferLeader(nodeId(3));
    expect(() => network.raw(1).propose(bytes('b'))).toThrow('proposal was not taken');
    network.raw(1).applyConfChange(changeOf('remove', 3));
    expect(() => network.raw(1).propose(bytes('c'))).not.toThrow();
  });
});

describe('a change of membership', () => {
  it('commits at once what the smaller quorum holds', () => {
    const network = new Network(4);
    network.elect(1);
    network.raw(1).propose(bytes('a'));
    network.settle((message) => message.to <= 2);
    expect(network.raw(1).basicStatus().commit).toBe(2);
    network.raw(1).applyConfChange(changeOf('remove', 4));
    expect(network.raw(1).basicStatus().commit).toBe(3);
  });

  it('that is joint has reads confirmed by both majorities (I5)', () => {
    const network = new Network(3);
    network.elect(1);
    const changes = [changeOf('add-voter', 4), changeOf('add-voter', 5), changeOf('remove', 2)];
    network.raw(1).applyConfChange({
      transition: 'explicit',
      changes: [...changes, changeOf('remove', 3)],
      context: bytes(''),
    });
    network.raw(1).readIndex(bytes('read'));
    const heartbeat = network.flush(1).find(({ type }) => type === 'MsgHeartbeat');
    const respond = (from: number): void => {
      const fields = { from: nodeId(from), term: 2, context: heartbeat?.context ?? bytes('') };
      network.raw(1).step(makeMessage({ type: 'MsgHeartbeatResp', to: nodeId(1), ...fields }));
      network.flush(1);
    };
    respond(4);
    respond(5);
    expect(network.node(1).reads).toEqual([]);
    respond(2);
    expect(network.node(1).reads).toHaveLength(1);
  });
});

it('a read of an earlier leadership is not answered in a later one (I5)', () => {
  const network = new Network(3);
  network.elect(1);
  const notTo1 = (message: Message): boolean => message.to !== 1;
  network.raw(2).campaign();
  network.settle(notTo1);
  network.raw(2).propose(bytes('newer'));
  network.settle(notTo1);
  // Deposed without knowing it, 1 takes a read at its own, older commit index.
  network.raw(1).readIndex(bytes('old'));
  network.settle(() => false);
  network.raw(2).tick();
  network.settle();
  network.elect(1);
  network.raw(1).readIndex(bytes('new'));
  network.settle();
  expect(network.node(1).reads.map((read) => text(read.requestContext))).toEqual(['new']);
});

describe('snapshots', () => {
  it('are not sent to a member that was silent for an election timeout', () => {
    const network = new Network(3, { checkQuorum: true });
    network.elect(1);
    proposeWithout3(network, 'a');
    compact(network, 1);
    for (let i = 0; i < 25; i += 1) {
      network.raw(1).tick();
      network.settle(notTo(3));
    }
    expect(network.raw(1).status().progress.get(nodeId(3))?.recentActive).toBe(false);
    network.raw(1).reportUnreachable(nodeId(3));
    network.raw(1).propose(bytes('b'));
    const sent = network.flush(1).map(({ type, to }) => `${type} to ${to}`);
    expect(sent).not.toContain('MsgSnap to 3');
    expect(sent).toContain('MsgApp to 2');
  });

  it('are waited for when an acknowledgement does not connect to the log', () => {
    const network = new Network(3);
    network.elect(1);
    proposeWithout3(network, 'a', 'b', 'c');
    compact(network, 1);
    network.raw(1).reportUnreachable(nodeId(3));
    network.raw(1).propose(bytes('d'));
    expect(network.flush(1).filter(({ type }) => type === 'MsgSnap')).toHaveLength(1);
    const late = { from: nodeId(3), term: 2, index: 3 };
    network.raw(1).step(makeMessage({ type: 'MsgAppResp', to: nodeId(1), ...late }));
    expect(network.flush(1).filter(({ to }) => to === 3)).toEqual([]);
    expect(network.raw(1).status().progress.get(nodeId(3))?.state).toBe('StateSnapshot');
  });
});

it('an append from before the commit index is answered with the commit index', () => {
  const network = new Network(3);
  network.elect(1);
  network.raw(1).propose(bytes('a'));
  network.settle();
  const old = { from: nodeId(1), term: 2, index: 1, logTerm: 1 };
  network.raw(2).step(makeMessage({ type: 'MsgApp', to: nodeId(2), ...old }));
  expect(network.flush(2)).toMatchObject([{ type: 'MsgAppResp', index: 3, reject: false }]);
});

it('entries that replace the middle of what is being written cut the rest, and are written', () => {
  const entry = (term: number, index: number): Entry => {
    return { term, index, type: 'EntryNormal', data: bytes('') };
  };
  const unstable = new Unstable(5);
  unstable.truncateAndAppend([entry(1, 5), entry(1, 6), entry(1, 7)]);
  unstable.acceptInProgress();
  unstable.truncateAndAppend([entry(2, 6)]);
  expect(unstable.lastIndex()).toBe(6);
  expect(unstable.slice(5, 7, 1000)).toEqual([entry(1, 5), entry(2, 6)]);
  expect(unstable.nextEntries()).toEqual([entry(2, 6)]);
});
