/**
 * What a gate is: a function from a source tree to findings. `scripts/check.ts` runs gates on this
 * repository, the tests run them on small trees with a planted violation. A gate that checked
 * nothing has not passed: a checker that silently looked at no file is the failure to fear most.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** One violation, worded so that it can be mended without reading the gate. */
export interface Finding {
  /** Relative to the tree's root. */
  readonly file: string;
  readonly line?: number;
  readonly message: string;
}

export interface GateReport {
  /** How many things were looked at; zero is a failure. */
  readonly checkedCount: number;
  /** What was counted, in the plural. */
  readonly checkedUnit: string;
  readonly findings: readonly Finding[];
}

/** @param root absolute path of the source tree */
export type Gate = (root: string) => GateReport;

/** The repository that the gates themselves belong to; its tools are used for every tree. */
export const toolRoot: string = join(import.meta.dirname, '..', '..');

export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const outputBytesMax = 64 * 1024 * 1024;

/** Runs a pinned tool from node_modules/.bin and waits for it. A tool that cannot start throws. */
export function runTool(name: string, argv: readonly string[], cwd: string): ToolResult {
  const command = join(toolRoot, 'node_modules', '.bin', name);
  const path = `${join(toolRoot, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`;
  const result = spawnSync(command, [...argv], {
    cwd,
    encoding: 'utf8',
    maxBuffer: outputBytesMax,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path, NO_COLOR: '1', FORCE_COLOR: undefined },
  });
  if (result.error !== undefined) throw result.error;
  return { status: result.status ?? 1, stdout: result.stdout, stderr: result.stderr };
}
