/** Wires a replica of the benchmark. See replica-main.ts. */
import {
  clusterId,
  describeError,
  epoch,
  incarnationId,
  sha256Hex,
  slotName,
  type IncarnationId,
} from '@witan/core';
import {
  PeerNetwork,
  nodeScheduler,
  raftStreams,
  type NetworkOptions,
  type RaftMember,
} from '@witan/coordinator/testing';
import { nodeCrypto } from '@witan/keys';
import { PeerService } from '@witan/protocol';
import {
  LogChain,
  RaftEngine,
  type ClusterLife,
  type DurableLog,
  type EngineTuning,
  type PeerIdentity,
} from '@witan/replica';
import { serviceRegistration, type Handlers } from '@witan/transport';
import { dangerConnectPlain, dangerServePlain } from '@witan/transport/testing';
import {
  PATHS,
  bytesAt,
  decodeFields,
  encodeFields,
  encodeHeader,
  encodePairMessage,
  numberAt,
} from './etcd-wire.ts';
import { serveUnary, type UnaryHandler } from './grpc-front.ts';
import { openJournalLog, type SyncCounts } from './journal-log.ts';
import { KvStore, encodePair } from './kv-store.ts';

/** What a replica is started with. */
export interface ReplicaSettings {
  /** 1 to `peerPorts.length`. */
  readonly id: number;
  readonly directory: string;
  readonly clientPort: number;
  /** At [receiver - 1][sender - 1] the port on which one replica listens for another. */
  readonly peerPorts: readonly (readonly number[])[];
  readonly tuning?: Partial<EngineTuning>;
  /** All members, who found the group alike. */
  readonly voters: readonly number[];
}

/** What a replica says about itself. */
export interface ReplicaFigures {
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** Outside of the heap, for byte arrays. */
  readonly bufferBytes: number;
  readonly keys: number;
  readonly term: number;
  readonly syncs: number;
  readonly records: number;
  readonly syncMs: number;
  /** Longest time in which the event loop did not turn since the last question, milliseconds. */
  readonly stallMs: number;
  readonly events: readonly string[];
}

const CLUSTER: ClusterLife = {
  clusterId: clusterId('be'.repeat(32)),
  epoch: epoch(1),
  opening: sha256Hex('0'.repeat(64)),
};
const TIMEOUT_MS = 10_000;
const STALL_LOOK_MS = 10;
const EVENTS_MAX = 100;

/** Every replica has the identity that its number gives it: nobody checks it here. */
function identityOf(id: number): PeerIdentity {
  const incarnation: IncarnationId = incarnationId(String(id).padStart(2, '0').repeat(32));
  return { nodeId: id, slot: slotName(`witan-${id}`), incarnation, address: '' };
}

/** A running replica. */
export interface RunningReplica {
  figures(): ReplicaFigures;
}

/** Starts it; it runs until the process ends. */
export async function runReplica(
  settings: ReplicaSettings & { readonly randomInt: (bound: number) => number },
): Promise<RunningReplica> {
  const { id } = settings;
  const counts: SyncCounts = { syncs: 0, records: 0, bytes: 0, totalMs: 0 };
  const events: string[] = [];
  const onEvent = (event: string, fields: object): void => {
    events.push(`${event} ${JSON.stringify(fields)}`);
    if (events.length > EVENTS_MAX) events.shift();
  };
  const store = new KvStore();
  const durable = await openJournalLog(settings.directory, counts);
  const network: PeerNetwork = createNetwork(settings, onEvent, (peer) => {
    engine.reportUnreachable(peer.nodeId);
  });
  const engine: RaftEngine = createEngine({ settings, store, durable, network, onEvent });
  await servePeers(settings, engine);
  await serveUnary(settings.clientPort, callsOf(id, engine, store));
  const stall = watchStalls();
  const figures = (): ReplicaFigures => {
    const { heapUsed, rss, arrayBuffers } = process.memoryUsage();
    return {
      heapBytes: heapUsed,
      rssBytes: rss,
      bufferBytes: arrayBuffers,
      keys: store.size,
      term: engine.status().term,
      syncs: counts.syncs,
      records: counts.records,
      syncMs: counts.totalMs,
      stallMs: stall(),
      events,
    };
  };
  return { figures };
}

function othersOf({ id, peerPorts }: ReplicaSettings): readonly number[] {
  return peerPorts.map((_, at) => at + 1).filter((other) => other !== id);
}

function createNetwork(
  settings: ReplicaSettings,
  onEvent: NetworkOptions['onEvent'],
  onLost: NetworkOptions['onLost'],
): PeerNetwork {
  const { id, peerPorts } = settings;
  const others = othersOf(settings);
  const addressOf = (other: number): string => `127.0.0.1:${peerPorts[other - 1]?.[id - 1] ?? 0}`;
  return new PeerNetwork({
    self: identityOf(id),
    addresses: new Map(others.map((other) => [identityOf(other).slot, addressOf(other)])),
    connect: (address) => {
      const other = others.find((one) => addressOf(one) === address) ?? 0;
      return dangerConnectPlain(address, identityOf(other).incarnation);
    },
    cluster: () => CLUSTER,
    onLost,
    onEvent,
  });
}

