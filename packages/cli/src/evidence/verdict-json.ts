/** The judgement for programs. */
import type { Check } from '@witan/attestation';
import { toHex } from '@witan/core';
import type { Json } from '../printer.ts';
import { isoTime } from './text.ts';
import type { Verification } from './verify.ts';

/** One object; absent values are null. */
export function verificationToJson(verification: Verification): { readonly [name: string]: Json } {
  const { file, now, origins, ignored, roots, judgement, reportData, compared } = verification;
  const { accepted, genuine, code, claims, validUntil } = judgement;
  return {
    ok: accepted,
    verdict: accepted ? 'accepted' : 'refused',
    appraisal: compared ? 'reference-values' : 'genuine-only',
    code: code ?? null,
    genuine,
    simulated: claims?.simulated ?? null,
    evidence: {
      path: file.path,
      tee: file.evidence.kind,
      format: file.format,
      encoding: file.encoding,
      notes: file.notes,
    },
    judgedAt: isoTime(now),
    validUntil: validUntil === undefined ? null : isoTime(validUntil),
    freshnessCompared: verification.isFresh,
    eventLogEvents: verification.eventLog?.events.length ?? null,
    reportDataCompared: reportData === undefined ? null : toHex(reportData),
    endorsements: origins,
    ignored,
    addedRoots: roots.map(({ name, path, fingerprint }) => ({ name, path, fingerprint })),
    checks: judgement.checks.map(checkToJson),
    entries: judgement.entries.map(({ name, accepted: fits, checks }) => ({
      name,
      accepted: fits,
      checks: checks.map(checkToJson),
    })),
    findings: judgement.findings.map(({ kind, detail }) => ({ kind, detail })),
    claims: claims === undefined ? null : (JSON.parse(JSON.stringify(claims)) as Json),
  };
}

function checkToJson({ code, passed, expected, found }: Check): Json {
  return { code, passed, expected: expected ?? null, found: found ?? null };
}
