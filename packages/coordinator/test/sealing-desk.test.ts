/** When a seed is wrapped, what stays on disk, and what is made of it when no cluster lives. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  clusterId,
  epoch,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  utf8,
} from '@witan/core';
import { SealingGenerations, createSeed, type Seed } from '@witan/keys';
import { VirtualScheduler } from '@witan/testkit';
import { CoordinatorError } from '../src/errors.ts';
import { parseInitdata } from '../src/initdata.ts';
import type { SealingBinding, SealingProvider } from '../src/sealing/provider.ts';
import { SealingDesk, sealingDeskOf } from '../src/sealing/sealing-desk.ts';
import { decodeClaims, encodeClaims, type DiskClaims } from '../src/storage/claims.ts';
import { ClaimsNoter } from '../src/storage/claims-noter.ts';
import { SealedLog } from '../src/storage/durable-log.ts';
import { useScratch } from './support/scratch.ts';

const scratch = useScratch('desk');

const CLUSTER = clusterId('c'.repeat(64));
const seed = createSeed();

/** Keeps what it is given, and fails as often as it is told to. */
class Vault implements SealingProvider {
  readonly name = 'vault';
  readonly freshness = 'it says nothing of what is new';
  readonly #kept = new Map<string, Seed>();
  failures = 0;
  asked = 0;

  wrap(given: Seed, binding: SealingBinding): Promise<Uint8Array> {
    this.#ask();
    const name = `${binding.clusterId}/${binding.label}/${this.#kept.size}`;
    this.#kept.set(name, given);
    return Promise.resolve(utf8(name));
  }

  unwrap(wrapped: Uint8Array, binding: SealingBinding): Promise<Seed> {
    this.#ask();
    const name = Buffer.from(wrapped).toString('utf8');
    const found = this.#kept.get(name);
    const isIts = name.startsWith(`${binding.clusterId}/${binding.label}/`);
    if (found === undefined || !isIts) {
      throw new CoordinatorError('COORDINATOR_SEALING_CIPHERTEXT_REFUSED', 'another');
    }
    return Promise.resolve(found);
  }

  #ask(): void {
    this.asked += 1;
    this.failures -= 1;
    if (this.failures < 0) return;
    throw new CoordinatorError('COORDINATOR_SEALING_SERVICE_SEALED', 'sealed');
  }
}

function world(earlier: readonly string[] = [], provider = new Vault()) {
  const scheduler = new VirtualScheduler();
  const events: string[] = [];
  const noted: DiskClaims[] = [];
  const note = (claims: DiskClaims): Promise<void> => {
    noted.push(claims);
    return Promise.resolve();
  };
  const noter = new ClaimsNoter({ note }, () => undefined);
  const onEvent = (event: string): void => {
    events.push(event);
  };
  const desk = new SealingDesk({ provider, earlier, scheduler, onEvent });
  return { scheduler, events, noted, noter, desk, provider };
}

const state = {
  appliedIndex: 7,
  slots: [slotName('witan-0')],
  members: [],
  generation: generation(1),
  head: sha256Hex('1'.repeat(64)),
  shares: { resharing: 0, header: undefined, shares: [] },
} as never;
const cluster = { clusterId: CLUSTER, generation: 1, seed };

function wrappedIn(noted: readonly DiskClaims[]): readonly string[] {
  const last = noted.at(-1)?.wrappedSeeds ?? [];
  return last.map((bytes) => Buffer.from(bytes).toString('utf8'));
}

async function journalWith(wrapped: readonly Uint8Array[], of = CLUSTER): Promise<string> {
  const directory = mkdtempSync(join(scratch, 'journal-'));
  const incarnation = incarnationId('a'.repeat(64));
  const nothing = (): void => undefined;
  const generations = new SealingGenerations(seed, of);
  const log = new SealedLog({
    clusterId: of,
    epoch: epoch(1),
    incarnation,
    directory,
    generations,
    onOpen: nothing,
    onSync: nothing,
  });
  await log.note(claimsWith(wrapped));
  await log.saveSnapshot({ index: 1, term: 1 }, utf8('state'), []);
  await log.close();
  return directory;
}

function claimsWith(wrappedSeeds: readonly Uint8Array[]): DiskClaims {
  const claims = {
    appliedIndex: 7,
    slots: [slotName('witan-0')],
    voters: [],
    generation: generation(1),
    transition: sha256Hex('1'.repeat(64)),
    recoveryHeader: new Uint8Array(0),
  };
  return wrappedSeeds.length === 0 ? claims : { ...claims, wrappedSeeds };
}

