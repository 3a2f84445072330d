/** Starts real daemons and makes sure that none outlives its test file. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export const MAIN: string = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface Started {
  readonly process: ChildProcess;
  /** The first line of standard output, parsed; undefined when it ended without one. */
  readonly ready: Readonly<Record<string, unknown>> | undefined;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly stderr: () => string;
}

const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startDaemon(
  directory: string,
  ...options: readonly string[]
): Promise<Started> {
  return await startScript(MAIN, 'serve', '--directory', directory, ...options);
}

export async function startScript(script: string, ...args: readonly string[]): Promise<Started> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  const ready = await Promise.race([
    new Promise<Readonly<Record<string, unknown>>>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
        const end = stdout.indexOf('\n');
        if (end >= 0) resolve(JSON.parse(stdout.slice(0, end)) as Record<string, unknown>);
      });
    }),
    ended.then(() => undefined),
  ]);
  return { process: child, ready, ended, stderr: () => stderr };
}

/** Whether a process is there and no zombie (Linux /proc). */
export function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}

export async function until(condition: () => boolean, deadlineMs = 10_000): Promise<boolean> {
  const endMs = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
