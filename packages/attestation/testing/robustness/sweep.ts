/** Verdicts one second before, at and one second behind every bound of every validity. */
import {
  parseCertificate,
  parseCrl,
  parsePemCertificates,
  parseQeIdentity,
  parseTcbInfo,
  parseTdxQuote,
  verifySnp,
  verifyTdx,
  type SnpVerifyRequest,
  type TdxVerifyRequest,
} from '../../src/index.ts';
import { unixMillis } from '@witan/core';

/** From when to when something holds, both ends included, milliseconds since 1970. */
type Period = readonly [fromMs: number, toMs: number];

/** What a sweep found. */
export interface SweepResult {
  readonly tried: number;
  /** Times at which the verdict is not what the periods say. */
  readonly wrong: readonly string[];
}

const NONE = new Uint8Array();

function certificatePeriod(der: Uint8Array): Period {
  const { notBefore, notAfter } = parseCertificate(der);
  return [notBefore, notAfter];
}

function crlPeriod(der: Uint8Array | undefined): Period {
  const { thisUpdate, nextUpdate } = parseCrl(der ?? NONE);
  return [thisUpdate, nextUpdate];
}

function pemPeriods(pem: Uint8Array | undefined): readonly Period[] {
  const text = Buffer.from(pem ?? NONE).toString('latin1');
  return parsePemCertificates(text).map(certificatePeriod);
}

/** A report with its chain and, where there is one, its revocation list. */
export function sweepSnp(request: SnpVerifyRequest): SweepResult {
  const { vek, intermediate, root, crl } = request.endorsements;
  const certificates = [vek, intermediate, root].filter((der) => der !== undefined);
  const periods = [
    ...certificates.map(certificatePeriod),
    ...(crl === undefined ? [] : [crlPeriod(crl)]),
  ];
  return sweep(periods, (nowMs) => {
    const options = { ...request.options, now: unixMillis(nowMs) };
    return verifySnp({ ...request, options }).ok;
  });
}

/** A quote with its whole collateral. */
export function sweepTdx(request: TdxVerifyRequest): SweepResult {
  const { quote, endorsements } = request;
  const tcbInfo = parseTcbInfo(endorsements.tcbInfo ?? NONE);
  const qeIdentity = parseQeIdentity(endorsements.qeIdentity ?? NONE);
  const periods = [
    ...pemPeriods(parseTdxQuote(quote).pckChain),
    ...pemPeriods(endorsements.tcbInfoIssuerChain),
    ...pemPeriods(endorsements.qeIdentityIssuerChain),
    crlPeriod(endorsements.rootCrl),
    crlPeriod(endorsements.pckCrl),
    [tcbInfo.issueDate, tcbInfo.nextUpdate] as const,
    [qeIdentity.issueDate, qeIdentity.nextUpdate] as const,
  ];
  return sweep(periods, (nowMs) => {
    const options = { ...request.options, now: unixMillis(nowMs) };
    return verifyTdx({ ...request, options }).ok;
  });
}

function sweep(periods: readonly Period[], accepts: (nowMs: number) => boolean): SweepResult {
  const times = periods.flat().flatMap((bound) => [bound - 1000, bound, bound + 1000]);
  const distinct = [...new Set(times)].filter((nowMs) => nowMs >= 0);
  const wrong = distinct.filter((nowMs) => {
    const inside = periods.every(([from, to]) => from <= nowMs && nowMs <= to);
    return accepts(nowMs) !== inside;
  });
  return { tried: distinct.length, wrong: wrong.map((nowMs) => new Date(nowMs).toISOString()) };
}
