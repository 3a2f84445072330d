import { cp, mkdir, readFile, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { NOW_MS } from '@witan/attestation/testing';
import { createIntelVendor } from '../testing/index.ts';
import { createBench, DAY_MS, type Bench } from './support/bench.ts';
import { verdictOn } from './support/judge.ts';

let bench: Bench;
afterEach(async () => {
  await bench.close();
});

const contents = (): string => join(bench.directory, 'cache', 'content');
const index = (): string => join(bench.directory, 'cache', 'index');

async function filled(): Promise<void> {
  bench = await createBench();
  await bench.store().endorsementsFor(bench.amd.evidence());
  bench.mirror.requests.length = 0;
}

async function eachContent(change: (path: string) => Promise<unknown>): Promise<void> {
  for (const name of await readdir(contents())) await change(join(contents(), name));
}

describe('a hostile cache directory', () => {
  it.each([
    ['cut', (path: string) => truncate(path, 100)],
    ['empty', (path: string) => truncate(path, 0)],
    ['rubbish', (path: string) => writeFile(path, 'rubbish')],
    ['gone', (path: string) => rm(path)],
    [
      'altered by one bit',
      async (path: string) => {
        const bytes = await readFile(path);
        bytes[200] = (bytes[200] ?? 0) ^ 1;
        await writeFile(path, bytes);
      },
    ],
    [
      'a link to elsewhere',
      async (path: string) => {
        await rm(path);
        await symlink('/dev/zero', path);
      },
    ],
    [
      'a directory',
      async (path: string) => {
        await rm(path);
        await mkdir(path);
      },
    ],
  ])('is noticed and fetched over when contents are %s', async (what, change) => {
    await filled();
    await eachContent(change);
    const { complete, endorsements } = await bench.store().endorsementsFor(bench.amd.evidence());
    expect(complete).toBe(true);
    expect(bench.mirror.requests).toHaveLength(3);
    expect(verdictOn(bench, bench.amd.evidence(), endorsements)).toBe('genuine');
    const damage = bench.events.find(({ kind }) => kind === 'cache-damaged');
    expect(damage).toMatchObject({ error: { code: 'ENDORSEMENTS_CACHE_DAMAGED' } });
    // A directory stays in the way of the file; everything else is whole again.
    const again = await bench.store({ offline: true }).endorsementsFor(bench.amd.evidence());
    expect(again.complete).toBe(what !== 'a directory');
  });

  it('is noticed when the index is rubbish, names another key or a path', async () => {
    for (const change of [
      () => 'rubbish',
      () => '{"version":1}',
      (text: string) => text.replace('/VCEK', '/VLEK'),
      (text: string) => text.replace(/"content":"[0-9a-f]*"/, '"content":"../../etc/passwd"'),
      (text: string) => text.replace(/"fetchedAt":\d+/, '"fetchedAt":-1'),
      () => 'x'.repeat(100_000),
    ]) {
      await filled();
      for (const name of await readdir(index())) {
        const path = join(index(), name);
        await writeFile(path, change(await readFile(path, 'utf8')));
      }
      const { complete } = await bench.store().endorsementsFor(bench.amd.evidence());
      expect(complete).toBe(true);
      expect(bench.mirror.requests.length).toBeGreaterThan(0);
      expect(bench.kinds()).toContain('cache-damaged');
      await bench.close();
    }
    bench = await createBench();
  });

  it('cannot pass off what another root signed, whatever its hash says', async () => {
    await filled();
    const other = await createBench('Milan');
    try {
      const stranger = createIntelVendor();
      other.mirror.answers = stranger.answers;
      const store = other.store({
        directory: join(bench.directory, 'cache'),
        roots: {
          tdx: { production: [], development: [stranger.hierarchy.fingerprint] },
        },
      });
      const [part] = await store.obtain([{ kind: 'intel-qe-identity' }]);
      expect(part?.source).toBe('network');
      const offline = bench.store({ offline: true });
      const [found] = await offline.obtain([{ kind: 'intel-qe-identity' }]);
      expect(found?.problem?.code).toBe('ENDORSEMENTS_OFFLINE');
      expect(bench.events.at(-1)).toMatchObject({
        kind: 'cache-damaged',
        error: { code: 'ENDORSEMENTS_UNVERIFIED' },
      });
    } finally {
      await other.close();
    }
  });

  it('that is turned back does not turn back a running process', async () => {
    bench = await createBench();
    const old = bench.amd.crl({ thisUpdate: NOW_MS - 10 * DAY_MS });
    bench.mirror.fail('/crl', { kind: 'answer', body: old });
    await bench.store().endorsementsFor(bench.amd.evidence());
    await cp(join(bench.directory, 'cache'), join(bench.directory, 'copy'), { recursive: true });
    bench.mirror.heal();
    bench.nowMs += 2 * DAY_MS;
    const running = bench.store();
    await running.endorsementsFor(bench.amd.evidence());
    await running.idle();
    await rm(join(bench.directory, 'cache'), { recursive: true });
    await cp(join(bench.directory, 'copy'), join(bench.directory, 'cache'), { recursive: true });
    bench.nowMs += 2 * DAY_MS;
    const { endorsements } = await running.endorsementsFor(bench.amd.evidence());
    expect(endorsements.crl).not.toEqual(old);
  });

  it('cannot make anything valid for longer by a note of when it was fetched', async () => {
    await filled();
    bench.nowMs += 31 * DAY_MS;
    for (const name of await readdir(index())) {
      const path = join(index(), name);
      const text = await readFile(path, 'utf8');
      await writeFile(path, text.replace(/"fetchedAt":\d+/, `"fetchedAt":${bench.nowMs}`));
    }
    const { endorsements } = await bench
      .store({ offline: true })
      .endorsementsFor(bench.amd.evidence());
    expect(verdictOn(bench, bench.amd.evidence(), endorsements)).toBe('SNP_CRL_VALIDITY');
  });

  it('of very many files costs bounded time and is passed over', async () => {
    await filled();
    await Promise.all(
      Array.from({ length: 200 }, (_, number) => writeFile(join(index(), `f${number}`), 'x')),
    );
    const store = bench.store();
    expect(await store.list()).toHaveLength(3);
  });
});

describe('writing', () => {
  it('leaves no half files, and nothing that others may read', async () => {
    await filled();
    const names = [...(await readdir(contents())), ...(await readdir(index()))];
    expect(names.every((name) => /^[0-9a-f]{64}$/.test(name))).toBe(true);
    expect(names).toHaveLength(6);
  });

  it('to a place that is no directory costs the cache and nothing else', async () => {
    bench = await createBench();
    await writeFile(join(bench.directory, 'cache'), 'a file');
    const store = bench.store();
    expect((await store.endorsementsFor(bench.amd.evidence())).complete).toBe(true);
    expect(bench.events.find(({ kind }) => kind === 'cache-unwritable')).toMatchObject({
      error: { code: 'ENDORSEMENTS_CACHE_UNWRITABLE' },
    });
    const { parts } = await store.endorsementsFor(bench.amd.evidence());
    expect(parts.every(({ source }) => source === 'cache')).toBe(true);
  });

  it('keeps within limits, and drops what was used least recently', async () => {
    bench = await createBench();
    const store = bench.store({ cacheItemsMax: 4 });
    for (const byte of [1, 2, 3, 4]) {
      await store.endorsementsFor(bench.amd.evidence({ chipId: new Uint8Array(64).fill(byte) }));
    }
    expect(await store.list()).toHaveLength(4);
    expect(await readdir(contents())).toHaveLength(4);
    expect(bench.kinds()).toContain('evicted');
    const bytes = bench.store({ cacheBytesMax: 3000 });
    await bytes.endorsementsFor(bench.amd.evidence());
    expect((await bytes.list()).length).toBeLessThan(4);
  });

  it('lists what there is, ordered, with its state', async () => {
    await filled();
    const listed = await bench.store().list();
    expect(listed.map(({ item, state }) => [item.request.kind, state])).toEqual([
      ['amd-chain', 'current'],
      ['amd-crl', 'current'],
      ['amd-vcek', 'current'],
    ]);
    bench.nowMs += 2 * DAY_MS;
    expect((await bench.store().list()).map(({ state }) => state)).toContain('due');
  });
});
