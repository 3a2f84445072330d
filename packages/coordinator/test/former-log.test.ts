import { describe, expect, it } from 'vitest';
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  clusterId,
  epoch,
  generation,
  incarnationId,
  Secret,
  sha256Hex,
  slotName,
  utf8,
} from '@witan/core';
import { openJournal } from '@witan/journal';
import {
  SealingGenerations,
  createSeed,
  createUnsealer,
  dealShares,
  decodeRecoveryHeaderUnverified,
  nodeCrypto,
  seedFromBytes,
  spkiOf,
} from '@witan/keys';
import type { RecoveryHeader } from '@witan/manifest';
import { LogChain, encodeDurableRecord, encodeSeeds, type HashParts } from '@witan/replica';
import { encodeSnapshot, nodeId, type Entry } from 'raft-ts';
import { configurationDigest, type DiskClaims } from '../src/storage/claims.ts';
import { ClaimsNoter } from '../src/storage/claims-noter.ts';
import { SealedLog } from '../src/storage/durable-log.ts';
import { readFormerLog, readSummaryUnverified } from '../src/storage/former-log.ts';
import { encodeOwner } from '../src/storage/journal-owner.ts';
import { openSealedRecord } from '../src/storage/sealed-record.ts';
import { useScratch } from './support/scratch.ts';

const scratch = useScratch('former');

const seed = createSeed();
const CLUSTER = clusterId('c'.repeat(64));
const SECRET = 'the manifest holds a secret word';
const hash: HashParts = (...parts) => nodeCrypto.hash('sha256', ...parts);

const createCopy = (of: typeof seed): typeof seed => seedFromBytes(of.expose());

let counter = 0;
function fresh(): string {
  counter += 1;
  return join(scratch, `journal-${counter}`);
}

function owner(digit: number) {
  const digits = (counter * 16 + digit).toString(16).padStart(64, '0');
  return { clusterId: CLUSTER, epoch: epoch(1), incarnation: incarnationId(digits) };
}

function claims(index: number): DiskClaims {
  return {
    appliedIndex: index,
    slots: [slotName('witan-0'), slotName('witan-1'), slotName('witan-2')],
    voters: [{ slot: slotName('witan-0'), incarnation: incarnationId('1'.repeat(64)) }],
    generation: generation(3),
    transition: sha256Hex('7'.repeat(64)),
    recoveryHeader: utf8('wrapped seed and shares'),
  };
}

function entry(index: number): Entry {
  return { index, term: 2, type: 'EntryNormal', data: utf8(`${SECRET} ${index}`) };
}

function range(first: number, last: number): readonly Entry[] {
  return Array.from({ length: last - first + 1 }, (_, at) => entry(first + at));
}

function logAt(directory: string, generations = new SealingGenerations(seed, CLUSTER)): SealedLog {
  const onSync = (): void => undefined;
  return new SealedLog({ ...owner(1), directory, generations, onOpen: onSync, onSync });
}

/** A log of a process that ended: entries 2 to 9, with what `during` does after entry 6. */
async function written(
  directory: string,
  during: (log: SealedLog, chain: LogChain) => Promise<void> = () => Promise.resolve(),
  generations = new SealingGenerations(seed, CLUSTER),
) {
  const self = owner(1);
  const log = logAt(directory, generations);
  const chain = new LogChain(hash);
  chain.reset(1, chain.genesis());
  const append = async (entries: readonly Entry[]): Promise<void> => {
    chain.append(entries);
    await log.append([record(entries, chain)]);
  };
  await append(range(2, 4));
  await append(range(5, 6));
  await during(log, chain);
  await append(range(7, 9));
  await log.close();
  return { self, chain };
}

function record(entries: readonly Entry[], chain: LogChain): Uint8Array {
  const index = entries.at(-1)?.index ?? 0;
  const mark = { index, term: 2, link: chain.at(index) ?? new Uint8Array(0) };
  const hardState = { term: 2, vote: nodeId(1), commit: index - 1 };
  return encodeDurableRecord({ mark, hardState, entries });
}

async function snapshotAt6(log: SealedLog, chain: LogChain): Promise<void> {
  const confState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [] };
  const metadata = { index: 6, term: 2, confState: { ...confState, autoLeave: false } };
  const state = utf8(SECRET);
  const data = Buffer.concat([state, chain.at(6) ?? new Uint8Array(0)]);
  await log.saveSnapshot(metadata, encodeSnapshot({ data: Uint8Array.from(data), metadata }), []);
}

