/**
 * `npm run attestation:robustness -- [DIR…]`: what is too slow for every test run. Inputs at every
 * limit must cost little; with evidence at hand, every bit of it is flipped and every bound of its
 * validity is tried.
 */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AttestationError, type SnpVerifyRequest, type TdxVerifyRequest } from '../src/index.ts';
import { objectOf, objectsOf, stringOf, type Json } from './json.ts';
import { cutQuote, cutReport, flipQuote, flipReport } from './robustness/flips.ts';
import { hostileInputs, type HostileInput } from './robustness/hostile.ts';
import { sweepSnp, sweepTdx } from './robustness/sweep.ts';
import { snpRequestOf } from './snp-vectors.ts';
import { tdxRequestsOf } from './tdx-vectors.ts';
import { indexFilesIn } from './vectors.ts';

const USAGE = `Usage: npm run attestation:robustness -- [--all] [--json] [DIR|FILE…]

Without a folder: hostile inputs only, each within 50 ms of processor time and with 16 MiB of memory
held at most. With folders of vectors: also bit flips and cuts of one Turin report and one quote of
version 5 (--all: of all that are accepted) and a sweep over the bounds of every validity.

Example: npm run -s attestation:robustness -- ../shared/vectors/attestation
`;

const COST_MS_MAX = 50;
const HELD_MIB_MAX = 16;
const RUNS = 5;

interface Result {
  readonly name: string;
  readonly good: boolean;
  readonly detail: string;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Median cost in processor time, and what is still held afterwards. */
function judgeCost({ name, run }: HostileInput): Result {
  const times: number[] = [];
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let round = 0; round < RUNS; round += 1) {
    const started = process.cpuUsage();
    try {
      run();
    } catch (error) {
      if (!(error instanceof AttestationError)) {
        return { name, good: false, detail: `threw without a code: ${String(error)}` };
      }
    }
    const { user, system } = process.cpuUsage(started);
    times.push((user + system) / 1000);
  }
  collectGarbage();
  const heldMiB = (process.memoryUsage().heapUsed - before) / 2 ** 20;
  const median = times.toSorted((a, b) => a - b)[RUNS >> 1] ?? 0;
  return {
    name: `hostile: ${name}`,
    good: median <= COST_MS_MAX && heldMiB <= HELD_MIB_MAX,
    detail: `${median.toFixed(1)} ms (at most ${COST_MS_MAX}), ${heldMiB.toFixed(1)} MiB held`,
  };
}

interface Named<Request> {
  readonly name: string;
  readonly request: Request;
}

/** Accepted evidence of the index files. */
function evidenceIn(paths: readonly string[]): {
  readonly snp: readonly Named<SnpVerifyRequest>[];
  readonly tdx: readonly Named<TdxVerifyRequest>[];
} {
  const snp: Named<SnpVerifyRequest>[] = [];
  const tdx: Named<TdxVerifyRequest>[] = [];
  for (const file of indexFilesIn(paths)) {
    const folder = dirname(file);
    const index = objectOf(JSON.parse(readFileSync(file, 'utf8')));
    const pins = Object.entries(objectOf(index['pinned_roots']));
    const roots = (prefix: string): readonly string[] =>
      pins.filter(([name]) => name.startsWith(prefix)).map(([, pin]) => stringOf(pin) ?? '');
    for (const vector of [...objectsOf(index['vectors']), ...objectsOf(index['snp'])]) {
      const accepted = (vector['expected'] ?? vector['expect']) === 'accept';
      const report = stringOf(objectOf(vector['files'])['report']);
      if (!accepted || report === undefined) continue;
      snp.push({
        name: nameOf(vector, report),
        request: snpRequestOf(folder, vector, roots('snp_')),
      });
    }
    for (const vector of objectsOf(index['tdx'])) {
      const name = nameOf(vector, stringOf(vector['file']) ?? '');
      const requests = tdxRequestsOf(folder, vector, roots('tdx_'));
      tdx.push(...requests.map((request) => ({ name, request })));
    }
  }
  return { snp, tdx };
}

function nameOf(vector: Json, fallback: string): string {
  return stringOf(vector['id']) ?? fallback;
}

const TURIN_FAMILY = 0x1a;

function* judgeEvidence(paths: readonly string[], all: boolean): Generator<Result> {
  const { snp, tdx } = evidenceIn(paths);
  for (const { name, request } of snp) yield swept(`snp ${name}`, sweepSnp(request));
  for (const { name, request } of tdx) yield swept(`tdx ${name}`, sweepTdx(request));
  const turin = snp.filter(({ request }) => request.report[0x188] === TURIN_FAMILY);
  const version5 = tdx.filter(({ request }) => request.quote[0] === 5);
  for (const { name, request } of all ? snp : turin.slice(0, 1)) {
    yield alteredResult(`other lengths: snp ${name}`, cutReport(request));
    yield alteredResult(`bit flips: snp ${name}`, flipReport(request));
  }
  for (const { name, request } of all ? tdx : version5.slice(0, 1)) {
    yield alteredResult(`cut: tdx ${name}`, cutQuote(request));
    yield alteredResult(`bit flips: tdx ${name}`, flipQuote(request));
  }
}

function swept(name: string, { tried, wrong }: ReturnType<typeof sweepSnp>): Result {
  const detail = `${tried} times${wrong.length === 0 ? '' : `, wrong at ${wrong.join(', ')}`}`;
  return { name: `time sweep: ${name}`, good: tried > 0 && wrong.length === 0, detail };
}

function alteredResult(
  name: string,
  { tried, accepted, meaningless }: ReturnType<typeof flipReport>,
): Result {
  const places = accepted.length === 0 ? '' : `, accepted at ${accepted.join(', ')}`;
  const layout = `${meaningless.length} in line ends and the final NUL of PEM`;
  const detail = `${tried} tried, ${accepted.length} accepted, ${layout}${places}`;
  return { name, good: accepted.length === 0, detail };
}

function main(): number {
  const { values, positionals } = parseArgs({
    options: { all: { type: 'boolean' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const results: Result[] = [];
  const report = (result: Result): void => {
    results.push(result);
    const line = `${result.good ? 'passed' : 'FAILED'}  ${result.name}: ${result.detail}`;
    if (values.json !== true) console.log(line);
  };
  for (const input of hostileInputs()) report(judgeCost(input));
  if (positionals.length > 0) {
    for (const result of judgeEvidence(positionals, values.all ?? false)) report(result);
  }
  const failed = results.filter(({ good }) => !good).length;
  if (values.json === true) console.log(JSON.stringify({ results, failed }));
  else console.log(`${results.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
