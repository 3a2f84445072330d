import { expect, it } from 'vitest';
import { MemoryStorage, RaftError, RawNode, makeMessage, nodeId, type Storage } from 'raft-ts';

it('asks again later when storage has no snapshot to give now', () => {
  const log = new MemoryStorage();
  const confState = {
    voters: [nodeId(1), nodeId(2)],
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  log.applySnapshot({ data: new Uint8Array(0), metadata: { index: 5, term: 1, confState } });
  log.setHardState({ term: 1, vote: 0 as never, commit: 5 });
  let available = false;
  let asked = 0;
  const storage: Storage = {
    initialState: () => log.initialState(),
    entries: (lo, hi, maxBytes) => log.entries(lo, hi, maxBytes),
    term: (index) => log.term(index),
    firstIndex: () => log.firstIndex(),
    lastIndex: () => log.lastIndex(),
    snapshot: () => {
      asked += 1;
      if (available) return log.snapshot();
      throw new RaftError('RAFT_SNAPSHOT_TEMPORARILY_UNAVAILABLE', 'still being made');
    },
  };
  const node = new RawNode({
    id: nodeId(1),
    electionTicks: 10,
    heartbeatTicks: 1,
    storage,
    applied: 5,
    preVote: false,
    checkQuorum: false,
    randomInt: () => 0,
  });
  const sent = (): string[] => {
    const types: string[] = [];
    while (node.hasReady()) {
      const ready = node.ready();
      if (ready.hardState !== undefined) log.setHardState(ready.hardState);
      log.append(ready.entries);
      types.push(...ready.messages.map(({ type }) => type));
      node.advance();
    }
    return types;
  };
  node.campaign();
  sent();
  const from = { from: nodeId(2), to: nodeId(1), term: 2 };
  node.step(makeMessage({ ...from, type: 'MsgVoteResp' }));
  sent();
  // The follower has nothing: only a snapshot can bring it up to date.
  node.step(makeMessage({ ...from, type: 'MsgAppResp', index: 5, reject: true, rejectHint: 0 }));
  expect(sent()).not.toContain('MsgSnap');
  expect(asked).toBeGreaterThan(0);
  available = true;
  node.step(makeMessage({ ...from, type: 'MsgHeartbeatResp' }));
  expect(sent()).toContain('MsgSnap');
});
