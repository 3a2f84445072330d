/** TCB info and quoting enclave identity of a healthy platform, as Intel's service words them. */
import { toHex } from '@witan/core';
import type { QuotingEnclavePlan } from './tdx-quote.ts';

/** An object to be written as JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Validity of a document, milliseconds since 1970. */
export interface DocumentPeriod {
  readonly issueMs: number;
  readonly nextUpdateMs: number;
}

/** What TCB info says of a platform family. */
export interface TcbInfoSubject {
  readonly fmspc: string;
  readonly pceId: string;
  readonly components: readonly number[];
  readonly pceSvn: number;
}

const TCB_DATE = '2026-02-11T00:00:00Z';
const OLD_TCB_DATE = '2024-03-13T00:00:00Z';
/** SVNs of module, its major version and the loader, at the newest level. */
const TDX_COMPONENTS: readonly number[] = [5, 0, 3];
const EVALUATION_NUMBER = 18;
const MODULE_SIGNER = {
  mrsigner: '00'.repeat(48),
  attributes: '00'.repeat(8),
  attributesMask: 'ff'.repeat(8),
};

/** TCB info: the platform itself is up to date, one with lower SVNs is out of date. */
export function tcbInfoOf(subject: TcbInfoSubject, period: DocumentPeriod): JsonObject {
  const level = (
    sgx: readonly number[],
    pcesvn: number,
    tdx: readonly number[],
    rating: object,
  ): JsonObject => ({
    tcb: { sgxtcbcomponents: sixteen(sgx), pcesvn, tdxtcbcomponents: sixteen(tdx) },
    ...rating,
  });
  const zeros: readonly number[] = [];
  return {
    id: 'TDX',
    version: 3,
    ...periodOf(period),
    fmspc: subject.fmspc.toUpperCase(),
    pceId: subject.pceId,
    tcbType: 0,
    tcbEvaluationDataNumber: EVALUATION_NUMBER,
    tdxModule: MODULE_SIGNER,
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...MODULE_SIGNER,
        tcbLevels: [
          { tcb: { isvsvn: 4 }, tcbDate: TCB_DATE, tcbStatus: 'UpToDate' },
          { tcb: { isvsvn: 2 }, ...outOfDate('INTEL-SA-01036') },
        ],
      },
    ],
    tcbLevels: [
      level(subject.components, subject.pceSvn, TDX_COMPONENTS, {
        tcbDate: TCB_DATE,
        tcbStatus: 'UpToDate',
      }),
      level(zeros, 5, zeros, outOfDate('INTEL-SA-00960')),
    ],
  };
}

/** Identity of a quoting enclave, which is up to date at the SVN of the plan. */
export function qeIdentityOf(enclave: QuotingEnclavePlan, period: DocumentPeriod): JsonObject {
  return {
    id: 'TD_QE',
    version: 2,
    ...periodOf(period),
    tcbEvaluationDataNumber: EVALUATION_NUMBER,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: toHex(enclave.attributes).toUpperCase(),
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: toHex(enclave.mrSigner).toUpperCase(),
    isvprodid: enclave.isvProdId,
    tcbLevels: [
      { tcb: { isvsvn: enclave.isvSvn }, tcbDate: TCB_DATE, tcbStatus: 'UpToDate' },
      { tcb: { isvsvn: 4 }, ...outOfDate('INTEL-SA-00837') },
    ],
  };
}

/** A time as Intel writes it: whole seconds. */
export function intelTime(millis: number): string {
  return `${new Date(millis).toISOString().slice(0, 19)}Z`;
}

function periodOf({ issueMs, nextUpdateMs }: DocumentPeriod): JsonObject {
  return { issueDate: intelTime(issueMs), nextUpdate: intelTime(nextUpdateMs) };
}

function outOfDate(advisory: string): JsonObject {
  return { tcbDate: OLD_TCB_DATE, tcbStatus: 'OutOfDate', advisoryIDs: [advisory] };
}

function sixteen(svns: readonly number[]): readonly JsonObject[] {
  return Array.from({ length: 16 }, (_, index) => ({ svn: svns[index] ?? 0 }));
}
