/** Which journal of a slot's disk a newcomer tries to reuse, whatever else lies there (I4, I10). */
import { writeFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { clusterId, epoch, incarnationId, utf8 } from '@witan/core';
import { SealingGenerations, createSeed, nodeCrypto } from '@witan/keys';
import { ConfirmLogRequestSchema, ConfirmLogResponseSchema } from '@witan/protocol';
import {
  LINK_BYTES,
  LogChain,
  MARKS_MAX,
  encodeDurableRecord,
  type ConfirmAnswer,
} from '@witan/replica';
import {
  confirmAnswerFromWire,
  confirmAnswerToWire,
  confirmRequestFromWire,
  confirmRequestToWire,
} from '../src/peers/confirm-wire.ts';
import { openDataDirectory } from '../src/storage/data-directory.ts';
import { SealedLog } from '../src/storage/durable-log.ts';
import { formerLogReader } from '../src/storage/newest-former-log.ts';
import { useScratch } from './support/scratch.ts';

const scratch = useScratch('newest');

const seed = createSeed();
const OWN = { clusterId: clusterId('c'.repeat(64)), epoch: epoch(2) };
let lives = 0;

/** A journal of entries 2 to `last` in `data`, by an incarnation of its own. */
async function journal(data: string, last: number, change: Partial<typeof OWN> = {}) {
  lives += 1;
  const incarnation = incarnationId(lives.toString(16).padStart(16, '0').padEnd(64, 'a'));
  const directory = join(data, `journal-${incarnation.slice(0, 16)}`);
  const scope = { ...OWN, ...change };
  const generations = new SealingGenerations(seed, scope.clusterId);
  const nothing = (): void => undefined;
  const log = new SealedLog({
    ...scope,
    incarnation,
    directory,
    generations,
    onOpen: nothing,
    onSync: nothing,
  });
  const chain = new LogChain((...parts) => nodeCrypto.hash('sha256', ...parts));
  chain.reset(1, chain.genesis());
  const entries = Array.from({ length: last - 1 }, (_, at) => {
    return { index: at + 2, term: 3, type: 'EntryNormal', data: utf8(`${at}`) } as const;
  });
  chain.append(entries);
  const link = chain.at(last) ?? utf8('');
  const mark = { index: last, term: 3, link };
  await log.append([encodeDurableRecord({ mark, hardState: undefined, entries })]);
  await log.close();
  return directory;
}

function damage(directory: string): void {
  for (const name of readdirSync(directory)) writeFileSync(join(directory, name), 'not a journal');
}

async function search(data: string, scope = OWN) {
  const incarnation = incarnationId('f'.repeat(64));
  const directory = await openDataDirectory(data, incarnation);
  const events: string[] = [];
  const read = formerLogReader({
    earlier: directory.earlier,
    onEvent: (event, fields) => events.push(`${event} ${JSON.stringify(fields)}`),
  });
  const state = await read(seed, scope.clusterId, scope.epoch);
  return { state, events, directory };
}

function fresh(): string {
  lives += 1;
  return join(scratch, `data-${lives}`);
}

describe('the newest former log', () => {
  it('is the one that reaches furthest in this cluster and epoch', async () => {
    const data = fresh();
    await journal(data, 5);
    await journal(data, 9);
    await journal(data, 7);
    await journal(data, 30, { epoch: epoch(1) });
    await journal(data, 40, { clusterId: clusterId('d'.repeat(64)) });
    const { state, events, directory } = await search(data);
    expect(state?.mark?.index).toBe(9);
    expect(events.filter((event) => event.includes('another cluster or epoch'))).toHaveLength(2);
    expect(directory.earlier).toHaveLength(5);
    await directory.dropEarlier();
    expect(directory.earlier).toEqual([]);
    await directory.release();
  });

  it('is the next one where the best is damaged, or claims what it does not hold', async () => {
    const data = fresh();
    await journal(data, 5);
    damage(await journal(data, 9));
    const foreign = createSeed();
    const { state, events, directory } = await search(data);
    expect(state?.mark?.index).toBe(5);
    expect(events.join()).toMatch(/sealed log left out .*"reason":"unreadable"/);
    const read = formerLogReader({ ...directory, onEvent: (event) => events.push(event) });
    expect(await read(foreign, OWN.clusterId, OWN.epoch)).toBeUndefined();
    expect(events).toHaveLength(3);
  });

  it('is none on an empty disk, or one that holds rubbish', async () => {
    expect((await search(fresh())).state).toBeUndefined();
    const data = fresh();
    mkdirSync(join(data, 'journal-0123456789abcdef'), { recursive: true });
    expect((await search(data)).state).toBeUndefined();
    const other = fresh();
    damage(await journal(other, 9));
    const { state, events } = await search(other);
    expect(state).toBeUndefined();
    expect(events).toHaveLength(1);
    const foreign = fresh();
    await journal(foreign, 9, { epoch: epoch(3) });
    const one = await search(foreign);
    expect(one.state).toBeUndefined();
    expect(one.events.join()).toContain('another cluster or epoch');
  });
});

describe('questions about former logs', () => {
  const link = new Uint8Array(LINK_BYTES).fill(3);

  it('arrive as they were asked, and answers as they were given', () => {
    const request = { ...OWN, marks: [{ index: Number.MAX_SAFE_INTEGER, link }] };
    const wire = create(ConfirmLogRequestSchema, confirmRequestToWire(request));
    expect(confirmRequestFromWire(wire)).toEqual(request);
    const answers: readonly ConfirmAnswer[] = [
      { kind: 'confirmed' },
      { kind: 'confirmed', index: 7 },
      { kind: 'not-leader' },
      { kind: 'refused', code: 'NOT_A_MEMBER' },
    ];
    for (const answer of answers) {
      const answered = create(ConfirmLogResponseSchema, confirmAnswerToWire(answer));
      expect(confirmAnswerFromWire(answered)).toEqual(answer);
    }
  });

  it('are refused with a code where they are hostile (I10)', () => {
    const request = { ...OWN, marks: [] };
    const of = (index: bigint, bytes = link) =>
      confirmRequestFromWire(
        create(ConfirmLogRequestSchema, {
          ...confirmRequestToWire(request),
          marks: [{ index, link: bytes }],
        }),
      );
    const code = 'COORDINATOR_WIRE_MALFORMED';
    const malformed = (part: string) =>
      expect.objectContaining({ code, fields: { part } }) as Error;
    expect(() => of(2n ** 53n)).toThrow(malformed('number'));
    expect(() => of(2n ** 64n - 1n)).toThrow(malformed('number'));
    expect(() => of(1n, link.subarray(1))).toThrow(malformed('link'));
    expect(() => of(1n, new Uint8Array(33))).toThrow(malformed('link'));
    const many = Array.from({ length: 10_000 }, () => ({ index: 1, link }));
    const wire = create(ConfirmLogRequestSchema, confirmRequestToWire({ ...OWN, marks: many }));
    expect(confirmRequestFromWire(wire).marks).toHaveLength(MARKS_MAX + 1);
    const answer = (fields: object) => create(ConfirmLogResponseSchema, fields);
    expect(() => confirmAnswerFromWire(answer({}))).toThrow(malformed('outcome'));
    const refusal = { outcome: 3, code: 'WHATEVER' };
    expect(() => confirmAnswerFromWire(answer(refusal))).toThrow(malformed('refusal'));
    expect(() => confirmAnswerFromWire(answer({ outcome: 1, index: 2n ** 60n }))).toThrow(
      malformed('number'),
    );
  });
});
