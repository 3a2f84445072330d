/** What processes have used so far, as the kernel of the machine counts it (proc(5)). */
import { readFile } from 'node:fs/promises';

/** Length of one tick of `/proc/PID/stat`: USER_HZ is 100 on every architecture that Node has. */
const TICK_MS = 10;

/** CPU time of a process with all its threads, in milliseconds, in steps of 10. */
export async function cpuMsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, field 2, is in brackets and may hold blanks; user and system time are 14 and 15.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Resident memory of a process in bytes. */
export async function residentBytesOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
