/** The judgement for people: every check, then findings, claims, validity and the verdict. */
import { AttestationError, type Check, type Claims } from '@witan/attestation';
import { SIMULATED_WARNING, table } from '../printer.ts';
import type { JudgedEntry, Judgement } from './judge.ts';
import { isoTime, readableTimes, shortened } from './text.ts';
import { warnOfRoots } from './trust-roots.ts';
import type { Verification } from './verify.ts';

const SHOWN_CHARS_MAX = 72;

/** @returns the whole report, with its final newline */
export function describeVerification(verification: Verification): string {
  const { file, now, origins, ignored, roots, judgement, isFresh, eventLog } = verification;
  const { claims, findings, validUntil } = judgement;
  const head = [
    ['Evidence', file.path],
    ['Form', `${file.format} (${file.encoding}, ${file.fileBytes} bytes)`],
    ['Judged at', isoTime(now)],
    ...(eventLog === undefined ? [] : [['Event log', `${eventLog.events.length} events`]]),
    ...file.notes.map((note) => ['Note', note]),
    ...Object.entries(origins).map(([name, origin]) => ['Endorsement', `${name}: ${origin}`]),
    ...(ignored.length === 0 ? [] : [['Passed over', `${ignored.length} other files`]]),
  ];
  const sections = [
    claims?.simulated === true ? SIMULATED_WARNING : '',
    warnOfRoots(roots),
    table(head),
    `\nChecks: is the evidence genuine?\n${checkTable(judgement.checks)}`,
    ...judgement.entries.map(describeEntry),
    findings.length === 0
      ? ''
      : `\nFindings\n${table(findings.map(({ kind, detail }) => [`  ${kind}`, detail]))}`,
    claims === undefined ? '' : `\nClaims\n${table(claimRows(claims))}`,
    validUntil === undefined ? '' : `\nValid until ${isoTime(validUntil)}\n`,
    `\n${conclusion(verification.compared, judgement, isFresh)}`,
  ];
  return sections.join('');
}

function describeEntry({ name, accepted, checks }: JudgedEntry): string {
  const title = `Checks against ${name}: ${accepted ? 'fits' : 'does not fit'}`;
  return `\n${title}\n${checkTable(checks)}`;
}

function checkTable(checks: readonly Check[]): string {
  if (checks.length === 0) return '  none was reached\n';
  const rows = checks.map((check) => [
    check.passed ? '  ok' : '  FAIL',
    check.code,
    check.passed ? passedText(check) : `${new AttestationError(check.code).message}.`,
  ]);
  const lines = table(rows).trimEnd().split('\n');
  return checks.map((check, index) => `${lines[index] ?? ''}\n${failureLines(check)}`).join('');
}

function passedText({ found, expected }: Check): string {
  const text = found ?? expected;
  return text === undefined ? '' : shortened(readableTimes(text), SHOWN_CHARS_MAX);
}

/** Both values in full: they are what somebody has to compare. */
function failureLines({ passed, expected, found }: Check): string {
  if (passed) return '';
  const line = (name: string, value: string | undefined): string =>
    value === undefined ? '' : `          ${name} ${readableTimes(value)}\n`;
  return line('expected', expected) + line('found   ', found);
}

function claimRows(claims: Claims): readonly (readonly string[])[] {
  return Object.entries(claims).flatMap(([name, value]: readonly [string, unknown]) => {
    if (name === 'measurements') {
      return claims.measurements.map((one) => [`  ${one.name}`, one.value]);
    }
    if (name === 'azure' && typeof value === 'object' && value !== null) {
      return Object.entries(value).map(([inner, part]: readonly [string, unknown]) => [
        `  azure.${inner}`,
        plainText(part),
      ]);
    }
    return [[`  ${name}`, name === 'tcbDate' ? isoTime(Number(value)) : plainText(value)]];
  });
}

function plainText(value: unknown): string {
  if (value === undefined) return '-';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '-';
  return Object.entries(value)
    .map(([name, part]) => `${name} ${String(part)}`)
    .join(', ');
}

function conclusion(compared: boolean, judgement: Judgement, bound: boolean): string {
  const { accepted, genuine, claims, code } = judgement;
  const lines: string[] = [];
  if (!accepted) lines.push(`REFUSED: ${code ?? ''}`);
  else if (compared) lines.push('ACCEPTED: genuine, and as the reference values demand.');
  else {
    lines.push('GENUINE, and nothing more: no reference values were given, so nobody compared');
    lines.push('what the guest runs, its policy or its TCB with what they should be.');
    if (claims?.azure !== undefined) {
      lines.push('Its vTPM is software of the launch digest above: nobody compared that either.');
    }
  }
  if (genuine && !bound) {
    const what = claims?.azure === undefined ? 'Report data were' : 'The nonce was';
    lines.push(`${what} not compared: this may be old evidence, or somebody else’s.`);
  }
  if (claims !== undefined && !['NotRated', 'UpToDate'].includes(claims.tcbStatus)) {
    const advisories = claims.advisories.length === 0 ? '' : `: ${claims.advisories.join(', ')}`;
    lines.push(`Intel rates the platform ${claims.tcbStatus}${advisories}.`);
  }
  if (genuine && claims?.debug === true) {
    lines.push('DEBUG is allowed: the host can read and change the memory of this guest.');
    if (!accepted && !compared) lines.push('To accept it nevertheless, use --allow-debug.');
  }
  return `${lines.join('\n')}\n`;
}
