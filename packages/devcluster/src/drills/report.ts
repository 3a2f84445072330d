/** What a drill found: the same for people and for programs. */
import type { StepReport } from '../quickstart/steps.ts';

/** Every drill, in the order in which all of them run. */
export const DRILL_NAMES = [
  'rollback',
  'clone',
  'zombie',
  'pause',
  'total-loss',
  'double-genesis',
] as const;

/** What an attack is called on the command line. */
export type DrillName = (typeof DRILL_NAMES)[number];

/** Something that a replica or a tool said about the attack. */
export interface Detection {
  /** The constant message, with a code where there is one. */
  readonly event: string;
  readonly count: number;
  /** One line as it was written. */
  readonly quoted: string;
}

/** What became of the workloads meanwhile. */
export interface WorkloadsReport {
  /** Whether the connection that was open before the attack is open still. */
  readonly connectionSurvived: boolean;
  /** Messages that went over it and came back. */
  readonly messages: number;
  /** Whether certificates from before the attack are accepted, by each other and by new ones. */
  readonly certificatesAccepted: boolean;
}

/** The outcome of one drill. */
export interface DrillReport {
  readonly drill: DrillName;
  /** Whether everything held. */
  readonly ok: boolean;
  readonly simulated: true;
  readonly durationMs: number;
  readonly steps: readonly StepReport[];
  /** Certificates whose issue was acknowledged. */
  readonly acknowledged: number;
  /** How many of them the cluster does not know; null where nobody could be asked. */
  readonly lost: number | null;
  /** Plaintext that was found on disks and in logs: what, and where. */
  readonly leaks: readonly string[];
  /** Whether a second history came up that somebody could take for the first. */
  readonly secondHistory: boolean;
  readonly workloads: WorkloadsReport;
  readonly detected: readonly Detection[];
  /** Every claim that did not hold. */
  readonly failures: readonly string[];
}

/** A report for people. */
export function describeReport(report: DrillReport): string {
  const { workloads, leaks, lost } = report;
  const rows: readonly (readonly [string, string])[] = [
    ['acknowledged', String(report.acknowledged)],
    ['lost', lost === null ? 'unknown' : String(lost)],
    ['keys leaked', leaks.length === 0 ? 'none found' : leaks.join('; ')],
    ['second history', report.secondHistory ? 'YES' : 'no'],
    [
      'workload connection',
      `${workloads.connectionSurvived ? 'survived' : 'BROKEN'}, ${workloads.messages} messages`,
    ],
    ['certificates', workloads.certificatesAccepted ? 'accepted as before' : 'REFUSED'],
  ];
  const detected = report.detected.map(
    ({ event, count, quoted }) =>
      `    ${String(count).padStart(4)}  ${event}\n          ${quoted}\n`,
  );
  const failures = report.failures.map((claim) => `  DID NOT HOLD: ${claim}\n`);
  const verdict = report.ok ? 'Everything held' : 'NOT EVERYTHING HELD';
  const seconds = (report.durationMs / 1000).toFixed(1);
  return (
    `\nDrill ${report.drill} (simulated TEE)\n` +
    rows.map(([name, value]) => `  ${name.padEnd(20)} ${value}\n`).join('') +
    `  detected\n${detected.length === 0 ? '    nothing\n' : detected.join('')}` +
    `${failures.join('')}${verdict}, in ${seconds} s.\n`
  );
}
