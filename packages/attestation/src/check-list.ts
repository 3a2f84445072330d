/**
 * The record of checks. Structure, chain and signature checks stop at the first failure, because
 * nothing after it means anything; checks against reference values are all made and listed.
 */
import type { ErrorFields, FieldValue } from '@witan/core';
import type { Check, Finding, FindingKind } from './claims.ts';
import { AttestationError, type AttestationErrorCode } from './errors.ts';

type Shown = string | number | boolean;

/** Collects checks and findings while evidence is judged. */
export class CheckList {
  readonly #checks: Check[];
  readonly #findings: Finding[];

  /** @param earlier checks and findings that were made before, when judging goes on from there */
  constructor(earlier: Pick<CheckList, 'checks' | 'findings'> = { checks: [], findings: [] }) {
    this.#checks = [...earlier.checks];
    this.#findings = [...earlier.findings];
  }

  get checks(): readonly Check[] {
    return this.#checks;
  }

  get findings(): readonly Finding[] {
    return this.#findings;
  }

  /** The first check that failed. */
  get firstFailure(): Check | undefined {
    return this.#checks.find((check) => !check.passed);
  }

  /** Records a check and goes on. */
  judge(code: AttestationErrorCode, passed: boolean, expected?: Shown, found?: Shown): void {
    this.#checks.push({
      code,
      passed,
      ...(expected === undefined ? {} : { expected: String(expected) }),
      ...(found === undefined ? {} : { found: String(found) }),
    });
  }

  /**
   * Records a check that must pass.
   *
   * @throws AttestationError with the same code when it does not
   */
  demand(code: AttestationErrorCode, passed: boolean, expected?: Shown, found?: Shown): void {
    this.judge(code, passed, expected, found);
    if (!passed) throw new AttestationError(code, fieldsOf(expected, found));
  }

  /** Records that a reader of the package refused something. */
  failedBy(error: AttestationError): void {
    const last = this.#checks.at(-1);
    if (last !== undefined && !last.passed && last.code === error.code) return;
    const { expected, found } = error.fields;
    this.judge(error.code, false, shown(expected), shown(found));
  }

  note(kind: FindingKind, detail: string): void {
    this.#findings.push({ kind, detail });
  }
}

/** Expected and found values as error fields, without those that are missing. */
export function fieldsOf(expected?: Shown, found?: Shown): ErrorFields {
  return {
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
  };
}

function shown(value: FieldValue | undefined): Shown | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
