/** What earlier incarnations left on disk: claimed without the seed, opened with it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';

import { join } from 'node:path';
import {
  clusterId,
  epoch,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  utf8,
  type ClusterId,
  type IncarnationId,
} from '@witan/core';
import { openJournal } from '@witan/journal';
import { SealingGenerations, createSeed, nodeCrypto, type Seed } from '@witan/keys';
import { NO_TRANSITION } from '@witan/manifest';
import { LogChain, encodeDurableRecord } from '@witan/replica';
import { nodeId } from 'raft-ts';
import { JOURNALS_MAX, formerDisks } from '../src/recovery/former-disks.ts';
import { openDataDirectory } from '../src/storage/data-directory.ts';
import { SealedLog } from '../src/storage/durable-log.ts';
import { createKeyring } from '../src/storage/keyring.ts';
import { useScratch } from './support/scratch.ts';

const scratch = useScratch('disks');

const CLUSTER = clusterId('c1'.repeat(32));
const SELF = incarnationId('ee'.repeat(32));
const HEADER = utf8('a recovery header');
const seed = createSeed();

interface Written {
  readonly clusterId?: ClusterId;
  readonly epoch?: number;
  readonly seed?: Seed;
  readonly last?: number;
}

function incarnationOf(number: number): IncarnationId {
  return incarnationId(number.toString(16).padStart(16, '0').padEnd(64, 'a'));
}

/** A journal as a process that ended left it, with entries 2 to `last` sealed as commands. */
async function write(directory: string, number: number, options: Written = {}): Promise<void> {
  const owner = {
    seed: options.seed ?? seed,
    clusterId: options.clusterId ?? CLUSTER,
    epoch: epoch(options.epoch ?? 1),
    incarnation: incarnationOf(number),
  };
  const generations = new SealingGenerations(owner.seed, owner.clusterId);
  const keyring = createKeyring({ ...owner, generations });
  const nothing = (): void => undefined;
  const path = join(directory, `journal-${owner.incarnation.slice(0, 16)}`);
  const parts = { ...owner, generations, directory: path, onOpen: nothing, onSync: nothing };
  const log = new SealedLog(parts);
  const chain = new LogChain((...bytes) => nodeCrypto.hash('sha256', ...bytes));
  chain.reset(1, chain.genesis());
  const last = options.last ?? 4;
  const entries = Array.from({ length: last - 1 }, (_, at) => {
    const data = keyring.sealCommand(utf8(`command ${at + 2}`));
    return { index: at + 2, term: 3, type: 'EntryNormal' as const, data };
  });
  chain.append(entries);
  const mark = { index: last, term: 3, link: chain.at(last) ?? new Uint8Array(0) };
  const hardState = { term: 3, vote: nodeId(1), commit: last };
  await log.append([encodeDurableRecord({ mark, hardState, entries })]);
  await log.note({
    appliedIndex: last,
    slots: [slotName('witan-0')],
    voters: [{ slot: slotName('witan-0'), incarnation: owner.incarnation }],
    generation: generation(2),
    transition: sha256Hex('7'.repeat(64)),
    recoveryHeader: HEADER,
  });
  await log.close();
}

let directory: string;
let events: string[];
let tried: (readonly [boolean, readonly ClusterId[]])[];

beforeEach(async () => {
  directory = await mkdtemp(join(scratch, 'data-'));
  events = [];
  tried = [];
});

async function disks() {
  const opened = await openDataDirectory(directory, SELF);
  await opened.release();
  const made = formerDisks({
    directories: opened.earlier,
    incarnation: SELF,
    onTried: (_seed, wasOpened, clusters) => tried.push([wasOpened, clusters]),
    onEvent: (event, fields) => events.push(`${event} ${String(fields['error'])}`),
  });
  return { opened, made };
}

