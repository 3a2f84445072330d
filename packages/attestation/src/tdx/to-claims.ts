/**
 * From the facts of a verified quote to its claims.
 */
import { assert, toHex } from '@witan/core';
import { hex64 } from '../hex64.ts';
import type { TdxClaims } from './claims.ts';
import type { TdxFacts } from './genuine.ts';
import type { TdxRating } from './tcb.ts';

/** Bits 7:0 of TDATTRIBUTES: any of them makes the TD untrusted. */
const UNTRUSTED_BITS = 0xffn;
const ZERO_DIGEST: string = '00'.repeat(48);

/** Claims of a quote whose rating is neither Revoked nor NotSupported. */
export function claimsOfTdx({
  quote,
  pck,
  root,
  rating,
  tcbInfo,
  qeIdentity,
}: TdxFacts): TdxClaims {
  const { body, qeReport } = quote;
  const { module } = rating;
  assert(rating.status !== 'NotSupported', 'a TCB below every level was refused before (I10)');
  return {
    tee: 'tdx',
    measurements: [
      { name: 'mrTd', value: toHex(body.mrTd) },
      ...body.rtmrs.map((rtmr, index) => ({ name: `rtmr${index}`, value: toHex(rtmr) })),
    ],
    configDigest: toHex(body.mrConfigId),
    reportData: toHex(body.reportData),
    debug: (body.tdAttributes & UNTRUSTED_BITS) !== 0n,
    tcb: {
      ...parts('sgx', pck.components),
      pceSvn: pck.pceSvn,
      ...parts('tdx', [...body.teeTcbSvn]),
      qeIsvSvn: qeReport.isvSvn,
    },
    tcbStatus: rating.status,
    advisories: rating.advisories,
    hardwareId: pck.platformInstanceId,
    simulated: root.simulated,
    rootFingerprint: root.fingerprint,
    quoteVersion: quote.version,
    mrSeam: toHex(body.mrSeam),
    mrOwner: toHex(body.mrOwner),
    mrOwnerConfig: toHex(body.mrOwnerConfig),
    mrServiceTd: body.mrServiceTd === undefined ? ZERO_DIGEST : toHex(body.mrServiceTd),
    tdAttributes: hex64(body.tdAttributes),
    xfam: hex64(body.xfam),
    teeTcbSvn: toHex(body.teeTcbSvn),
    fmspc: pck.fmspc,
    pceId: pck.pceId,
    dynamicPlatform: pck.dynamicPlatform,
    cachedKeys: pck.cachedKeys,
    smtEnabled: pck.smtEnabled,
    tcbEvaluationDataNumber: Math.min(
      tcbInfo.tcbEvaluationDataNumber,
      qeIdentity.tcbEvaluationDataNumber,
    ),
    tcbDate: tcbDateOf(rating),
    levels: {
      sgx: rating.sgx?.status ?? 'NotSupported',
      platform: rating.platform?.status ?? 'NotSupported',
      module: module === 'not-applicable' ? 'NotApplicable' : (module?.status ?? 'NotSupported'),
      quotingEnclave: rating.quotingEnclave?.status ?? 'NotSupported',
    },
  };
}

/** A grace period for being out of date runs from the oldest level that is. */
function tcbDateOf({ platform, module, quotingEnclave }: TdxRating): number {
  const outOfDate = [platform, module === 'not-applicable' ? undefined : module, quotingEnclave]
    .filter((level) => level !== undefined)
    .filter(({ status }) => status.startsWith('OutOfDate'))
    .map(({ date }) => date);
  return outOfDate.length === 0 ? (platform?.date ?? 0) : Math.min(...outOfDate);
}

function parts(name: string, svns: readonly number[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    svns.map((svn, index) => [`${name}${String(index + 1).padStart(2, '0')}`, svn]),
  );
}
