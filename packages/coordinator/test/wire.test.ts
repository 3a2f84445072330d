/** Peer messages: what goes out comes back, and nothing else is believed. */
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  epoch,
  generation,
  Secret,
  sha256Hex,
  slotName,
  clusterId,
  incarnationId,
} from '@witan/core';
import { NO_TRANSITION } from '@witan/manifest';
import { ExecuteRequestSchema, JoinResponseSchema, StandingSchema } from '@witan/protocol';
import type { JoinAnswer, PeerIdentity, Standing } from '@witan/replica';
import { nodeIdOf, requestKey } from '@witan/state-machine';
import { PeerNetwork } from '../src/peers/network.ts';
import { Outbox } from '../src/peers/outbox.ts';
import {
  joinAnswerFromWire,
  joinAnswerToWire,
  operationFromWire,
  operationToWire,
  standingFromWire,
  standingToWire,
  toNumber,
} from '../src/peers/wire.ts';
import { decodeResult, encodeResult, type Operation } from '../src/operations.ts';

const incarnation = incarnationId('ab'.repeat(32));
const self: PeerIdentity = {
  nodeId: nodeIdOf(incarnation),
  slot: slotName('witan-0'),
  incarnation,
  address: 'host:1',
};

describe('the peer protocol', () => {
  it('carries standings', () => {
    const standing: Standing = {
      kind: 'member',
      self,
      slots: [slotName('witan-0')],
      cluster: {
        clusterId: clusterId('cd'.repeat(32)),
        epoch: epoch(2),
        opening: sha256Hex('0f'.repeat(32)),
        appliedIndex: 7,
        members: [self],
        leader: self,
      },
    };
    expect(standingFromWire(standingToWire(standing))).toEqual(standing);
  });

  it('carries every answer to a newcomer, the seed among them (I1)', () => {
    const answers: JoinAnswer[] = [
      { kind: 'not-leader', leader: self },
      { kind: 'busy', code: 'SWAP_UNDER_WAY' },
      { kind: 'refused', code: 'SLOTS_DIFFER' },
    ];
    for (const answer of answers) {
      expect(joinAnswerFromWire(create(JoinResponseSchema, joinAnswerToWire(answer)))).toEqual(
        answer,
      );
    }
    const seed = new Secret(new Uint8Array(32).fill(7));
    const admitted = joinAnswerFromWire(
      create(
        JoinResponseSchema,
        joinAnswerToWire({
          kind: 'admitted',
          clusterId: clusterId('cd'.repeat(32)),
          epoch: epoch(1),
          opening: NO_TRANSITION,
          seed,
          slots: [slotName('witan-0')],
          members: [self],
        }),
      ),
    );
    expect(admitted.kind === 'admitted' && admitted.seed.equals(seed)).toBe(true);
  });

  it('carries operations and results', () => {
    const approval = {
      ownerFingerprint: sha256Hex('11'.repeat(32)),
      signature: new Uint8Array(80),
    };
    const common = {
      kind: 'approve',
      requestKey: requestKey(new Uint8Array(16).fill(4)),
      previousTransition: sha256Hex('00'.repeat(32)),
      approval,
    } as const;
    const step = { target: 'secret', name: 'queue' } as const;
    const slots = [slotName('witan-0')];
    const operations: Operation[] = [
      { ...common, action: { kind: 'rotation', number: 3, step } },
      { ...common, action: { kind: 'slots', number: 2, slots } },
      { ...common, action: { kind: 'manifest', manifest: Uint8Array.of(7) } },
      { kind: 'withdraw', proposal: sha256Hex('12'.repeat(32)), revocation: approval },
      {
        kind: 'rotate',
        requestKey: requestKey(new Uint8Array(16).fill(3)),
        previousTransition: sha256Hex('00'.repeat(32)),
        number: 4,
        step: { target: 'root', step: 'activate', force: true },
        approvals: [
          { ownerFingerprint: sha256Hex('11'.repeat(32)), signature: new Uint8Array(64) },
        ],
      },
      {
        kind: 'set-manifest',
        requestKey: requestKey(new Uint8Array(16).fill(1)),
        manifest: Uint8Array.of(1, 2),
        previousTransition: sha256Hex('00'.repeat(32)),
        approvals: [
          { ownerFingerprint: sha256Hex('11'.repeat(32)), signature: new Uint8Array(64) },
        ],
      },
      {
        kind: 'issue',
        requestKey: requestKey(new Uint8Array(16).fill(2)),
        workload: 'web',
        spkiSha256: sha256Hex('22'.repeat(32)),
        evidenceSha256: sha256Hex('33'.repeat(32)),
        generation: generation(4),
        measurement: 'ab'.repeat(48),
        servedBy: slotName('witan-0'),
      },
    ];
    for (const operation of operations) {
      expect(operationFromWire(operationToWire(operation))).toEqual(operation);
    }
    const result = { kind: 'unknown-workload', workload: 'web' } as const;
    expect(decodeResult(encodeResult(result))).toEqual(result);
  });

  it.each([
    ['a standing of no kind', () => standingFromWire(create(StandingSchema, {}))],
    ['no standing', () => standingFromWire(undefined)],
    ['a join answer of no kind', () => joinAnswerFromWire(create(JoinResponseSchema, {}))],
    ['no operation', () => operationFromWire(create(ExecuteRequestSchema, {}))],
    [
      'an approval of no action',
      () =>
        operationFromWire(
          create(ExecuteRequestSchema, {
            operation: {
              case: 'approve',
              value: { requestKey: new Uint8Array(16), previousTransition: new Uint8Array(32) },
            },
          }),
        ),
    ],
    ['a number above 2^53', () => toNumber(2n ** 53n)],
    ['a result that is no object', () => decodeResult(Uint8Array.of(0x31))],
    ['a result that is no JSON', () => decodeResult(Uint8Array.of(0x7b))],
  ])('refuses %s', (_, read) => {
    expect(read).toThrow(expect.objectContaining({ code: 'COORDINATOR_WIRE_MALFORMED' }) as Error);
  });
});

it('says which slot cannot be reached', async () => {
  const network = new PeerNetwork({
    self,
    addresses: new Map(),
    connect: () => Promise.reject(new Error('not reached')),
    cluster: () => undefined,
    onLost: () => undefined,
    onEvent: () => undefined,
  });
  const greeting = network.greet(slotName('witan-1'), { kind: 'new', self, slots: [self.slot] });
  await expect(greeting).rejects.toMatchObject({
    code: 'COORDINATOR_PEER_UNREACHABLE',
    fields: { slot: 'witan-1' },
  });
  expect(network.send(self, [], 'bulk')).toBe(false);
  network.close();
});

describe('an outbox', () => {
  it('gives everything in order, joined into batches', async () => {
    const outbox = new Outbox();
    for (let i = 0; i < 10; i += 1) outbox.push([Uint8Array.of(i)]);
    const iterator = outbox[Symbol.asyncIterator]();
    const first = await iterator.next();
    const batch: readonly Uint8Array[] = first.done === true ? [] : first.value;
    expect(batch.map(([byte]) => byte)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    outbox.push([Uint8Array.of(10)]);
    expect((await iterator.next()).value).toEqual([Uint8Array.of(10)]);
    outbox.close();
    expect((await iterator.next()).done).toBe(true);
  });

  it('drops what a peer does not take, instead of growing without bound (I10)', () => {
    const outbox = new Outbox();
    const large = new Uint8Array(64 * 1024 * 1024);
    expect(outbox.push([large])).toBe(true);
    expect(outbox.push([large])).toBe(true);
    expect(outbox.push([large])).toBe(false);
  });
});
