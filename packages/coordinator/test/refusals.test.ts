/** Refusals reach the counters and the log, and streams of other clusters are told apart. */
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import {
  clusterId,
  epoch,
  fromHex,
  incarnationId,
  sha256Hex,
  slotName,
  type Epoch,
} from '@witan/core';
import { ExchangeRequestSchema } from '@witan/protocol';
import { REFUSAL_EVENTS, type PeerIdentity } from '@witan/replica';
import { nodeIdOf } from '@witan/state-machine';
import { Metrics } from '@witan/telemetry';
import { eventLog } from '../src/event-log.ts';
import { memberToWire } from '../src/peers/wire.ts';
import { raftStreams } from '../src/services/raft-streams.ts';

const incarnation = incarnationId('5a'.repeat(32));
const self: PeerIdentity = {
  nodeId: nodeIdOf(incarnation),
  slot: slotName('witan-1'),
  incarnation,
  address: 'witan-1:1',
};
const OWN = clusterId('c1'.repeat(32));
const OPENING = sha256Hex('0f'.repeat(32));

it('each kind of refusal has a counter and a line of its own', () => {
  const counters = new Metrics();
  const lines: string[] = [];
  const event = eventLog({
    counters,
    log: {
      info: (message) => lines.push(`info ${message}`),
      warn: (message) => lines.push(`warn ${message}`),
    },
  });
  event('configuration applied', { voters: 3 });
  for (const message of Object.values(REFUSAL_EVENTS)) event(message, { peer: 'witan-1' });
  expect(lines).toEqual([
    'info configuration applied',
    ...Object.values(REFUSAL_EVENTS).map((message) => `warn ${message}`),
  ]);
  expect(counters.snapshot()).toMatchObject({
    clones_refused: 1,
    zombies_refused: 1,
    foreign_slots_refused: 1,
    foreign_clusters_refused: 1,
    foreign_epochs_refused: 1,
  });
});

it.each([
  ['this cluster and epoch', OWN, epoch(2), OPENING, 'taken'],
  ['another cluster', clusterId('d2'.repeat(32)), epoch(2), OPENING, 'refused'],
  ['an earlier epoch', OWN, epoch(1), OPENING, 'refused'],
  ['another opening of the epoch', OWN, epoch(2), sha256Hex('0e'.repeat(32)), 'refused'],
])('messages for %s are looked at (I7)', async (_name, cluster, era: Epoch, opening, expected) => {
  const seen: string[] = [];
  const streams = raftStreams<unknown>(() => ({
    clusterId: OWN,
    epoch: epoch(2),
    opening: OPENING,
    receive: () => seen.push('taken'),
    refuseForeign: (from, at, when) => {
      expect([from.incarnation, at, when]).toEqual([incarnation, cluster, era]);
      seen.push('refused');
    },
    expectsSnapshot: () => true,
    receiveSnapshot: () => undefined,
  }));
  const batch = create(ExchangeRequestSchema, {
    messages: [Uint8Array.of(1)],
    clusterId: fromHex(cluster),
    epoch: BigInt(era),
    opening: fromHex(opening),
    self: memberToWire(self),
  });
  async function* requests() {
    yield batch;
  }
  const context = { peer: { spkiSha256: incarnation } } as never;
  for await (const answer of streams.exchange(requests(), context)) void answer;
  expect(seen).toEqual([expected]);
});
