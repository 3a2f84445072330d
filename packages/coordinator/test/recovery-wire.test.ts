/** What replicas without a working cluster tell each other: there and back, and within limits. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  clusterId,
  epoch,
  fromHex,
  generation,
  incarnationId,
  Secret,
  sha256Hex,
  slotName,
} from '@witan/core';
import { NO_TRANSITION, RECOVERY_HEADER_BYTES_MAX } from '@witan/manifest';
import {
  DeliverReopeningRequestSchema,
  RecoveryNoticeSchema,
  type DeliverReopeningRequest,
  type RecoveryNotice as WireNotice,
} from '@witan/protocol';
import type { Genesis, HeldState, RecoveryNotice, Reopening } from '@witan/replica';
import { nodeIdOf } from '@witan/state-machine';
import {
  AUTHORISATIONS_MAX,
  HELD_MAX,
  noticeFromWire,
  noticeToWire,
  withoutSecrets,
} from '../src/peers/recovery-wire.ts';
import { ReopeningInbox, reopeningMessages } from '../src/peers/reopening.ts';
import { CHUNK_BYTES, SNAPSHOT_BYTES_MAX } from '../src/peers/snapshot-chunks.ts';
import { HEADERS_MAX, HELD_SHARES_MAX } from '../src/recovery/share-desk.ts';

const CLUSTER = clusterId('c1'.repeat(32));
const incarnation = incarnationId('ab'.repeat(32));
const slot = slotName('witan-0');
const self = { nodeId: nodeIdOf(incarnation), slot, incarnation, address: 'host:1' };

const held: HeldState = {
  incarnation,
  clusterId: CLUSTER,
  epoch: epoch(2),
  opening: sha256Hex('0f'.repeat(32)),
  term: 3,
  index: 8412,
  generation: generation(7),
  transitionHash: sha256Hex('7a'.repeat(32)),
  voters: [{ slot, incarnation }],
  votersOutgoing: [{ slot: slotName('witan-1'), incarnation: incarnationId('cd'.repeat(32)) }],
};

const floor = {
  clusterId: CLUSTER,
  epoch: epoch(1),
  commitIndex: 8000,
  generation: generation(7),
  transitionHash: held.transitionHash,
};

function notice(change: Partial<RecoveryNotice> = {}): RecoveryNotice {
  return {
    self,
    opened: true,
    held: [held, { ...held, epoch: epoch(1), opening: NO_TRANSITION }],
    headers: [Uint8Array.of(1, 2, 3)],
    shares: [new Secret(new Uint8Array(150).fill(9))],
    authorisations: [
      { owner: sha256Hex('a1'.repeat(32)), floor, acceptMissing: [slotName('witan-2')] },
      { owner: sha256Hex('a2'.repeat(32)), floor: undefined, acceptMissing: [] },
    ],
    promised: epoch(3),
    seed: { seed: new Secret(new Uint8Array(32).fill(5)), clusterId: CLUSTER, source: 'shares' },
    ...change,
  };
}

/** Over the wire and back. */
function carried(wire: WireNotice): WireNotice {
  return fromBinary(RecoveryNoticeSchema, toBinary(RecoveryNoticeSchema, wire));
}