describe('a sealing desk', () => {
  it('wraps the seed once there is a manifest, and once only', async () => {
    const { desk, noted, noter, scheduler, provider } = world();
    desk.changed(undefined, noter);
    desk.changed({ ...cluster, generation: 0 }, noter);
    await scheduler.run(1_000);
    expect(provider.asked).toBe(0);
    noter.stateChanged(state);
    for (let times = 0; times < 3; times += 1) desk.changed(cluster, noter);
    await scheduler.run(1_000);
    expect(provider.asked).toBe(1);
    expect(wrappedIn(noted)).toEqual([`${CLUSTER}/seed/0`]);
  });

  it('asks again, ever less often, while the provider gives nothing', async () => {
    const { desk, noted, noter, scheduler, provider, events } = world();
    provider.failures = 4;
    noter.stateChanged(state);
    desk.changed(cluster, noter);
    await scheduler.run(14_000);
    expect(provider.asked).toBe(4);
    expect(wrappedIn(noted)).toEqual([]);
    await scheduler.run(2_000);
    expect(wrappedIn(noted)).toHaveLength(1);
    expect(events.filter((event) => event === 'seed not wrapped yet')).toHaveLength(4);
    desk.stop();
  });

  it('keeps what the last incarnation had wrapped until there is a new one', async () => {
    const provider = new Vault();
    const old = await provider.wrap(seed, { clusterId: CLUSTER, label: 'seed' });
    const foreign = clusterId('d'.repeat(64));
    const earlier = [await journalWith([old]), await journalWith([utf8('x')], foreign)];
    const { desk, noted, noter, scheduler } = world(earlier, provider);
    provider.failures = 1;
    noter.stateChanged(state);
    await desk.seeds();
    provider.failures = 1;
    desk.changed(cluster, noter);
    await scheduler.run(500);
    expect(wrappedIn(noted)).toEqual([`${CLUSTER}/seed/0`]);
    await scheduler.run(1_000);
    expect(wrappedIn(noted)).toEqual([`${CLUSTER}/seed/1`]);
    desk.stop();
  });

  it('offers what the provider opens, for the cluster that its disk claims (I4)', async () => {
    const provider = new Vault();
    const good = await provider.wrap(seed, { clusterId: CLUSTER, label: 'seed' });
    const foreign = clusterId('d'.repeat(64));
    const damaged = mkdtempSync(join(scratch, 'journal-'));
    const earlier = [
      await journalWith([utf8('forged'), good]),
      await journalWith([good], foreign),
      damaged,
    ];
    const { desk, scheduler, events } = world(earlier, provider);
    const asked = provider.asked;
    provider.failures = 1;
    const first = await desk.seeds();
    expect(first.map(({ clusterId: of }) => of)).toEqual([CLUSTER]);
    expect(first[0]?.seed.equals(seed)).toBe(true);
    expect(provider.asked).toBe(asked + 3);
    expect(events.filter((event) => event === 'seed not unwrapped')).toHaveLength(2);
    await scheduler.run(60_000);
    expect(await desk.seeds()).toEqual(first);
    expect(provider.asked).toBe(asked + 3);
  });

  it('asks a provider that was down again, and not all the time', async () => {
    const provider = new Vault();
    const good = await provider.wrap(seed, { clusterId: CLUSTER, label: 'seed' });
    const { desk, scheduler } = world([await journalWith([good])], provider);
    provider.failures = 2;
    expect(await desk.seeds()).toEqual([]);
    expect(await desk.seeds()).toEqual([]);
    expect(provider.failures).toBe(1);
    await scheduler.run(5_000);
    expect(await desk.seeds()).toEqual([]);
    await scheduler.run(5_000);
    expect(await desk.seeds()).toHaveLength(1);
  });
});

describe('claims', () => {
  it('without wrapped seeds are what they always were, and with some say so', () => {
    const plain = encodeClaims(claimsWith([]));
    expect(Buffer.from(plain).includes('witan/disk-claims/v1')).toBe(true);
    expect(decodeClaims(plain)).toEqual(claimsWith([]));
    const wrapped = claimsWith([utf8('one'), utf8('two')]);
    const bytes = encodeClaims(wrapped);
    expect(Buffer.from(bytes).includes('witan/disk-claims/v2')).toBe(true);
    expect(decodeClaims(bytes)).toEqual(wrapped);
    const tooLarge = expect.objectContaining({ code: 'CANONICAL_TOO_LARGE' }) as Error;
    const five = claimsWith([1, 2, 3, 4, 5].map((at) => utf8(String(at))));
    expect(() => decodeClaims(encodeClaims(five))).toThrow(tooLarge);
    const large = claimsWith([new Uint8Array(8193)]);
    expect(() => decodeClaims(encodeClaims(large))).toThrow(tooLarge);
    // One value has one encoding: an empty list is not written.
    const empty = Buffer.concat([bytes.subarray(0, bytes.byteLength - 18), Buffer.alloc(4)]);
    expect(decodeClaims(Uint8Array.from(empty))).toBeUndefined();
  });
});

describe('the measured configuration', () => {
  it('alone switches a provider on, and says what is wrong with it', () => {
    const of = (sealing: unknown) =>
      parseInitdata(
        utf8(
          JSON.stringify({
            apiVersion: 'witan.dev/v1',
            kind: 'Coordinator',
            slots: ['a'],
            sealing,
          }),
        ),
      );
    expect(of(undefined).sealing).toBeUndefined();
    const { scheduler } = world();
    const options = { earlier: [], scheduler, onEvent: (): void => undefined };
    expect(sealingDeskOf(undefined, options)).toBeUndefined();
    expect(() => of({ provider: 'vault-transit', address: 'http://vault' })).toThrow(
      expect.objectContaining({
        code: 'COORDINATOR_INITDATA_INVALID',
        fields: expect.objectContaining({ path: 'sealing.address' }) as unknown,
      }) as Error,
    );
    expect(() => of(7)).toThrow(
      expect.objectContaining({
        fields: expect.objectContaining({ path: 'sealing' }) as unknown,
      }) as Error,
    );
  });
});
