/**
 * What a verified TDX quote says.
 */
import type { CommonClaims } from '../claims.ts';
import type { TdxTcbStatus } from './tcb.ts';

/** Claims of TDX. Byte strings are lower-case hex. */
export interface TdxClaims extends CommonClaims {
  readonly tee: 'tdx';
  readonly quoteVersion: number;
  readonly mrSeam: string;
  readonly mrOwner: string;
  readonly mrOwnerConfig: string;
  /** Zeros where the quote has none (TDX 1.0). */
  readonly mrServiceTd: string;
  /** TDATTRIBUTES as `0x` and 16 hex digits. */
  readonly tdAttributes: string;
  /** XFAM as `0x` and 16 hex digits. */
  readonly xfam: string;
  readonly teeTcbSvn: string;
  readonly fmspc: string;
  readonly pceId: string;
  /** Flags of the PCK certificate; undefined where it says nothing. */
  readonly dynamicPlatform: boolean | undefined;
  readonly cachedKeys: boolean | undefined;
  readonly smtEnabled: boolean | undefined;
  /** Rises with each TCB recovery; the lower one of TCB info and quoting enclave identity. */
  readonly tcbEvaluationDataNumber: number;
  /**
   * Date of the oldest level that is out of date, else of the platform's level; milliseconds since
   * 1970.
   */
  readonly tcbDate: number;
  /** The ratings behind `tcbStatus`. */
  readonly levels: {
    readonly sgx: TdxTcbStatus;
    readonly platform: TdxTcbStatus;
    readonly module: TdxTcbStatus | 'NotApplicable';
    readonly quotingEnclave: TdxTcbStatus;
  };
}
