/** Snapshots in chunks: whole, resumed, and refused where something does not fit. */
import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { fromHex, incarnationId, slotName } from '@witan/core';
import {
  SendSnapshotRequestSchema,
  SendSnapshotResponseSchema,
  type SendSnapshotRequest,
  type SendSnapshotResponse,
} from '@witan/protocol';
import type { ArrivedSnapshot, PeerIdentity, SnapshotOutcome } from '@witan/replica';
import { nodeIdOf } from '@witan/state-machine';
import { RemoteError, type ResponseStream } from '@witan/transport';
import { CHUNK_BYTES, SNAPSHOT_BYTES_MAX, WINDOW_BYTES } from '../src/peers/snapshot-chunks.ts';
import { SnapshotInbox } from '../src/peers/snapshot-in.ts';
import { sendSnapshot, type SnapshotOutOptions } from '../src/peers/snapshot-out.ts';
import { memberToWire } from '../src/peers/wire.ts';

const incarnation = incarnationId('ab'.repeat(32));
const self: PeerIdentity = {
  nodeId: nodeIdOf(incarnation),
  slot: slotName('witan-0'),
  incarnation,
  address: 'host:1',
};
const origin = { clusterId: fromHex('cd'.repeat(32)), epoch: 1n, self: memberToWire(self) };
const message = Uint8Array.of(1, 2, 3);
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface Receiver {
  readonly inbox: SnapshotInbox;
  readonly arrived: ArrivedSnapshot[];
  nowMs: number;
}

function receiver(expects = true): Receiver {
  const arrived: ArrivedSnapshot[] = [];
  const made = { nowMs: 0 };
  const inbox = new SnapshotInbox({
    expects: () => expects,
    onArrived: (snapshot) => arrived.push(snapshot),
    now: () => made.nowMs,
  });
  return Object.assign(made, { inbox, arrived });
}

/** Runs a transfer against an inbox; `breakAt` ends streams once they have carried so much. */
function transfer(
  state: Uint8Array,
  to: Receiver,
  breakAt: readonly number[] = [],
): {
  outcome: Promise<SnapshotOutcome>;
  starts: number[];
  seen: { aheadMax: number; sent: number };
} {
  const starts: number[] = [];
  const seen = { aheadMax: 0, sent: 0 };
  const breaks = [...breakAt];
  const open: SnapshotOutOptions['open'] = (requests) => {
    const breakAfter = breaks.shift();
    let held = 0;
    async function* counted(): AsyncGenerator<SendSnapshotRequest> {
      for await (const init of requests) {
        const request = create(SendSnapshotRequestSchema, init);
        const end = Number(request.offset) + request.chunk.byteLength;
        seen.sent += request.chunk.byteLength;
        seen.aheadMax = Math.max(seen.aheadMax, end - held);
        if (breakAfter !== undefined && end > breakAfter) throw new Error('line lost');
        yield request;
      }
    }
    async function* responses(): AsyncGenerator<SendSnapshotResponse> {
      let isFirst = true;
      for await (const { nextOffset } of to.inbox.receive(counted(), incarnation)) {
        if (isFirst) starts.push(Number(nextOffset));
        isFirst = false;
        held = Number(nextOffset);
        yield create(SendSnapshotResponseSchema, { nextOffset });
      }
    }
    const stream: ResponseStream<SendSnapshotResponse> = {
      cancel: () => undefined,
      [Symbol.asyncIterator]: responses,
    };
    return Promise.resolve(stream);
  };
  const options = { parcel: { message, state }, origin, open, onBroken: () => undefined };
  return { outcome: sendSnapshot(options).finished, starts, seen };
}