describe('notices', () => {
  it('arrive as they were sent, and what was taken out of the message is wiped in it', () => {
    const sent = notice();
    const wire = carried(noticeToWire(sent));
    const arrived = noticeFromWire(wire);
    // Secrets have no comparable inside; the rest is compared as a whole.
    const { shares, seed, ...open } = sent;
    expect(arrived).toMatchObject(open);
    expect(arrived.shares.map((share, at) => shares[at]?.equals(share))).toEqual([true]);
    expect(seed?.seed.equals(arrived.seed?.seed ?? new Secret(new Uint8Array(0)))).toBe(true);
    expect(arrived.seed).toMatchObject({ clusterId: CLUSTER, source: 'shares' });
    expect([...wire.seed, ...(wire.shares[0] ?? [1])].every((byte) => byte === 0)).toBe(true);
  });

  it('say that the seed was kept in memory, or nothing of a seed', () => {
    const seed = { seed: new Secret(new Uint8Array(32)), clusterId: CLUSTER };
    const kept = notice({ seed: { ...seed, source: 'memory' } });
    expect(noticeFromWire(carried(noticeToWire(kept))).seed?.source).toBe('memory');
    const { seed: _seed, ...none } = notice();
    expect(noticeFromWire(carried(noticeToWire(none)))).not.toHaveProperty('seed');
  });

  it('leave out all secrets where the receiver may not have them (I1)', () => {
    const wire = noticeToWire(withoutSecrets(notice()));
    expect(wire).toMatchObject({ shares: [], authorisations: [], seed: new Uint8Array(0) });
    expect(wire.held).toHaveLength(2);
  });

  it('are cut at the sender, so that every one is taken', () => {
    const many = notice({
      held: Array.from({ length: HELD_MAX + 5 }, () => held),
      headers: Array.from({ length: HEADERS_MAX + 5 }, () => Uint8Array.of(1)),
    });
    const arrived = noticeFromWire(carried(noticeToWire(many)));
    expect(arrived.held).toHaveLength(HELD_MAX);
    expect(arrived.headers).toHaveLength(HEADERS_MAX);
  });

  const wire = (): WireNotice => carried(noticeToWire(notice()));
  const repeated = <Item>(item: Item | undefined, count: number): Item[] =>
    item === undefined ? [] : Array.from({ length: count }, () => item);
  const malformed: readonly (readonly [string, (message: WireNotice) => void])[] = [
    ['held', (message) => (message.held = repeated(message.held[0], HELD_MAX + 1))],
    ['headers', (message) => (message.headers = repeated(message.headers[0], HEADERS_MAX + 1))],
    ['headers', (message) => (message.headers = [new Uint8Array(RECOVERY_HEADER_BYTES_MAX + 1)])],
    ['shares', (message) => (message.shares = repeated(message.shares[0], HELD_SHARES_MAX + 1))],
    ['share', (message) => (message.shares = [new Uint8Array(300)])],
    ['share', (message) => (message.shares = [new Uint8Array(0)])],
    [
      'authorisations',
      (message) =>
        (message.authorisations = repeated(message.authorisations[0], AUTHORISATIONS_MAX + 1)),
    ],
    ['seed', (message) => (message.seed = new Uint8Array(31))],
    ['seed source', (message) => (message.seedSource = 7 as 1)],
    ['member', (message) => delete message.self],
  ];
  it.each(malformed)('are refused where %s does not fit (I10)', (part, change) => {
    const message = wire();
    change(message);
    const refusal = { code: 'COORDINATOR_WIRE_MALFORMED', fields: { part } };
    expect(() => noticeFromWire(message)).toThrow(expect.objectContaining(refusal));
  });

  it.each<readonly [string, (message: WireNotice) => void, string]>([
    ['an epoch of 0', (message) => (message.promised = 0n), 'ID_MALFORMED'],
    [
      'a slot that is no name',
      (message) => message.authorisations[0]?.acceptMissing.push('../disk'),
      'ID_MALFORMED',
    ],
    [
      'a floor that is none',
      (message) => (message.authorisations[0] ?? { floor: undefined }).floor?.fill(0),
      'RECORD_MALFORMED',
    ],
    ['nothing at all', () => undefined, 'COORDINATOR_WIRE_MALFORMED'],
  ])('are refused with %s', (what, change, code) => {
    const message = what === 'nothing at all' ? undefined : wire();
    if (message !== undefined) change(message);
    expect(() => noticeFromWire(message)).toThrow(expect.objectContaining({ code }));
  });
});

