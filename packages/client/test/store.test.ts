import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterId, epoch, generation, sha256Hex } from '@witan/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  configDirectory,
  fileFloorStore,
  memoryFloorStore,
  type FloorStore,
  type PinnedDeployment,
} from '../src/index.ts';

const ID = clusterId('a'.repeat(64));

function record(commitIndex: number, changes: Partial<PinnedDeployment> = {}): PinnedDeployment {
  const id = changes.clusterId ?? ID;
  return {
    clusterId: id,
    rootCertificate: Uint8Array.of(1, 2),
    historyPublicKey: Uint8Array.of(3),
    manifest: Uint8Array.of(4),
    floor: {
      clusterId: id,
      epoch: epoch(1),
      commitIndex,
      generation: generation(1),
      transitionHash: sha256Hex('c'.repeat(64)),
    },
    endpoints: ['a:1'],
    ...changes,
  };
}

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witan-store-'));
});

afterEach(async () => {
  await chmod(directory, 0o700);
  await rm(directory, { recursive: true });
});

const STORES: readonly (readonly [string, () => FloorStore])[] = [
  ['the memory store', () => memoryFloorStore()],
  ['the file store', () => fileFloorStore(directory)],
];

describe.each(STORES)('%s', (_name, make) => {
  it('keeps the newest recovery that was seen, and refuses another of its epoch (I7)', async () => {
    const store = make();
    const recovery = { epoch: epoch(2), hash: sha256Hex('d'.repeat(64)) };
    await store.save(record(5, { recovery }));
    await store.save(record(6));
    expect(await store.load(ID)).toEqual(record(6, { recovery }));
    const later = { epoch: epoch(3), hash: sha256Hex('e'.repeat(64)) };
    await store.save(record(4, { recovery: later }));
    expect(await store.load(ID)).toEqual(record(6, { recovery: later }));
    const other = { epoch: epoch(3), hash: sha256Hex('f'.repeat(64)) };
    await expect(store.save(record(9, { recovery: other }))).rejects.toThrow(
      expect.objectContaining({ code: 'CLIENT_HISTORY_FORKED' }),
    );
  });

  it('gives back what it was given', async () => {
    const store = make();
    expect(await store.list()).toEqual([]);
    expect(await store.load(ID)).toBeUndefined();
    await store.save(record(5));
    expect(await store.load(ID)).toEqual(record(5));
    expect(await store.list()).toEqual([record(5)]);
  });

  it('never lowers a floor (I6)', async () => {
    const store = make();
    await store.save(record(9));
    await store.save(record(5));
    expect((await store.load(ID))?.floor.commitIndex).toBe(9);
  });

  it('refuses another root, another history key and another branch of the history', async () => {
    const store = make();
    await store.save(record(5));
    const other = Uint8Array.of(9);
    await expect(store.save(record(6, { rootCertificate: other }))).rejects.toThrow(
      expect.objectContaining({ code: 'CLIENT_PIN_MISMATCH' }),
    );
    await expect(store.save(record(6, { historyPublicKey: other }))).rejects.toThrow(
      expect.objectContaining({ code: 'CLIENT_PIN_MISMATCH' }),
    );
    const floor = { ...record(6).floor, transitionHash: sha256Hex('d'.repeat(64)) };
    await expect(store.save(record(6, { floor }))).rejects.toThrow(
      expect.objectContaining({ code: 'CLIENT_HISTORY_FORKED' }),
    );
  });

  it('lets an endpoint lead to one cluster only, the last one met there', async () => {
    const store = make();
    const later = clusterId('b'.repeat(64));
    await store.save(record(5, { endpoints: ['a:1', 'b:1'] }));
    await store.save(record(1, { clusterId: later, endpoints: ['b:1', 'c:1'] }));
    expect((await store.load(ID))?.endpoints).toEqual(['a:1']);
    await store.save(record(6, { endpoints: ['d:1'] }));
    expect((await store.load(ID))?.endpoints).toEqual(['a:1', 'd:1']);
    expect((await store.load(later))?.endpoints).toEqual(['b:1', 'c:1']);
  });
});

describe('files', () => {
  it('are for their owner alone, and nothing half-written is left', async () => {
    await fileFloorStore(directory).save(record(5));
    const file = join(directory, 'clusters', `${ID}.json`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(directory, 'clusters'))).toEqual([`${ID}.json`]);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['another version', '{"apiVersion":"witan.dev/v9"}'],
    ['a negative floor', undefined],
  ])('that hold %s are refused by name and not overwritten', async (what, text) => {
    const store = fileFloorStore(directory);
    await store.save(record(5));
    const file = join(directory, 'clusters', `${ID}.json`);
    const damaged =
      text ?? (await readFile(file, 'utf8')).replace('"commitIndex": 5', '"commitIndex": -5');
    expect(what).not.toBe('');
    await writeFile(file, damaged);
    const refused = expect.objectContaining({ code: 'CLIENT_STORE_DAMAGED' }) as unknown;
    await expect(store.load(ID)).rejects.toThrow(refused);
    await expect(store.save(record(6))).rejects.toThrow(refused);
    expect(await readFile(file, 'utf8')).toBe(damaged);
  });

  it('of another cluster under this name are refused', async () => {
    const store = fileFloorStore(directory);
    await store.save(record(5));
    const other = clusterId('b'.repeat(64));
    const text = await readFile(join(directory, 'clusters', `${ID}.json`));
    await writeFile(join(directory, 'clusters', `${other}.json`), text);
    await expect(store.load(other)).rejects.toThrow(
      expect.objectContaining({ code: 'CLIENT_STORE_DAMAGED' }),
    );
  });

  it('that cannot be written are reported', async () => {
    await writeFile(join(directory, 'clusters'), '');
    await expect(fileFloorStore(directory).save(record(1))).rejects.toThrow(
      expect.objectContaining({ code: 'CLIENT_STORE_FAILED' }),
    );
  });
});

describe('the directory for settings', () => {
  it.each([
    [{ WITAN_CONFIG_HOME: '/w', XDG_CONFIG_HOME: '/x', HOME: '/h' }, '/w'],
    [{ XDG_CONFIG_HOME: '/x', HOME: '/h' }, '/x/witan'],
    [{ WITAN_CONFIG_HOME: '', XDG_CONFIG_HOME: '', HOME: '/h' }, '/h/.config/witan'],
  ])('for %j is %s', (env, expected) => {
    expect(configDirectory(env)).toBe(expected);
  });
});
