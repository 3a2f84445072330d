/** `npm run drill:all`: every drill, one after the other. Ends with 1 when one does not hold. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { drillIn } from './commands.ts';
import { describeReport, DRILL_NAMES, type DrillReport } from './report.ts';
import { WITHOUT_I2 } from './control.ts';
import { runDrill } from './run.ts';
import { describe } from './scene.ts';

const USAGE = `Usage: npm run drill:all -- [--only NAME,…] [--json]

Plays a lying host on development clusters, each started for one drill:
${DRILL_NAMES.join(', ')}.
Last comes the control: the rollback drill against a Coordinator whose disk restores the right to
vote, which has to fail.

Exit codes: 0 everything held, 1 something did not, 2 wrong options.

Example: npm run -s drill:all -- --json
`;

const CONTROL = 'control';
const CONTROL_WHOLE_MS = 10_000;

/** The drill that has to fail, in a directory of its own. */
async function runControl(signal: AbortSignal): Promise<DrillReport> {
  const write = (text: string): void => {
    process.stderr.write(text);
  };
  write('\n=== control: rollback without I2, which has to fail\n');
  const directory = await mkdtemp(join(tmpdir(), 'witan-drill-'));
  try {
    const settings = { coordinator: WITHOUT_I2, wholeMs: CONTROL_WHOLE_MS, short: true };
    const report = await runDrill('rollback', { directory, write, signal, ...settings });
    write(describeReport(report));
    return report;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const wanted = values.only?.split(',') ?? [...DRILL_NAMES, CONTROL];
  const names = DRILL_NAMES.filter((name) => wanted.includes(name));
  const withControl = wanted.includes(CONTROL);
  if (names.length + (withControl ? 1 : 0) !== wanted.length) {
    process.stderr.write(`--only takes names of drills\n${USAGE}`);
    return 2;
  }
  const stop = new AbortController();
  process.once('SIGINT', () => {
    stop.abort();
  });
  const reports: DrillReport[] = [];
  const broken: string[] = [];
  for (const name of names) {
    const write = (text: string): void => {
      process.stderr.write(text);
    };
    write(`\n=== drill ${name}\n`);
    try {
      const report = await drillIn(undefined, name, write, stop.signal);
      reports.push(report);
      write(describeReport(report));
    } catch (error) {
      broken.push(`${name}: ${describe(error)}`);
      write(`drill ${name} could not be run: ${describe(error)}\n`);
    }
    if (stop.signal.aborted) break;
  }
  let control: DrillReport | undefined;
  if (withControl && !stop.signal.aborted) {
    control = await runControl(stop.signal);
    if (control.ok || control.lost === 0) broken.push('control: the drill held without I2');
  }
  const ok = broken.length === 0 && reports.length === names.length && reports.every((r) => r.ok);
  if (values.json === true) {
    process.stdout.write(
      `${JSON.stringify({ ok, simulated: true, drills: reports, control, broken })}\n`,
    );
  } else {
    for (const report of reports) process.stdout.write(describeReport(report));
    if (control !== undefined) {
      const lost = String(control.lost ?? 'unknown');
      process.stdout.write(`\nControl: without I2 the rollback drill fails, lost ${lost}\n`);
    }
    process.stdout.write(`${ok ? 'All drills held.' : 'NOT ALL DRILLS HELD.'}\n`);
  }
  return ok ? 0 : 1;
}

process.exitCode = await main();