/** Rewrites a journal value by value, as somebody with the disk but without the seed could. */
async function tampered(
  directory: string,
  change: (values: readonly Uint8Array[]) => readonly Uint8Array[],
  ownerBytes?: Uint8Array,
): Promise<string> {
  const { journal, recovered } = await openJournal({ directory });
  await journal.close();
  const target = fresh();
  const other = await openJournal({ directory: target, segmentBytesMax: 65_536 });
  await other.journal.startSegment(ownerBytes ?? recovered.records[0]?.owner ?? utf8(''));
  await other.journal.append(change(recovered.records.map(({ data }) => data)));
  await other.journal.close();
  return target;
}

describe('the sealed log of an earlier incarnation', () => {
  it('is read back with the seed, with a mark that the chain confirms', async () => {
    const directory = fresh();
    const { self, chain } = await written(directory);
    const found = await readFormerLog(directory, seed);
    expect(found?.owner).toEqual(self);
    expect(found?.state.entries).toEqual(range(2, 9));
    expect(found?.state.hardState).toMatchObject({ term: 2, commit: 8 });
    expect(found?.state.mark).toMatchObject({ index: 9, term: 2 });
    expect(chain.confirms(9, found?.state.mark?.link ?? utf8(''))).toBe(true);
  });

  it('goes on behind a snapshot, and keeps its claims behind it', async () => {
    const directory = fresh();
    const { chain } = await written(directory, async (log, links) => {
      await log.note(claims(6));
      await snapshotAt6(log, links);
    });
    const found = await readFormerLog(directory, seed);
    expect(found?.state.snapshot?.metadata.index).toBe(6);
    expect(found?.state.snapshot?.data).toEqual(utf8(SECRET));
    expect(found?.state.entries).toEqual(range(7, 9));
    expect(found?.claims).toEqual(claims(6));
    expect(chain.confirms(9, found?.state.mark?.link ?? utf8(''))).toBe(true);
  });

  it('shows a summary to somebody who has no seed', async () => {
    const directory = fresh();
    const { self, chain } = await written(directory, async (log) => {
      await log.note(claims(5));
      await log.note(claims(6));
    });
    const summary = await readSummaryUnverified(directory);
    const mark = { index: 9, term: 2, link: chain.at(9) };
    expect(summary).toEqual({ ...self, mark, claims: claims(6) });
    expect(configurationDigest(claims(6))).toMatch(/^[0-9a-f]{64}$/);
    expect(await readSummaryUnverified(fresh())).toBeUndefined();
    expect(await readFormerLog(fresh(), seed)).toBeUndefined();
  });

  it('is read by several at a time, as recovery and reuse may do', async () => {
    const directory = fresh();
    await written(directory);
    const reading = [1, 2, 3].map(() => readFormerLog(directory, seed));
    const all = [...(await Promise.all(reading)), await readFormerLog(directory, seed)];
    expect(all.map((found) => found?.state.mark?.index)).toEqual([9, 9, 9, 9]);
    expect((await readSummaryUnverified(directory))?.mark?.index).toBe(9);
  });

  it('holds no plaintext (I4)', async () => {
    const directory = fresh();
    await written(directory, snapshotAt6);
    const { readFileSync } = await import('node:fs');
    for (const name of readdirSync(directory)) {
      const bytes = readFileSync(join(directory, name));
      expect(bytes.includes(SECRET)).toBe(false);
      expect(bytes.includes(seed.expose())).toBe(false);
    }
  });

  it('does not open with another seed, or as the log of another cluster', async () => {
    const directory = fresh();
    const { self } = await written(directory);
    const other = seedFromBytes(new Uint8Array(32).fill(1));
    const code = 'KEYS_SEAL_NOT_AUTHENTIC';
    await expect(readFormerLog(directory, other)).rejects.toMatchObject({ code });
    const foreign = encodeOwner({ ...self, clusterId: clusterId('d'.repeat(64)) });
    const moved = await tampered(directory, (values) => values, foreign);
    await expect(readFormerLog(moved, seed)).rejects.toMatchObject({ code });
  });

  it('is refused when values are dropped, repeated, swapped or relabelled (I9)', async () => {
    const directory = fresh();
    const { self } = await written(directory, (log) => log.note(claims(6)));
    const sequence = { code: 'COORDINATOR_SEALED_LOG_UNREADABLE', fields: { check: 'sequence' } };
    const changes: readonly ((values: readonly Uint8Array[]) => readonly Uint8Array[])[] = [
      (values) => values.slice(1),
      (values) => [...values.slice(0, 1), ...values.slice(2)],
      (values) => [...values.slice(0, 2), ...values.slice(1)],
      (values) => values.toReversed(),
      (values) => [...values, ...values.slice(0, 1)],
    ];
    for (const change of changes) {
      const bad = await tampered(directory, change);
      await expect(readFormerLog(bad, seed)).rejects.toMatchObject({
        ...sequence,
        fields: expect.objectContaining({ check: 'sequence' }) as unknown,
      });
    }
    const relabelled = encodeOwner({ ...self, epoch: epoch(2) });
    const bad = await tampered(directory, (values) => values, relabelled);
    await expect(readFormerLog(bad, seed)).rejects.toMatchObject({ fields: { check: 'writer' } });
  });

  it('notices every changed byte of a value: claims and marks are authentic too', async () => {
    const directory = fresh();
    await written(directory, (log) => log.note(claims(6)));
    const { journal, recovered } = await openJournal({ directory });
    await journal.close();
    const values = recovered.records.map(({ data }) => data);
    const at = values.findIndex((value) => value[1] === 3);
    const { length } = values[at] ?? [];
    for (let byte = 0; byte < length; byte += 7) {
      const changed = Uint8Array.from(values[at] ?? []);
      changed[byte] = (changed[byte] ?? 0) ^ 0x10;
      const bad = await tampered(directory, (all) => all.with(at, changed));
      await expect(readFormerLog(bad, seed)).rejects.toMatchObject({
        code: expect.stringMatching(/^(COORDINATOR_SEALED_LOG_UNREADABLE|KEYS_SEAL_)/) as unknown,
      });
    }
  });

  it('of a rotated seed opens with the one in force, and not with the former (I4)', async () => {
    const [first, next] = [createSeed(), createSeed()];
    const generations = new SealingGenerations(first, CLUSTER);
    const salt = new Secret(new Uint8Array(32));
    const begin = async (log: SealedLog): Promise<void> => {
      generations.beginUnder({ number: 2, seed: next }, salt);
      await log.note(claims(6));
    };
    const whole = fresh();
    await written(whole, begin, generations);
    const unnumbered = { seeds: [], usableFrom: 1, candidates: [next] };
    const found = await readFormerLog(whole, encodeSeeds(unnumbered));
    expect(found?.state.entries).toEqual(range(2, 9));
    const unknown = { code: 'KEYS_SEAL_GENERATION_UNKNOWN' };
    await expect(readFormerLog(whole, first)).rejects.toMatchObject(unknown);
    // And once it is retired and the journal shortened, nothing there takes the former seed.
    const shortened = fresh();
    const later = new SealingGenerations(createCopy(first), CLUSTER);
    await written(
      shortened,
      async (log, chain) => {
        later.beginUnder({ number: 2, seed: createCopy(next) }, salt);
        later.forgetFormer();
        await snapshotAt6(log, chain);
      },
      later,
    );
    const seeds = [first, next].map((one, at) => ({ number: at + 1, seed: one }));
    const retired = encodeSeeds({ seeds, usableFrom: 2, candidates: [] });
    expect((await readFormerLog(shortened, retired))?.state.entries).toEqual(range(7, 9));
    await expect(readFormerLog(whole, retired)).rejects.toMatchObject(unknown);
  });

  it('of a member that left does not hold the keys of what came later (I4)', async () => {
    const generations = new SealingGenerations(seed, CLUSTER);
    generations.begin(SealingGenerations.draw());
    const retired = fresh();
    await written(retired, () => Promise.resolve(), generations);
    const current = fresh();
    await written(
      current,
      async (log, links) => {
        generations.begin(SealingGenerations.draw());
        await log.note(claims(5));
        generations.begin(SealingGenerations.draw());
        await snapshotAt6(log, links);
        generations.begin(SealingGenerations.draw());
      },
      generations,
    );
    const old = await readFormerLog(retired, seed);
    const found = await readFormerLog(current, seed);
    expect(old?.generations.current).toBe(1);
    expect(found?.generations.current).toBe(4);
    expect(found?.state.entries).toEqual(range(7, 9));
    expect(() => old?.generations.rootOf(2)).toThrow(
      expect.objectContaining({ code: 'KEYS_SEAL_GENERATION_UNKNOWN' }) as Error,
    );
    // The values of the current disk without its lists: what the old one's list opens.
    const { journal, recovered } = await openJournal({ directory: current });
    await journal.close();
    const later = recovered.records.map(({ data }) => data).filter((value) => value[1] === 1);
    const unsealer = createUnsealer({
      seed,
      clusterId: CLUSTER,
      use: 'journal-record',
      generations: old?.generations ?? generations,
    });
    expect(later.length).toBeGreaterThan(0);
    for (const value of later) {
      expect(() => openSealedRecord(unsealer, value)).toThrow(
        expect.objectContaining({ code: 'KEYS_SEAL_GENERATION_UNKNOWN' }) as Error,
      );
    }
  });

  it('of an unknown version is refused with what was found', async () => {
    const directory = fresh();
    await written(directory);
    const newer = await tampered(directory, (values) =>
      values.map((value) => Uint8Array.from([9, ...value.subarray(1)])),
    );
    await expect(readSummaryUnverified(newer)).rejects.toMatchObject({
      code: 'COORDINATOR_SEALED_LOG_UNREADABLE',
      fields: { check: 'version', found: 9 },
    });
  });
});

