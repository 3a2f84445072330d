/**
 * How much of the consensus core simulation alone reaches: `npm run sim:coverage`. Counts blocks as
 * V8 reports them: each function, and within it each block that ran more or less often than what is
 * around it. A function that never ran counts as one block.
 */
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Share of blocks that simulation must reach, in percent (design/raft.md section 10, C.9). */
const TARGET_PERCENT = 90;
const CORE = '/packages/raft-ts/src/';

const USAGE = `Prints which share of the consensus core's blocks simulated clusters reach.

Usage: npm run sim:coverage -- [--seeds N] [--from S] [--events N] [--json]

Exits with 1 below ${TARGET_PERCENT} percent.

Example: npm run sim:coverage -- --seeds 50 --events 4000
`;

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

/** What was reached of one file. */
export interface FileCoverage {
  readonly file: string;
  readonly blocks: number;
  readonly reached: number;
  /** Lines on which blocks begin that were never reached. */
  readonly missed: readonly number[];
}

/** @param sourceOf gives the text of a script by its URL */
export function coverageOf(
  scripts: readonly Script[],
  sourceOf: (url: string) => string,
): readonly FileCoverage[] {
  const files = scripts.map(({ url, functions }) => {
    const ranges = functions.flatMap(({ ranges }) => ranges);
    const source = sourceOf(url);
    const lineOf = (offset: number): number => source.slice(0, offset).split('\n').length;
    const missed = ranges.filter(({ count }) => count === 0).map((one) => lineOf(one.startOffset));
    const reached = ranges.length - missed.length;
    return { file: url.split(CORE)[1] ?? url, blocks: ranges.length, reached, missed };
  });
  return files.toSorted((a, b) => (a.file < b.file ? -1 : 1));
}

async function main(args: readonly string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { ...text, default: '50' },
      from: { ...text, default: '1' },
      events: { ...text, default: '4000' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  // Only now: what is loaded before is not counted block by block.
  const { runSeed } = await import('./run.ts');
  const from = Number(values.from);
  let failed = 0;
  for (let seed = from; seed < from + Number(values.seeds); seed += 1) {
    const { failure } = await runSeed({ seed, events: Number(values.events) });
    if (failure !== undefined) failed += 1;
  }
  let scripts: readonly Script[] = [];
  session.post('Profiler.takePreciseCoverage', (error, answer) => {
    if (error === null) scripts = answer.result.filter(({ url }) => url.includes(CORE));
  });
  const files = coverageOf(scripts, (url) => readFileSync(fileURLToPath(url), 'utf8'));
  const blocks = files.reduce((sum, file) => sum + file.blocks, 0);
  const reached = files.reduce((sum, file) => sum + file.reached, 0);
  const percent = blocks === 0 ? 0 : (100 * reached) / blocks;
  if (values.json) console.log(JSON.stringify({ percent, blocks, reached, failed, files }));
  else {
    for (const file of files) {
      const missed = file.missed.length === 0 ? '' : `  not reached: ${file.missed.join(', ')}`;
      console.log(`${file.file}  ${file.reached} of ${file.blocks}${missed}`);
    }
  }
  console.log(`${percent.toFixed(1)} % of ${blocks} blocks, target ${TARGET_PERCENT} %`);
  console.log(`${Number(values.seeds) - failed} passed, ${failed} failed`);
  return percent >= TARGET_PERCENT && failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
