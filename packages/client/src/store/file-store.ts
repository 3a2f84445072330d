/**
 * Stored deployments as files, one for each cluster, readable by their owner alone.
 *
 * A file is written beside its place, synced and renamed, so a reader sees the old one or the new
 * one. Two processes that save at the same moment may both compare with the old file; the later
 * rename wins, and both wrote a state that was verified above the old floor.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ClusterId } from '@witan/core';
import { ClientError } from '../errors.ts';
import { RECORD_BYTES_MAX, decodeRecord, encodeRecord } from './record.ts';
import { recordsToWrite, type FloorStore, type PinnedDeployment } from './store.ts';

const DIRECTORY = 'clusters';
const FILE_NAME = /^([0-9a-f]{64})\.json$/;
/** Files that are read from one directory. */
const RECORDS_MAX = 1000;

/**
 * The directory for settings of this user: `WITAN_CONFIG_HOME`, else `witan` in `XDG_CONFIG_HOME`,
 * else `~/.config/witan` (XDG Base Directory Specification).
 */
export function configDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const own = env['WITAN_CONFIG_HOME'];
  if (own !== undefined && own !== '') return own;
  const xdg = env['XDG_CONFIG_HOME'];
  if (xdg !== undefined && xdg !== '') return join(xdg, 'witan');
  return join(env['HOME'] ?? '.', '.config', 'witan');
}

/** @param directory created with its parents when something is first kept */
export function fileFloorStore(directory: string): FloorStore {
  const home = join(directory, DIRECTORY);
  const fileOf = (id: ClusterId): string => join(home, `${id}.json`);
  const list = async (): Promise<readonly PinnedDeployment[]> => {
    const names = await listNames(home);
    const records = await Promise.all(names.map((name) => readRecord(join(home, name))));
    return records.filter((record) => record !== undefined);
  };
  return {
    list,
    load: (id) => readRecord(fileOf(id)),
    save: async (deployment) => {
      for (const record of recordsToWrite(await list(), deployment)) {
        await writeAtomically(fileOf(record.clusterId), encodeRecord(record));
      }
    },
  };
}

async function listNames(home: string): Promise<readonly string[]> {
  try {
    const names = (await readdir(home)).filter((name) => FILE_NAME.test(name));
    return names.toSorted().slice(0, RECORDS_MAX);
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw new ClientError('CLIENT_STORE_FAILED', { directory: home }, cause);
  }
}

async function readRecord(file: string): Promise<PinnedDeployment | undefined> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(file);
    if (size > RECORD_BYTES_MAX) {
      const fields = { file, expected: RECORD_BYTES_MAX, found: size };
      throw new ClientError('CLIENT_STORE_DAMAGED', fields);
    }
    bytes = new Uint8Array(await readFile(file));
  } catch (cause) {
    if (cause instanceof ClientError) throw cause;
    if (isMissing(cause)) return undefined;
    throw new ClientError('CLIENT_STORE_FAILED', { file }, cause);
  }
  const record = decodeRecord(bytes, file);
  if (!file.endsWith(`${record.clusterId}.json`)) {
    throw new ClientError('CLIENT_STORE_DAMAGED', { file, found: record.clusterId });
  }
  return record;
}

async function writeAtomically(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new ClientError('CLIENT_STORE_FAILED', { file }, cause);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
