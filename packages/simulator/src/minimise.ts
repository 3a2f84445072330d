/** Delta debugging (Zeller and Hildebrandt, 2002): the faults that a failure needs, no others. */
import { runSeed, type RunOptions, type RunResult } from './run.ts';

/**
 * @param runsMax most runs to spend
 * @returns the failing run with the fewest faults that was found
 */
export async function minimise(
  options: RunOptions,
  failed: RunResult,
  runsMax: number,
): Promise<RunResult> {
  let best = failed;
  let numbers = failed.faults.map(({ number }) => number);
  let chunks = 2;
  let runs = 0;
  while (numbers.length > 0 && runs < runsMax) {
    const size = Math.ceil(numbers.length / chunks);
    let isSmaller = false;
    for (let from = 0; from < numbers.length && runs < runsMax; from += size) {
      const fewer = [...numbers.slice(0, from), ...numbers.slice(from + size)];
      runs += 1;
      const result = await runSeed({ ...options, keep: new Set(fewer) });
      if (result.failure?.code !== failed.failure?.code) continue;
      best = result;
      numbers = fewer;
      isSmaller = true;
      break;
    }
    if (isSmaller) chunks = Math.max(2, chunks - 1);
    else if (size === 1) break;
    else chunks = Math.min(numbers.length, chunks * 2);
  }
  return best;
}