describe('claims', () => {
  const state = {
    appliedIndex: 12,
    slots: [slotName('witan-0')],
    generation: generation(1),
    head: sha256Hex('2'.repeat(64)),
    shares: { resharing: 0, header: undefined },
    members: (['voter', 'learner'] as const).map((role, nodeId) => ({
      role,
      nodeId,
      slot: slotName('witan-0'),
      incarnation: incarnationId(String(nodeId).repeat(64)),
      address: 'host:1',
    })),
  };

  it('are noted when members, manifest or shares change, and only then', () => {
    const noted: DiskClaims[] = [];
    const note = (claimed: DiskClaims): Promise<void> => {
      noted.push(claimed);
      return Promise.resolve();
    };
    const noter = new ClaimsNoter({ note }, () => undefined);
    noter.stateChanged(state);
    noter.stateChanged({ ...state, appliedIndex: 13 });
    expect(noted).toHaveLength(1);
    expect(noted[0]?.voters).toEqual([{ slot: 'witan-0', incarnation: '0'.repeat(64) }]);
    noter.stateChanged({ ...state, head: sha256Hex('3'.repeat(64)) });
    noter.stateChanged({ ...state, head: sha256Hex('3'.repeat(64)), members: [] });
    expect(noted).toHaveLength(3);
    expect(noted[2]?.recoveryHeader).toEqual(new Uint8Array(0));
  });

  it('carry the recovery header of the state, and are noted again with the next one', async () => {
    const ownerKey = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
    const dealt = (resharing: number): Promise<RecoveryHeader> =>
      dealShares({ seed, clusterId: CLUSTER, resharing, threshold: 1, owners: [ownerKey] });
    const directory = fresh();
    const log = logAt(directory);
    const noter = new ClaimsNoter(log, (error) => expect.fail(String(error)));
    noter.stateChanged({ ...state, shares: { resharing: 1, header: await dealt(1) } });
    const chain = new LogChain(hash);
    chain.reset(1, chain.genesis());
    chain.append(range(2, 3));
    await log.append([record(range(2, 3), chain)]);
    noter.stateChanged({ ...state, shares: { resharing: 2, header: await dealt(2) } });
    await log.close();
    const bytes = (await readSummaryUnverified(directory))?.claims?.recoveryHeader;
    expect(decodeRecoveryHeaderUnverified(bytes ?? expect.fail()).resharing).toBe(2);
  });

  it('that were made before the journal opened stand behind its first record', async () => {
    const directory = fresh();
    const log = logAt(directory);
    await log.note(claims(1));
    const chain = new LogChain(hash);
    chain.reset(1, chain.genesis());
    chain.append(range(2, 3));
    await log.append([record(range(2, 3), chain)]);
    await log.close();
    expect((await readFormerLog(directory, seed))?.claims).toEqual(claims(1));
  });
});