function createEngine(parts: {
  readonly settings: ReplicaSettings & { readonly randomInt: (bound: number) => number };
  readonly store: KvStore;
  readonly durable: DurableLog;
  readonly network: PeerNetwork;
  readonly onEvent: NetworkOptions['onEvent'];
}): RaftEngine {
  const { settings, store, network } = parts;
  const voters = [...settings.voters];
  const configuration = { voters, votersOutgoing: [], learners: [] };
  return new RaftEngine({
    nodeId: settings.id,
    bootstrap: { configuration, snapshot: store.snapshot() },
    subscriber: store,
    durable: parts.durable,
    sink: {
      send: (to, messages, lane) => network.send(identityOf(to), messages, lane),
      sendSnapshot: (to, parcel) => network.sendSnapshot(identityOf(to), parcel),
    },
    chain: new LogChain((...parts) => nodeCrypto.hash('sha256', ...parts)),
    scheduler: nodeScheduler,
    randomInt: settings.randomInt,
    snapshotOpensJournal: () => true,
    fatal: (error) => {
      process.stderr.write(`${describeError(error)}\n`);
      process.exit(1);
    },
    onEvent: parts.onEvent,
    ...(settings.tuning === undefined ? {} : { tuning: settings.tuning }),
  });
}

/** A port for each of the others, which takes the place of the proof of who they are. */
async function servePeers(settings: ReplicaSettings, engine: RaftEngine): Promise<void> {
  const member: RaftMember = {
    ...CLUSTER,
    receive: (from, messages) => {
      for (const message of messages) engine.receive(from.nodeId, message);
    },
    refuseForeign: () => undefined,
    expectsSnapshot: () => true,
    receiveSnapshot: ({ from, message, state }) => {
      engine.receiveSnapshot(from.nodeId, message, state);
    },
  };
  for (const other of othersOf(settings)) {
    const handlers = { ...UNUSED, ...raftStreams(() => member) };
    const service = serviceRegistration<typeof PeerService>(PeerService, handlers);
    const port = settings.peerPorts[settings.id - 1]?.[other - 1] ?? 0;
    await dangerServePlain(port, identityOf(other).incarnation, [service]);
  }
}

const notHere = (): Promise<never> => Promise.reject(new Error('not part of the benchmark'));
const UNUSED: Pick<
  Handlers<typeof PeerService>,
  | 'greet'
  | 'deliverGenesis'
  | 'join'
  | 'execute'
  | 'confirmLog'
  | 'recover'
  | 'deliverReopening'
  | 'deliverSeed'
> = {
  greet: notHere,
  deliverGenesis: notHere,
  join: notHere,
  execute: notHere,
  confirmLog: notHere,
  recover: notHere,
  deliverReopening: notHere,
  deliverSeed: notHere,
};

/** etcd's calls, as far as the benchmark makes them. */
function callsOf(
  id: number,
  engine: RaftEngine,
  store: KvStore,
): ReadonlyMap<string, UnaryHandler> {
  const wait = { timeoutMs: TIMEOUT_MS };
  const header = (revision: number, term = 1): readonly [number, Uint8Array] => [
    1,
    encodeHeader(BigInt(id), revision, term),
  ];
  const put: UnaryHandler = async (request) => {
    const fields = decodeFields(request);
    const command = encodePair(bytesAt(fields, 1), bytesAt(fields, 2));
    const { index } = await engine.propose(command, { ...wait, opensJournal: true });
    return encodeFields([header(index)]);
  };
  const range: UnaryHandler = async (request) => {
    const key = bytesAt(decodeFields(request), 1);
    const index = await engine.readBarrier(wait);
    const value = store.get(key);
    if (value === undefined) return encodeFields([header(index)]);
    return encodeFields([header(index), [2, encodePairMessage(key, value)], [4, 1n]]);
  };
  const status: UnaryHandler = () => {
    const { leaderId, term } = engine.status();
    const fields = [header(1, term), [4, BigInt(leaderId)], [6, BigInt(term)]] as const;
    return Promise.resolve(encodeFields(fields));
  };
  const moveLeader: UnaryHandler = (request) => {
    engine.transferLeadership(Number(numberAt(decodeFields(request), 1)));
    return Promise.resolve(encodeFields([header(1)]));
  };
  return new Map([
    [PATHS.put, put],
    [PATHS.range, range],
    [PATHS.status, status],
    [PATHS.moveLeader, moveLeader],
  ]);
}

/** @returns the longest stall of the event loop since it was asked last, in milliseconds */
function watchStalls(): () => number {
  let lastMs = performance.now();
  let longestMs = 0;
  setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs - STALL_LOOK_MS);
    lastMs = nowMs;
  }, STALL_LOOK_MS).unref();
  return () => {
    const answer = longestMs;
    longestMs = 0;
    return answer;
  };
}
