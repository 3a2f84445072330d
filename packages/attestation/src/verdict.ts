/**
 * From checks to a verdict.
 */
import type { UnixMillis } from '@witan/core';
import { fieldsOf, type CheckList } from './check-list.ts';
import type { Claims, RefusedVerdict, Verdict } from './claims.ts';
import type { AttestationError, AttestationErrorCode } from './errors.ts';

/** The refusal after a check that ended the verification. */
export function refusedBy(error: AttestationError, checks: CheckList): RefusedVerdict<never> {
  checks.failedBy(error);
  return {
    ok: false,
    code: error.code,
    detail: error.fields,
    established: establishedBy(checks),
    checks: checks.checks,
  };
}

/** The verdict on genuine evidence after all checks of the reference values. */
export function verdictOf<OfTee extends Claims>(
  checks: CheckList,
  claims: OfTee,
  validUntil: UnixMillis,
): Verdict<OfTee> {
  const failure = checks.firstFailure;
  if (failure === undefined) {
    return { ok: true, claims, checks: checks.checks, findings: checks.findings, validUntil };
  }
  return {
    ok: false,
    code: failure.code,
    detail: fieldsOf(failure.expected, failure.found),
    established: establishedBy(checks),
    checks: checks.checks,
    claims,
  };
}

/** What passed before the first failure, without a check of the same code that failed. */
function establishedBy({ checks }: CheckList): readonly AttestationErrorCode[] {
  const at = checks.findIndex((check) => !check.passed);
  const failed = checks[at]?.code;
  const passed = at === -1 ? checks : checks.slice(0, at);
  return [...new Set(passed.map(({ code }) => code))].filter((code) => code !== failed);
}
