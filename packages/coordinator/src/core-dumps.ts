/**
 * Keeps memory out of core files: a crashed process must not leave the seed on a disk (I4).
 *
 * Node cannot set RLIMIT_CORE, but Linux lets a process say which of its mappings a core file gets
 * (core(5), "Controlling which mappings are written to the core dump"). With none, what remains is
 * the threads' registers, among them vector registers, which may hold the last few dozen bytes that
 * were copied. Whoever cannot accept that sets the limit to 0 where the process is started.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const FILTER = '/proc/self/coredump_filter';
const NO_MAPPINGS = '0';

/** `excluded`: a core file will hold no memory. `unsupported`: this system has no such filter. */
export type CoreDumpState = 'excluded' | 'unsupported';

/** To be called before there are secrets. Children inherit it. @param path for tests */
export function excludeMemoryFromCoreDumps(path: string = FILTER): CoreDumpState {
  try {
    writeFileSync(path, NO_MAPPINGS);
    return Number.parseInt(readFileSync(path, 'utf8'), 16) === 0 ? 'excluded' : 'unsupported';
  } catch {
    // Another system, or a sandbox without /proc. The caller says so.
    return 'unsupported';
  }
}