describe('reopenings', () => {
  const state = Uint8Array.from({ length: 2 * CHUNK_BYTES + 77 }, (_, at) => at % 251);
  const reopening: Reopening = { epoch: epoch(2), opening: held.opening, state };
  const genesis: Genesis = {
    clusterId: CLUSTER,
    seed: new Secret(new Uint8Array(32).fill(5)),
    slots: [slot],
    members: [self],
    reopening,
  };

  async function messages(): Promise<DeliverReopeningRequest[]> {
    const all: DeliverReopeningRequest[] = [];
    for await (const init of reopeningMessages(genesis, reopening)) {
      const message = create(DeliverReopeningRequestSchema, init);
      const bytes = toBinary(DeliverReopeningRequestSchema, message);
      all.push(fromBinary(DeliverReopeningRequestSchema, bytes));
    }
    return all;
  }

  async function* stream(
    all: readonly DeliverReopeningRequest[],
  ): AsyncGenerator<DeliverReopeningRequest> {
    yield* all;
    await Promise.resolve();
  }

  it('arrive in chunks as they were sent', async () => {
    const arrived = await new ReopeningInbox().receive(stream(await messages()));
    expect(arrived).toMatchObject({ clusterId: CLUSTER, slots: [slot], members: [self] });
    expect(arrived.seed.equals(genesis.seed)).toBe(true);
    expect(arrived.reopening).toMatchObject({ epoch: 2, opening: held.opening });
    expect(Buffer.from(arrived.reopening?.state ?? []).equals(state)).toBe(true);
  });

  it.each<readonly [string, string, (all: DeliverReopeningRequest[]) => void]>([
    ['no header', 'header', (all) => all.shift()],
    ['nothing', 'header', (all) => all.splice(0)],
    ['a second header', 'chunk', (all) => all.splice(1, 0, ...all.slice(0, 1))],
    ['a chunk missing', 'length', (all) => all.pop()],
    ['a chunk too many', 'chunk', (all) => all.push(...all.slice(1, 2))],
    ['an empty chunk', 'chunk', (all) => all.push(create(DeliverReopeningRequestSchema, {}))],
    ['no state', 'length', ([first]) => ((first?.header ?? { sizeBytes: 0n }).sizeBytes = 0n)],
  ])('are refused with %s', async (_what, part, change) => {
    const all = await messages();
    change(all);
    const refusal = { code: 'REOPENING_UNEXPECTED', fields: { part } };
    await expect(new ReopeningInbox().receive(stream(all))).rejects.toMatchObject(refusal);
  });

  it('are refused before anything is kept when they are too large (I10)', async () => {
    const [first] = await messages();
    if (first?.header === undefined) throw new Error('a header comes first');
    first.header.sizeBytes = BigInt(SNAPSHOT_BYTES_MAX) + 1n;
    const refusal = { code: 'REOPENING_TOO_LARGE', status: 'RESOURCE_EXHAUSTED' };
    await expect(new ReopeningInbox().receive(stream([first]))).rejects.toMatchObject(refusal);
  });

  it('are taken two at a time, and again once one has ended', async () => {
    const inbox = new ReopeningInbox();
    const gate = Promise.withResolvers<undefined>();
    async function* slow(): AsyncGenerator<DeliverReopeningRequest> {
      yield* (await messages()).slice(0, 2);
      await gate.promise;
    }
    const running = [inbox.receive(slow()), inbox.receive(slow())];
    const refusal = { code: 'TOO_MANY_REOPENINGS', status: 'RESOURCE_EXHAUSTED' };
    await expect(inbox.receive(stream(await messages()))).rejects.toMatchObject(refusal);
    gate.resolve(undefined);
    await Promise.allSettled(running);
    await expect(inbox.receive(stream(await messages()))).resolves.toMatchObject({ slots: [slot] });
  });

  it('hold the seed of the cluster and nothing else of it in the clear', async () => {
    const [first] = await messages();
    expect(first?.header?.clusterId).toEqual(fromHex(CLUSTER));
    expect(first?.header?.seed).toEqual(genesis.seed.expose());
  });
});
