/** Ending processes that the benchmark has started. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** SIGKILL, by process id. Resolves when the process is gone. */
export async function killProcess(child: ChildProcess | undefined): Promise<void> {
  if (child?.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
