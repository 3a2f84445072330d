/** The suites that judge a seeded bug, cheapest first. Each is one process in the work copy. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

/** How one run of a suite ended. */
export type SuiteRun = {
  readonly outcome: 'passed' | 'failed' | 'timed-out';
  /** The first line that tells what was wrong. */
  readonly detail: string;
};

export type Suite = {
  readonly name: string;
  /** Arguments to Node, relative to the copied package. */
  readonly args: readonly string[];
};

const REPOSITORY = join(import.meta.dirname, '../../../..');
const SCENARIOS = join(REPOSITORY, 'test/scenarios/raft');
const VECTORS = join(REPOSITORY, '../shared/vectors/raft');
const VITEST = join(REPOSITORY, 'node_modules/vitest/vitest.mjs');

/**
 * One run may take so long, at the least. Some seeded bugs make the group go round in circles; a
 * busy machine must not be taken for that.
 */
export const TIMEOUT_MS_MIN = 60_000;
/** How much longer than without a bug a run may take. */
export const TIMEOUT_FACTOR = 8;
/** Without a bug. */
export const TIMEOUT_MS_MAX = 900_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** Those of the unit tests that are not suites of their own here. */
const UNIT_TESTS = [
  'corners',
  'guards',
  'paper',
  'paper-logs',
  'log',
  'membership',
  'hostile',
  'config',
  'quorum',
  'codec',
];

/** The scripts of this repository, or one of them. */
export function scenarioSuite(script?: string): Suite {
  const path = script === undefined ? SCENARIOS : join(SCENARIOS, script);
  return { name: script ?? 'scenarios', args: ['testing/interaction-main.ts', path] };
}

/** The suites that need files which are not part of the repository; none where they are missing. */
export function vectorSuites(): readonly Suite[] {
  if (!existsSync(VECTORS)) return [];
  const pure = ['quorum', 'confchange'].map((folder) => join(VECTORS, folder));
  return [
    { name: 'pure-vectors', args: ['testing/vectors-main.ts', ...pure] },
    {
      name: 'etcd-interaction',
      args: ['testing/interaction-main.ts', join(VECTORS, 'testdata')],
    },
  ];
}

/** Traces against a model, random clusters, and the unit tests as a last resort. */
export const SLOW_SUITES: readonly Suite[] = [
  { name: 'traces', args: ['testing/traces-main.ts', '--seeds', '8'] },
  { name: 'cluster', args: ['testing/cluster-main.ts', '--seeds', '20', '--events', '4000'] },
  {
    name: 'unit',
    args: [
      VITEST,
      'run',
      '--bail',
      '1',
      '--testTimeout',
      '120000',
      '--root',
      '.',
      ...UNIT_TESTS.map((name) => `test/${name}.test.ts`),
    ],
  },
];

/**
 * Runs a suite in the copied package.
 * @throws Error if the sources cannot be loaded or name unknown things: any suite would fail then
 */
export function runSuite(suite: Suite, folder: string, timeoutMs: number): SuiteRun {
  const { error, status, stdout, stderr } = spawnSync(process.execPath, [...suite.args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  if (error !== undefined && 'code' in error && error.code === 'ETIMEDOUT') {
    return { outcome: 'timed-out', detail: `no end after ${timeoutMs} ms` };
  }
  if (error !== undefined) throw error;
  if (status === 0) return { outcome: 'passed', detail: '' };
  const broken = /(?:Reference|Syntax)Error.*/.exec(`${stdout}\n${stderr}`)?.[0];
  if (broken !== undefined) throw new Error(`the replacement is no program: ${broken}`);
  const output = stripVTControlCharacters(`${stdout}\n${stderr}`);
  const line = output.split('\n').find((text) => /FAIL|Error|Violation/.test(text));
  return { outcome: 'failed', detail: shorten(line ?? `exit code ${status}`) };
}

function shorten(line: string): string {
  return line.trim().replaceAll(SCENARIOS, '').replaceAll(VECTORS, '').slice(0, 160);
}
