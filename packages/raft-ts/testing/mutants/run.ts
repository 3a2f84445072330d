/** Judges seeded bugs: each must make at least one suite fail. */
import type { Mutant } from './mutant.ts';
import {
  SLOW_SUITES,
  TIMEOUT_FACTOR,
  TIMEOUT_MS_MAX,
  TIMEOUT_MS_MIN,
  runSuite,
  scenarioSuite,
  vectorSuites,
  type Suite,
} from './suites.ts';
import type { WorkCopy } from './work-copy.ts';

/** What became of one seeded bug. */
export type Verdict = {
  readonly name: string;
  readonly breaks: string;
  /** The suites that noticed it, in the order in which they ran; the first one only, by default. */
  readonly killedBy: readonly string[];
  readonly detail: string;
};

/** Every suite that can run here, cheapest first. */
export function allSuites(): readonly Suite[] {
  return [scenarioSuite(), ...vectorSuites(), ...SLOW_SUITES];
}

/** How long each suite may take in ms, by name. */
export type TimeLimits = ReadonlyMap<string, number>;

/**
 * Runs every suite without a bug.
 * @returns how long each may take with one
 * @throws Error if a suite fails without a seeded bug, so that its failures mean nothing
 */
export function checkUnmutated(copy: WorkCopy, suites: readonly Suite[]): TimeLimits {
  const limits = new Map<string, number>();
  for (const suite of suites) {
    const start = performance.now();
    const { outcome, detail } = runSuite(suite, copy.root, TIMEOUT_MS_MAX);
    if (outcome !== 'passed') throw new Error(`${suite.name} fails without a bug: ${detail}`);
    const limit = Math.ceil((performance.now() - start) * TIMEOUT_FACTOR);
    limits.set(suite.name, Math.max(TIMEOUT_MS_MIN, limit));
  }
  return limits;
}

/** How to judge. */
export type JudgeOptions = {
  readonly suites: readonly Suite[];
  /** Go on after the first suite that notices the bug. */
  readonly everySuite?: boolean;
  readonly limits?: TimeLimits;
};

/**
 * Seeds the bug and runs the suites. A bug with a script of its own must be noticed by that script.
 * @throws Error if the bug cannot be seeded
 */
export function judge(copy: WorkCopy, mutant: Mutant, options: JudgeOptions): Verdict {
  const { name, breaks, script } = mutant;
  return copy.withMutant(mutant, () => {
    const killedBy: string[] = [];
    let detail = '';
    const first = script === undefined ? [] : [scenarioSuite(script)];
    for (const suite of [...first, ...options.suites]) {
      const limit = options.limits?.get(suite.name) ?? TIMEOUT_MS_MIN;
      const run = runSuite(suite, copy.root, limit);
      if (run.outcome !== 'passed') {
        if (killedBy.length === 0) detail = run.detail;
        killedBy.push(suite.name);
        if (options.everySuite !== true) break;
      } else if (suite.name === script) {
        return { name, breaks, killedBy: [], detail: `${script} does not notice it` };
      }
    }
    return { name, breaks, killedBy, detail };
  });
}
