/**
 * The TDREPORT in an HCL report (Intel TDX module base architecture specification, TDREPORT_STRUCT)
 * against the quote that the host made of it. A TDREPORT carries a MAC that only its own machine
 * can check, so it is worth nothing by itself; the quote is what Intel's key signed. Both must say
 * the same: otherwise the quote is of another trust domain than the one with this vTPM.
 */
import { concatBytes, toHex } from '@witan/core';
import type { CheckList } from '../check-list.ts';
import type { TdReport } from '../tdx/quote.ts';

/** Offsets of the fields of a TDREPORT that a quote carries too, in bytes. */
export const TDREPORT_OFFSETS = {
  type: 0,
  reportData: 128,
  teeTcbSvn: 264,
  mrSeam: 280,
  mrSignerSeam: 328,
  seamAttributes: 376,
  tdAttributes: 512,
  xfam: 520,
  mrTd: 528,
  mrConfigId: 576,
  mrOwner: 624,
  mrOwnerConfig: 672,
  rtmr0: 720,
} as const;

/** @throws AttestationError AZURE_TD_REPORT that names the first field that differs */
export function checkTdReport(tdReport: Uint8Array, body: TdReport, checks: CheckList): void {
  const fields: readonly (readonly [keyof typeof TDREPORT_OFFSETS, Uint8Array])[] = [
    ['type', Uint8Array.of(0x81)],
    ['reportData', body.reportData],
    ['teeTcbSvn', body.teeTcbSvn],
    ['mrSeam', body.mrSeam],
    ['mrSignerSeam', body.mrSignerSeam],
    ['seamAttributes', littleEndian(body.seamAttributes)],
    ['tdAttributes', littleEndian(body.tdAttributes)],
    ['xfam', littleEndian(body.xfam)],
    ['mrTd', body.mrTd],
    ['mrConfigId', body.mrConfigId],
    ['mrOwner', body.mrOwner],
    ['mrOwnerConfig', body.mrOwnerConfig],
    ['rtmr0', concatBytes(...body.rtmrs)],
  ];
  for (const [name, expected] of fields) {
    const at = TDREPORT_OFFSETS[name];
    const found = toHex(tdReport.subarray(at, at + expected.byteLength));
    if (found === toHex(expected)) continue;
    checks.demand('AZURE_TD_REPORT', false, `${name} ${toHex(expected)}`, `${name} ${found}`);
  }
  checks.judge('AZURE_TD_REPORT', true, 'the fields of the quote', 'the fields of the quote');
}

function littleEndian(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
