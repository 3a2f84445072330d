/** Verifies one endorsement against the request that it is said to answer. */
import { unreachable } from '@witan/core';
import type { Content } from '../content.ts';
import { EndorsementsError } from '../errors.ts';
import { keyOf, type EndorsementRequest } from '../request.ts';
import { verifyAmdChain, verifyAmdCrl, verifyAmdVcek } from './amd.ts';
import {
  verifyIntelPckCrl,
  verifyIntelQeIdentity,
  verifyIntelRootCrl,
  verifyIntelTcbInfo,
} from './intel.ts';
import type { Findings, Trust, VerifiedItem, Version } from './trust.ts';

/**
 * Verifies everything about an endorsement but the time. A pure function: no clock, no network.
 *
 * @throws EndorsementsError ENDORSEMENTS_ANSWER_UNUSABLE when it is not of the right form,
 *   ENDORSEMENTS_UNVERIFIED with the check that failed
 */
export function verifyItem(
  request: EndorsementRequest,
  content: Omit<Content, 'key'>,
  trust: Trust,
): VerifiedItem {
  const whole: Content = { ...content, key: keyOf(request) };
  return { ...whole, request, ...findingsOf(request, whole, trust) };
}

/**
 * @throws EndorsementsError ENDORSEMENTS_ROLLBACK when `next` is older than `kept` by its date or
 *   its TCB evaluation data number
 */
export function refuseRollback(kept: Version | undefined, next: Version): void {
  if (kept === undefined || !isOlder(next, kept)) return;
  throw new EndorsementsError('ENDORSEMENTS_ROLLBACK', {
    fields: { expected: versionText(kept), found: versionText(next) },
  });
}

/** Whether `left` is older than `right` in any respect. Certificates are never older. */
export function isOlder(left: Version, right: Version): boolean {
  return (
    (left.issuedAt ?? 0) < (right.issuedAt ?? 0) ||
    (left.tcbEvaluationDataNumber ?? 0) < (right.tcbEvaluationDataNumber ?? 0)
  );
}

function versionText({ issuedAt, tcbEvaluationDataNumber: number }: Version): string {
  return `issued at ${issuedAt ?? 0} ms${number === undefined ? '' : `, number ${number}`}`;
}

function findingsOf(request: EndorsementRequest, content: Content, trust: Trust): Findings {
  switch (request.kind) {
    case 'amd-vcek':
      return verifyAmdVcek(request, content, trust);
    case 'amd-chain':
      return verifyAmdChain(request, content, trust);
    case 'amd-crl':
      return verifyAmdCrl(request, content, trust);
    case 'intel-tcb-info':
      return verifyIntelTcbInfo(request, content, trust);
    case 'intel-qe-identity':
      return verifyIntelQeIdentity(content, trust);
    case 'intel-pck-crl':
      return verifyIntelPckCrl(request, content, trust);
    case 'intel-root-crl':
      return verifyIntelRootCrl(content, trust);
    default:
      return unreachable(request);
  }
}
