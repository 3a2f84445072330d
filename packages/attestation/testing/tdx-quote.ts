/**
 * Writes TDX quotes, versions 4 and 5: the inverse of `parseTdxQuote`, with every length and type
 * open to change.
 */
import { createHash } from 'node:crypto';
import { concatBytes, fromHex } from '@witan/core';
import type { TdReport } from '../src/index.ts';
import { p256Key, rawP256, signP256, type P256Key } from './p256.ts';

/** Fields of a quote that no report has; all have the values of a healthy quote by default. */
export interface TdxQuotePlan {
  readonly version: number;
  readonly keyType: number;
  readonly teeType: number;
  /** 16 bytes. */
  readonly vendorId: Uint8Array;
  /** Type of the body in quotes of version 5; from the body by default. */
  readonly bodyType: number;
  /** The platform's key, which signs the report of the quoting enclave. */
  readonly pckKey: P256Key;
  /** The quoting enclave's own key, which signs the quote. */
  readonly attestationKey: P256Key;
  /** PEM text of the PCK chain. */
  readonly pckChain: Uint8Array;
  readonly authenticationData: Uint8Array;
  readonly quotingEnclave: QuotingEnclavePlan;
  /** Type of the outer certification data, 6 in a healthy quote. */
  readonly outerType: number;
  /** Type of the inner certification data, 5 in a healthy quote. */
  readonly innerType: number;
  /** Bytes behind the signature data. */
  readonly trailing: Uint8Array;
}

/** Fields of the quoting enclave's report. */
export interface QuotingEnclavePlan {
  readonly miscSelect: number;
  /** 16 bytes. */
  readonly attributes: Uint8Array;
  /** 32 bytes. */
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  /** 64 bytes; the binding of the attestation key by default. */
  readonly reportData?: Uint8Array;
}

const VENDOR_INTEL = fromHex('939a7233f79c4ca9940a0db3957f0607');

/** The parts of a healthy quote that nobody has to choose. */
export function healthyQuotePlan(
  chosen: Pick<TdxQuotePlan, 'version' | 'pckKey' | 'pckChain' | 'quotingEnclave'>,
): Omit<TdxQuotePlan, 'bodyType'> {
  return {
    keyType: 2,
    teeType: 0x81,
    vendorId: VENDOR_INTEL,
    attestationKey: p256Key(),
    authenticationData: Uint8Array.from({ length: 32 }, (_, index) => index),
    outerType: 6,
    innerType: 5,
    trailing: new Uint8Array(),
    ...chosen,
  };
}

/** The body of a quote: 584 bytes, or 648 where the report has the fields of TDX 1.5. */
export function serializeTdReport(report: TdReport): Uint8Array {
  const is15 = report.teeTcbSvn2 !== undefined || report.mrServiceTd !== undefined;
  return concatBytes(
    report.teeTcbSvn,
    report.mrSeam,
    report.mrSignerSeam,
    little(report.seamAttributes, 8),
    little(report.tdAttributes, 8),
    little(report.xfam, 8),
    report.mrTd,
    report.mrConfigId,
    report.mrOwner,
    report.mrOwnerConfig,
    ...report.rtmrs,
    report.reportData,
    ...(is15
      ? [report.teeTcbSvn2 ?? new Uint8Array(16), report.mrServiceTd ?? new Uint8Array(48)]
      : []),
  );
}

/** A signed quote over the report. Version 4 has room for reports of TDX 1.0 only. */
export function serializeTdxQuote(
  report: TdReport,
  plan: Omit<TdxQuotePlan, 'bodyType'> & Partial<Pick<TdxQuotePlan, 'bodyType'>>,
): Uint8Array {
  const body = serializeTdReport(report);
  const header = concatBytes(
    little(plan.version, 2),
    little(plan.keyType, 2),
    little(plan.teeType, 4),
    new Uint8Array(4),
    plan.vendorId,
    new Uint8Array(20),
  );
  const bodyType = plan.bodyType ?? (report.teeTcbSvn2 === undefined ? 2 : 3);
  const descriptor = plan.version === 5 ? [little(bodyType, 2), little(body.byteLength, 4)] : [];
  const signed = concatBytes(header, ...descriptor, body);
  const attestationKey = rawP256(plan.attestationKey);
  const qeReport = qeReportOf(plan, attestationKey);
  const certification = concatBytes(
    qeReport,
    signP256(qeReport, plan.pckKey),
    little(plan.authenticationData.byteLength, 2),
    plan.authenticationData,
    little(plan.innerType, 2),
    little(plan.pckChain.byteLength, 4),
    plan.pckChain,
  );
  const data = concatBytes(
    signP256(signed, plan.attestationKey),
    attestationKey,
    little(plan.outerType, 2),
    little(certification.byteLength, 4),
    certification,
  );
  return concatBytes(signed, little(data.byteLength, 4), data, plan.trailing);
}

function qeReportOf(
  plan: TdxQuotePlan | Omit<TdxQuotePlan, 'bodyType'>,
  key: Uint8Array,
): Uint8Array {
  const enclave = plan.quotingEnclave;
  const binding = createHash('sha256').update(key).update(plan.authenticationData).digest();
  const report = new Uint8Array(384);
  report.set(little(enclave.miscSelect, 4), 16);
  report.set(enclave.attributes, 48);
  report.set(enclave.mrSigner, 128);
  report.set(little(enclave.isvProdId, 2), 256);
  report.set(little(enclave.isvSvn, 2), 258);
  report.set(enclave.reportData ?? binding, 320);
  return report;
}

function little(value: number | bigint, byteLength: number): Uint8Array {
  let rest = BigInt(value);
  return Uint8Array.from({ length: byteLength }, () => {
    const byte = Number(rest & 0xffn);
    rest >>= 8n;
    return byte;
  });
}
