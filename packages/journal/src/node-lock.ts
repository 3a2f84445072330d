/**
 * A lock file, so that two processes do not write one journal by mistake.
 *
 * The file names its holder by process id, start time and boot id. The process id alone would not
 * do: in a container it is the same small number after every restart. A file whose holder is gone
 * is taken over. It guards against mistakes on one machine, not against a host that attaches one
 * disk to two machines; the journal is never evidence of freshness (I4), so that costs a cache.
 */
import { readFileSync } from 'node:fs';
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemCodeOf } from './errors.ts';
import type { JournalLock } from './fs.ts';

const LOCK_NAME = 'lock';
const ATTEMPTS_MAX = 5;

/** Paths that this very process holds: its own id in a file would look like its own stale lock. */
const HELD = new Set<string>();
let counter = 0;

/** Takes the lock of a directory; undefined when a live process holds it. */
export async function lockDirectory(directory: string): Promise<JournalLock | undefined> {
  const path = join(resolve(directory), LOCK_NAME);
  if (HELD.has(path)) return undefined;
  HELD.add(path);
  try {
    const taken = await takeLock(path);
    if (!taken) HELD.delete(path);
    return taken ? { release: () => releaseLock(path) } : undefined;
  } catch (error) {
    HELD.delete(path);
    throw error;
  }
}

async function releaseLock(path: string): Promise<void> {
  if (!HELD.delete(path)) return;
  await unlink(path).catch(ignoreMissing);
}

async function takeLock(path: string): Promise<boolean> {
  counter += 1;
  const mine = `${path}.${process.pid}.${counter}`;
  await writeFile(mine, holderText(process.pid), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      // link(2) fails if the name exists, and the file is complete when the name appears.
      if (await tryLink(mine, path)) return true;
      const found = await readFile(path, 'utf8').catch(() => '');
      if (isAlive(found)) return false;
      await setStaleAside(path, found, `${mine}.stale`);
    }
    return false;
  } finally {
    await unlink(mine).catch(ignoreMissing);
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a stale lock, unless another process has replaced it since it was read. */
async function setStaleAside(path: string, stale: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
  } catch (error) {
    ignoreMissing(error);
    return;
  }
  if ((await readFile(aside, 'utf8')) !== stale) await tryLink(aside, path);
  await unlink(aside).catch(ignoreMissing);
}

/** `<process id> <start time in clock ticks since boot> <boot id>` */
function holderText(processId: number): string {
  return `${processId} ${startTimeOf(processId) ?? '-'} ${bootId()}\n`;
}

function isAlive(text: string): boolean {
  const processId = Number(text.split(' ')[0]);
  if (!Number.isSafeInteger(processId) || processId <= 0 || processId === process.pid) return false;
  try {
    // Signal 0 only asks whether the process exists (kill(2)).
    process.kill(processId, 0);
  } catch (error) {
    if (systemCodeOf(error) !== 'EPERM') return false;
  }
  return holderText(processId) === text;
}

function startTimeOf(processId: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'utf8');
    // Field 22 (proc_pid_stat(5)); the second field is in parentheses and may hold spaces.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '-';
  }
}

function ignoreMissing(error: unknown): void {
  if (systemCodeOf(error) !== 'ENOENT') throw error;
}
