import { describe } from 'vitest';
import { RaftEngine, type ConsensusEngine } from '@witan/replica';
import {
  engineCompliance,
  MemoryEngineGroup,
  RecordingDisk,
  RecordingSubscriber,
  seededRandom,
  VirtualScheduler,
  type EngineGroup,
  type EngineMember,
} from '@witan/testkit';

async function settleOn<Value>(
  scheduler: VirtualScheduler,
  promise: Promise<Value>,
): Promise<Value> {
  let done = false;
  const watched = promise.finally(() => {
    done = true;
  });
  watched.catch(() => undefined);
  await scheduler.run(20_000, () => done);
  return watched;
}

function raftGroup(nodeIds: readonly number[]): Promise<EngineGroup> {
  const scheduler = new VirtualScheduler();
  const random = seededRandom(7);
  const engines = new Map<number, RaftEngine>();
  const members: EngineMember[] = [];
  const start = (nodeId: number, isFounder: boolean): EngineMember => {
    const subscriber = new RecordingSubscriber();
    const configuration = { voters: nodeIds, votersOutgoing: [], learners: [] };
    const engine = new RaftEngine({
      nodeId,
      bootstrap: isFounder ? { configuration, snapshot: subscriber.snapshot() } : undefined,
      subscriber,
      durable: new RecordingDisk(),
      sink: {
        send: (to, messages) => {
          scheduler.after(1, () => {
            for (const message of messages) engines.get(to)?.receive(nodeId, message);
          });
          return engines.has(to);
        },
      },
      scheduler,
      randomInt: (bound) => (random.bytes(1)[0] ?? 0) % bound,
      snapshotOpensJournal: () => true,
      fatal: (error) => {
        throw error;
      },
    });
    engines.set(nodeId, engine);
    return { nodeId, engine, subscriber };
  };
  for (const nodeId of nodeIds) members.push(start(nodeId, true));
  return Promise.resolve({
    members,
    add: (nodeId) => start(nodeId, false),
    settle: (promise) => settleOn(scheduler, promise),
    until: (condition) => scheduler.run(20_000, condition),
    stop: async () => {
      await Promise.all([...engines.values()].map((engine) => engine.stop()));
    },
  });
}

function memoryGroup(nodeIds: readonly number[]): Promise<EngineGroup> {
  const group = new MemoryEngineGroup(nodeIds);
  const engines: ConsensusEngine[] = [];
  const start = (nodeId: number): EngineMember => {
    const subscriber = new RecordingSubscriber();
    const engine = group.join(nodeId, subscriber);
    engines.push(engine);
    return { nodeId, engine, subscriber };
  };
  return Promise.resolve({
    members: nodeIds.map(start),
    add: start,
    settle: (promise) => promise,
    until: (condition) => Promise.resolve(condition()),
    stop: async () => {
      await Promise.all(engines.map((engine) => engine.stop()));
    },
  });
}

describe('the Raft engine', () => {
  engineCompliance(raftGroup);
});

describe('the engine fake', () => {
  engineCompliance(memoryGroup);
});