describe('a snapshot', () => {
  it.each([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 9 * CHUNK_BYTES - 1])(
    'of %i bytes arrives as it was sent, within the window',
    async (byteLength) => {
      const to = receiver();
      const state = randomBytes(byteLength);
      const { outcome, seen } = transfer(state, to);
      expect(await outcome).toBe('arrived');
      expect(to.arrived).toHaveLength(1);
      expect(hashOf(to.arrived[0]?.state ?? new Uint8Array(1))).toBe(hashOf(state));
      expect(to.arrived[0]?.message).toEqual(message);
      expect(seen.aheadMax).toBeLessThanOrEqual(WINDOW_BYTES + CHUNK_BYTES);
    },
  );

  it('goes on behind a broken stream where it stopped', async () => {
    const to = receiver();
    const state = randomBytes(40 * CHUNK_BYTES);
    const { outcome, starts, seen } = transfer(state, to, [10 * CHUNK_BYTES, 25 * CHUNK_BYTES]);
    expect(await outcome).toBe('arrived');
    expect(hashOf(to.arrived[0]?.state ?? new Uint8Array(1))).toBe(hashOf(state));
    expect(starts).toEqual([0, 10 * CHUNK_BYTES, 25 * CHUNK_BYTES]);
    // What was under way when a stream broke is all that travels twice.
    expect(seen.sent).toBeLessThanOrEqual(state.byteLength + 2 * WINDOW_BYTES);
  });

  it('goes as a message to a peer that knows no such stream', async () => {
    const open = () => Promise.reject(new RemoteError('UNIMPLEMENTED', undefined));
    const parcel = { message, state: new Uint8Array(10) };
    const { finished } = sendSnapshot({ parcel, origin, open, onBroken: () => undefined });
    expect(await finished).toBe('unsupported');
  });

  it('is given up when it is cancelled', async () => {
    const open = () => Promise.reject(new Error('no way'));
    const parcel = { message, state: new Uint8Array(10) };
    const sent = sendSnapshot({ parcel, origin, open, onBroken: () => undefined });
    sent.cancel();
    expect(await sent.finished).toBe('failed');
  });
});

describe('a receiver of snapshots', () => {
  const header = (more: object = {}) => ({
    header: { ...origin, transferId: new Uint8Array(16), message, sizeBytes: 100_000n, ...more },
  });
  const chunk = (offset: number, byteLength: number, crc?: number) => {
    const bytes = new Uint8Array(byteLength);
    const whole = crc32(new Uint8Array(offset + byteLength));
    return { offset: BigInt(offset), chunk: bytes, crc32: crc ?? whole };
  };
  const run = async (
    to: Receiver,
    requests: readonly object[],
    caller: string = incarnation,
  ): Promise<number[]> => {
    async function* all(): AsyncGenerator<SendSnapshotRequest> {
      for (const request of requests) yield create(SendSnapshotRequestSchema, request);
    }
    const offsets: number[] = [];
    for await (const { nextOffset } of to.inbox.receive(all(), caller)) {
      offsets.push(Number(nextOffset));
    }
    return offsets;
  };

  it.each([
    [
      'another sender than its channel proved (I1)',
      [header()],
      'IDENTITY_MISMATCH',
      'cd'.repeat(32),
    ],
    [
      'a size above the limit',
      [header({ sizeBytes: BigInt(SNAPSHOT_BYTES_MAX) + 1n })],
      'SNAPSHOT_TOO_LARGE',
    ],
    ['no header', [chunk(0, 10)], 'COORDINATOR_WIRE_MALFORMED'],
    ['a gap', [header(), chunk(CHUNK_BYTES, 100_000 - CHUNK_BYTES)], 'SNAPSHOT_UNEXPECTED'],
    ['a short chunk in the middle', [header(), chunk(0, 10)], 'SNAPSHOT_UNEXPECTED'],
    ['an empty chunk', [header(), chunk(0, 0)], 'SNAPSHOT_UNEXPECTED'],
    ['a wrong checksum', [header(), chunk(0, CHUNK_BYTES, 1)], 'SNAPSHOT_UNEXPECTED'],
    ['more than was announced', [header({ sizeBytes: 10n }), chunk(0, 11)], 'SNAPSHOT_UNEXPECTED'],
  ])('refuses %s', async (_, requests, code, caller: string = incarnation) => {
    const to = receiver();
    await expect(run(to, requests, caller)).rejects.toMatchObject({ code });
    expect(to.arrived).toEqual([]);
  });

  it('refuses whom it does not expect, before it sets memory aside', async () => {
    await expect(run(receiver(false), [header()])).rejects.toMatchObject({
      code: 'SNAPSHOT_UNEXPECTED',
    });
  });

  it('keeps two transfers at most, and forgets those that broke off long ago', async () => {
    const to = receiver();
    const from = (digit: string) => {
      const other = incarnationId(digit.repeat(64));
      const peer = { ...self, incarnation: other, nodeId: nodeIdOf(other) };
      return run(to, [header({ self: memberToWire(peer) })], other);
    };
    expect(await from('1')).toEqual([0]);
    expect(await from('2')).toEqual([0]);
    await expect(from('3')).rejects.toMatchObject({ code: 'TOO_MANY_SNAPSHOTS' });
    to.nowMs = 60_000;
    expect(await from('3')).toEqual([0]);
  });
});
