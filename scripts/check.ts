/**
 * `npm run check`: runs the named gates, or all of them, and says in one line what each one found.
 * Exit code 1 when a gate found something, or looked at nothing.
 */
import { join } from 'node:path';
import type { Finding, GateReport } from './gates/gate.ts';
import { gates } from './gates/index.ts';

const root = join(import.meta.dirname, '..');

function render({ file, line, message }: Finding): string {
  return `  ${file}${line === undefined ? '' : `:${line}`}  ${message}`;
}

function verdict(name: string, report: GateReport, seconds: string): string {
  const counted = `${report.checkedCount} ${report.checkedUnit}`;
  if (report.checkedCount === 0) return `FAILED ${name}: checked nothing (${seconds} s)`;
  const count = report.findings.length;
  if (count === 0) return `ok     ${name}: ${counted} (${seconds} s)`;
  return `FAILED ${name}: ${count} findings in ${counted} (${seconds} s)`;
}

function runGate(name: string): boolean {
  const gate = gates[name];
  if (gate === undefined) {
    console.error(`no gate ${name}; there are: ${Object.keys(gates).join(', ')}`);
    return false;
  }
  const started = performance.now();
  const report = gate(root);
  for (const finding of report.findings) console.log(render(finding));
  console.log(verdict(name, report, ((performance.now() - started) / 1000).toFixed(1)));
  return report.checkedCount > 0 && report.findings.length === 0;
}

const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : Object.keys(gates);
const failed = names.filter((name) => !runGate(name));
console.log(`${names.length - failed.length} gates passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;