describe('the disks of a slot', () => {
  it('claim what they hold, the furthest first, and open with the seed', async () => {
    await write(directory, 1, { last: 4 });
    await write(directory, 2, { last: 9 });
    await write(directory, 3, { epoch: 2, last: 3 });
    const { made } = await disks();
    const claims = await made.claims();
    expect(claims.map(({ held }) => [held.epoch, held.index])).toEqual([
      [2, 3],
      [1, 9],
      [1, 4],
    ]);
    expect(claims[1]).toEqual({
      header: HEADER,
      held: {
        incarnation: incarnationOf(2),
        clusterId: CLUSTER,
        epoch: 1,
        opening: NO_TRANSITION,
        term: 3,
        index: 9,
        generation: 2,
        transitionHash: '7'.repeat(64),
        voters: [{ slot: 'witan-0', incarnation: incarnationOf(2) }],
        votersOutgoing: [],
      },
    });
    const logs = await made.open(seed);
    expect(logs.map(({ epoch: at, state }) => [at, state.mark?.index])).toEqual([
      [2, 3],
      [1, 9],
      [1, 4],
    ]);
    const [, log] = logs;
    const command = log?.state.entries.at(-1)?.data ?? new Uint8Array(0);
    expect(log?.keyring.openCommand(command)).toEqual(utf8('command 9'));
    expect(tried).toEqual([[true, [CLUSTER, CLUSTER, CLUSTER]]]);
  });

  it('do not open with another seed, and say whose they claim to be', async () => {
    await write(directory, 1);
    const { made } = await disks();
    expect(await made.open(createSeed())).toEqual([]);
    expect(tried).toEqual([[false, [CLUSTER]]]);
    expect(events).toEqual([expect.stringContaining('KEYS_SEAL_NOT_AUTHENTIC')]);
  });

  it('leave out what cannot be read, and say so; the others count (I10)', async () => {
    await write(directory, 1);
    await mkdir(join(directory, 'journal-00000000000000ff'));
    await writeFile(join(directory, 'journal-00000000000000ff', 'segment-00000001'), 'noise');
    await write(directory, 2, { clusterId: clusterId('c2'.repeat(32)), seed: createSeed() });
    const { made } = await disks();
    expect(await made.claims()).toHaveLength(2);
    expect((await made.open(seed)).map(({ incarnation }) => incarnation)).toEqual([
      incarnationOf(1),
    ]);
    expect(events.every((event) => event.startsWith('earlier journal left out'))).toBe(true);
  });

  it('are waited for while another part of this process reads them', async () => {
    await write(directory, 1);
    const { opened, made } = await disks();
    const { journal } = await openJournal({ directory: opened.earlier[0] ?? '' });
    const claims = made.claims();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await journal.close();
    expect(await claims).toHaveLength(1);
    expect(events).toEqual([]);
  });

  it('are no more than a few, of many forged ones those that claim most', async () => {
    for (let number = 1; number <= JOURNALS_MAX + 2; number += 1) {
      await write(directory, number, { last: number + 2 });
    }
    const { made } = await disks();
    const claims = await made.claims();
    expect(claims).toHaveLength(JOURNALS_MAX);
    expect(claims.at(-1)?.held.index).toBe(5);
  });

  it('are gone once they were dropped, and are not made again', async () => {
    await write(directory, 1);
    const { opened, made } = await disks();
    expect(await made.claims()).toHaveLength(1);
    await opened.dropEarlier();
    expect(await made.claims()).toEqual([]);
    expect(await made.open(seed)).toEqual([]);
    expect((await readdir(directory)).filter((name) => name.startsWith('journal'))).toEqual([]);
  });
});

describe('the journals of one process', () => {
  it('are one for each epoch that it enters, and those before count as earlier', async () => {
    const first = await openDataDirectory(directory, incarnationOf(1));
    expect(first.holdsSealedState).toBe(false);
    const paths = [first.nextJournal(), first.nextJournal()];
    expect(new Set(paths).size).toBe(2);
    expect(first.earlier).toEqual([paths[0]]);
    await first.release();
    for (const path of paths) await mkdir(path);
    const second = await openDataDirectory(directory, SELF);
    expect(second.earlier.toSorted()).toEqual(paths.toSorted());
    await second.dropEarlier();
    await second.release();
    await rm(directory, { recursive: true });
  });
});
