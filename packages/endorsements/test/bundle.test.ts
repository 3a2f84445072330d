import { readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { NOW_MS, healthyTdReport, testCrypto } from '@witan/attestation/testing';
import { toHex } from '@witan/core';
import { exportCommand, importCommand, listCommand, type EndorsementsError } from '../src/index.ts';
import { vcekRequestOf } from '../testing/index.ts';
import { createBench, DAY_MS, problemsOf, type Bench } from './support/bench.ts';

let bench: Bench;
afterEach(async () => {
  await bench.close();
});

const file = (): string => join(bench.directory, 'bundle.json');
const other = (): string => join(bench.directory, 'other');

/** A bundle with everything for one report and one quote. */
async function exported(): Promise<string> {
  bench = await createBench();
  const store = bench.store();
  await store.endorsementsFor(bench.amd.evidence());
  await store.endorsementsFor({
    kind: 'tdx',
    quote: bench.intel.hierarchy.quote(healthyTdReport()),
    endorsements: {},
  });
  await store.exportBundle(file());
  return readFile(file(), 'utf8');
}

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: EndorsementsError) => error.code,
  );

describe('a bundle', () => {
  it('carries everything to a site without a network', async () => {
    await exported();
    bench.mirror.requests.length = 0;
    const site = bench.store({ directory: other(), offline: true });
    const report = await site.importBundle(file());
    expect(report.imported).toHaveLength(7);
    expect(report.keptNewer).toEqual([]);
    const { complete } = await site.endorsementsFor(bench.amd.evidence());
    expect(complete).toBe(true);
    expect(bench.mirror.requests).toEqual([]);
  });

  it('lists its contents with hashes, which are those of the cache, and has a hash', async () => {
    const text = await exported();
    const report = await bench.store().exportBundle(file());
    const names = await readdir(join(bench.directory, 'cache', 'content'));
    expect(report.manifest.map(({ sha256 }) => sha256).toSorted()).toEqual(names.toSorted());
    const { manifest } = JSON.parse(text) as { manifest: unknown };
    expect(manifest).toEqual(report.manifest);
    expect(await readFile(file(), 'utf8')).toBe(text);
    const bytes = new Uint8Array(await readFile(file()));
    expect(toHex(testCrypto.hash('sha256', bytes))).toBe(report.sha256);
    expect(bytes.byteLength).toBe(report.bytes);
    expect((await stat(file())).mode & 0o777).toBe(0o644);
  });

  it.each([
    ['cut', (text: string) => text.slice(0, -100)],
    ['with a space more', (text: string) => text.replace('{', '{ ')],
    ['of another version', (text: string) => text.replace('"version":1', '"version":2')],
    ['with another hash', (text: string) => text.replace(/"sha256":"./, '"sha256":"g')],
    ['with a longer validity', (text: string) => text.replace(/"validUntil":1/, '"validUntil":2')],
    ['of another size', (text: string) => text.replace(/"bytes":1/, '"bytes":2')],
    ['with a field more', (text: string) => text.replace('{"key"', '{"x":1,"key"')],
    ['with a negative time', (text: string) => text.replace(/"fetchedAt":/, '"fetchedAt":-')],
    ['that is a list', () => '[]\n'],
    ['with an altered content', (text: string) => alterContent(text)],
  ])('that is %s is refused', async (_what, change) => {
    const text = await exported();
    await writeFile(file(), change(text));
    const site = bench.store({ directory: other() });
    expect(await codeOf(site.importBundle(file()))).toBe('ENDORSEMENTS_BUNDLE_MALFORMED');
    expect(await site.list()).toEqual([]);
  });

  it('with an item of a later version is refused by its name', async () => {
    const text = await exported();
    await writeFile(file(), text.replace('"key":"intel-root-crl"', '"key":"arm-cca-chain"'));
    const importing = bench.store({ directory: other() }).importBundle(file());
    await expect(importing).rejects.toMatchObject({
      code: 'ENDORSEMENTS_BUNDLE_UNKNOWN_ITEM',
      fields: { found: 'arm-cca-chain' },
    });
  });

  it('is verified down from a root that the site accepts, whole or not at all', async () => {
    await exported();
    const stranger = bench.store({ directory: other(), roots: {} });
    await expect(stranger.importBundle(file())).rejects.toMatchObject({
      code: 'ENDORSEMENTS_UNVERIFIED',
      fields: { key: 'amd-chain/Milan/VCEK', check: 'root' },
    });
    expect(await stranger.list()).toEqual([]);
  });

  it('does not replace what is newer, nor bring what has ended', async () => {
    await exported();
    const crl = bench.amd.crl({ thisUpdate: NOW_MS + DAY_MS, nextUpdate: NOW_MS + 60 * DAY_MS });
    bench.mirror.fail('/crl', { kind: 'answer', body: crl });
    bench.nowMs += 2 * DAY_MS;
    const store = bench.store();
    await store.endorsementsFor(bench.amd.evidence());
    await store.idle();
    expect((await store.importBundle(file())).keptNewer).toContain('amd-crl/Milan/VCEK');
    bench.nowMs += 40 * DAY_MS;
    const late = await bench.store({ directory: other() }).importBundle(file());
    expect(late.expired).toContain('amd-crl/Milan/VCEK');
    expect(late.imported).toEqual(expect.arrayContaining(['amd-chain/Milan/VCEK']));
  });

  it('that cannot be read or written says so', async () => {
    await exported();
    const store = bench.store();
    expect(await codeOf(store.importBundle(join(bench.directory, 'none')))).toBe(
      'ENDORSEMENTS_FILE',
    );
    expect(await codeOf(store.exportBundle(join(bench.directory, 'no', 'where')))).toBe(
      'ENDORSEMENTS_FILE',
    );
    await truncate(file(), 65 * 1024 * 1024);
    expect(await codeOf(store.importBundle(file()))).toBe('ENDORSEMENTS_TOO_LARGE');
    expect(await codeOf(store.exportBundle(file(), { keys: ['amd-crl/Genoa/VCEK'] }))).toBe(
      'ENDORSEMENTS_OFFLINE',
    );
    expect(await codeOf(store.exportBundle(file(), { kinds: ['x' as 'amd-crl'] }))).toBe(
      'ENDORSEMENTS_OPTION_INVALID',
    );
  });
});

describe('the commands', () => {
  const options = () => ({
    directory: join(bench.directory, 'cache'),
    maximumAgeMs: 30 * DAY_MS,
  });

  it('export what was named, import and list it', async () => {
    bench = await createBench();
    const store = bench.store();
    const parts = await store.obtain([
      vcekRequestOf('Milan'),
      { kind: 'amd-crl', product: 'Milan', signer: 'VCEK' },
      { kind: 'intel-root-crl' },
    ]);
    expect(problemsOf(parts)).toEqual({});
    expect(parts.map(({ key }) => key.split('/')[0])).toEqual([
      'amd-chain',
      'amd-vcek',
      'amd-crl',
      'intel-qe-identity',
      'intel-root-crl',
    ]);
    const over = { ...options(), ...storeOver() };
    const done = await exportCommand({
      store: over,
      file: file(),
      requests: [{ kind: 'amd-crl', product: 'Milan', signer: 'VCEK' }],
      evidence: [bench.amd.evidence()],
    });
    expect(done.gathered).toHaveLength(3);
    expect(done.manifest).toHaveLength(3);
    const taken = { ...over, directory: other() };
    expect((await importCommand({ store: taken, file: file() })).imported).toHaveLength(3);
    const { items } = await listCommand({ store: taken });
    expect(items.map(({ key, validFrom }) => [key, validFrom.length])).toEqual([
      ['amd-chain/Milan/VCEK', 24],
      ['amd-crl/Milan/VCEK', 24],
      [done.manifest[2]?.key, 24],
    ]);
    const all = await exportCommand({ store: over, file: file() });
    expect(all.gathered).toEqual([]);
    expect(all.manifest).toHaveLength(5);
  });
});

function storeOver() {
  return {
    clock: { now: () => bench.nowMs as never },
    roots: {
      snp: { production: [], development: [bench.amd.authorities.fingerprint] },
      tdx: { production: [], development: [bench.intel.hierarchy.fingerprint] },
    },
    offline: true,
  };
}

/** Another body under its right hash would have to verify; here the hash is the old one. */
function alterContent(text: string): string {
  const at = text.indexOf('"body":"') + 40;
  return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
}
