/**
 * TDX quotes, versions 4 and 5 (Intel TDX DCAP quoting library). Structure only: a parsed quote is
 * still unverified.
 *
 * Every length in the quote must be exact, because lengths are not signed. Bytes behind the
 * signature data carry no meaning; real quotes are padded there.
 */
import { AttestationError } from '../errors.ts';
import { TDX_QUOTE_BYTES_MAX } from '../limits.ts';
import {
  BODY_DESCRIPTOR_BYTES,
  P256_PAIR_BYTES,
  QE_OFFSETS,
  QE_REPORT_BYTES,
  QUOTE_HEADER_BYTES,
  QUOTE_OFFSETS,
  TD_OFFSETS as AT,
  TD_REPORT_10_BYTES,
  TD_REPORT_15_BYTES,
} from './layout.ts';
import { toHex } from '@witan/core';

/** What the TDX module says of a trust domain. */
export interface TdReport {
  /** 16 SVNs: module, module major version, microcode and others. */
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: bigint;
  readonly tdAttributes: bigint;
  readonly xfam: bigint;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  /** RTMR0 to RTMR3. */
  readonly rtmrs: readonly Uint8Array[];
  /** 64 bytes chosen by the guest. */
  readonly reportData: Uint8Array;
  /** TDX 1.5 only: the SVNs of the module that runs now. */
  readonly teeTcbSvn2: Uint8Array | undefined;
  /** TDX 1.5 only. */
  readonly mrServiceTd: Uint8Array | undefined;
}

/** What SGX says of the quoting enclave. */
export interface QuotingEnclaveReport {
  readonly miscSelect: number;
  readonly attributes: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly reportData: Uint8Array;
  /** The signed bytes. */
  readonly bytes: Uint8Array;
}

/** A quote, part by part. */
export interface TdxQuote {
  /** 4 or 5. */
  readonly version: number;
  readonly body: TdReport;
  /** The bytes that the attestation key signed. */
  readonly signed: Uint8Array;
  /** r and s, big-endian. */
  readonly signature: Uint8Array;
  /** x and y, big-endian. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: QuotingEnclaveReport;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthenticationData: Uint8Array;
  /** PEM text of the PCK chain; the final NUL that Intel's enclave writes is left out. */
  readonly pckChain: Uint8Array;
  /** Bytes behind the signature data; never believed. */
  readonly trailing: Uint8Array;
}

const TEE_TYPE_TDX = 0x81;
const KEY_TYPE_ECDSA_P256 = 2;
const INTEL_VENDOR_ID = '939a7233f79c4ca9940a0db3957f0607';
const CERTIFICATION_QE_REPORT = 6;
const CERTIFICATION_PCK_CHAIN = 5;
const BODY_BYTES_OF_TYPE: ReadonlyMap<number, number> = new Map([
  [2, TD_REPORT_10_BYTES],
  [3, TD_REPORT_15_BYTES],
]);

/**
 * Reads a quote of at most `TDX_QUOTE_BYTES_MAX` bytes.
 *
 * @throws AttestationError TDX_QUOTE_LENGTH, TDX_QUOTE_VERSION, TDX_TEE_TYPE, TDX_KEY_TYPE,
 *   TDX_VENDOR_ID, TDX_BODY_TYPE, TDX_CERTIFICATION_DATA or TDX_QUOTE_MALFORMED
 */
export function parseTdxQuote(bytes: Uint8Array): TdxQuote {
  if (bytes.byteLength > TDX_QUOTE_BYTES_MAX) {
    throw new AttestationError('TDX_QUOTE_LENGTH', {
      expected: `at most ${TDX_QUOTE_BYTES_MAX}`,
      found: bytes.byteLength,
    });
  }
  const reader = new LittleEndianReader(bytes);
  const version = readHeader(reader);
  const bodyBytes = readBodySize(reader, version);
  const body = readTdReport(reader.take(bodyBytes));
  const signed = bytes.slice(0, reader.offset);
  const data = reader.part(reader.u32());
  const signature = data.take(P256_PAIR_BYTES);
  const attestationKey = data.take(P256_PAIR_BYTES);
  expectType(data.u16(), CERTIFICATION_QE_REPORT);
  const certification = data.part(data.u32());
  data.end();
  const qeReport = readQeReport(certification.take(QE_REPORT_BYTES));
  const qeReportSignature = certification.take(P256_PAIR_BYTES);
  const qeAuthenticationData = certification.take(certification.u16());
  expectType(certification.u16(), CERTIFICATION_PCK_CHAIN);
  const chain = certification.take(certification.u32());
  certification.end();
  return {
    version,
    body,
    signed,
    signature,
    attestationKey,
    qeReport,
    qeReportSignature,
    qeAuthenticationData,
    pckChain: chain.at(-1) === 0 ? chain.slice(0, -1) : chain,
    trailing: reader.rest(),
  };
}

function readHeader(reader: LittleEndianReader): number {
  const header = new LittleEndianReader(reader.take(QUOTE_HEADER_BYTES));
  const version = header.u16();
  const keyType = header.u16();
  const teeType = header.u32();
  // Version 3 is SGX only, so a wrong TEE type is the more telling refusal.
  if (teeType !== TEE_TYPE_TDX) {
    throw new AttestationError('TDX_TEE_TYPE', { expected: TEE_TYPE_TDX, found: teeType });
  }
  if (version !== 4 && version !== 5) {
    throw new AttestationError('TDX_QUOTE_VERSION', { expected: '4 or 5', found: version });
  }
  if (keyType !== KEY_TYPE_ECDSA_P256) {
    throw new AttestationError('TDX_KEY_TYPE', { expected: KEY_TYPE_ECDSA_P256, found: keyType });
  }
  header.take(QUOTE_OFFSETS.vendorId - header.offset);
  const vendor = toHex(header.take(16));
  if (vendor !== INTEL_VENDOR_ID) {
    throw new AttestationError('TDX_VENDOR_ID', { expected: INTEL_VENDOR_ID, found: vendor });
  }
  return version;
}

function readBodySize(reader: LittleEndianReader, version: number): number {
  if (version === 4) return TD_REPORT_10_BYTES;
  const descriptor = new LittleEndianReader(reader.take(BODY_DESCRIPTOR_BYTES));
  const type = descriptor.u16();
  const size = descriptor.u32();
  const expected = BODY_BYTES_OF_TYPE.get(type);
  if (expected === undefined || expected !== size) {
    throw new AttestationError('TDX_BODY_TYPE', {
      expected: 'type 2 with 584 bytes or type 3 with 648 bytes',
      found: `type ${type} with ${size} bytes`,
    });
  }
  return size;
}

function readTdReport(bytes: Uint8Array): TdReport {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const digest = (at: number): Uint8Array => bytes.slice(at, at + 48);
  const is15 = bytes.byteLength === TD_REPORT_15_BYTES;
  return {
    teeTcbSvn: bytes.slice(AT.teeTcbSvn, AT.teeTcbSvn + 16),
    mrSeam: digest(AT.mrSeam),
    mrSignerSeam: digest(AT.mrSignerSeam),
    seamAttributes: view.getBigUint64(AT.seamAttributes, true),
    tdAttributes: view.getBigUint64(AT.tdAttributes, true),
    xfam: view.getBigUint64(AT.xfam, true),
    mrTd: digest(AT.mrTd),
    mrConfigId: digest(AT.mrConfigId),
    mrOwner: digest(AT.mrOwner),
    mrOwnerConfig: digest(AT.mrOwnerConfig),
    rtmrs: [0, 1, 2, 3].map((index) => digest(AT.rtmr0 + 48 * index)),
    reportData: bytes.slice(AT.reportData, AT.reportData + 64),
    teeTcbSvn2: is15 ? bytes.slice(AT.teeTcbSvn2, AT.teeTcbSvn2 + 16) : undefined,
    mrServiceTd: is15 ? digest(AT.mrServiceTd) : undefined,
  };
}

function readQeReport(bytes: Uint8Array): QuotingEnclaveReport {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { miscSelect, attributes, mrSigner, isvProdId, isvSvn, reportData } = QE_OFFSETS;
  return {
    miscSelect: view.getUint32(miscSelect, true),
    attributes: bytes.slice(attributes, attributes + 16),
    mrSigner: bytes.slice(mrSigner, mrSigner + 32),
    isvProdId: view.getUint16(isvProdId, true),
    isvSvn: view.getUint16(isvSvn, true),
    reportData: bytes.slice(reportData, reportData + 64),
    bytes,
  };
}

function expectType(found: number, expected: number): void {
  if (found !== expected) throw new AttestationError('TDX_CERTIFICATION_DATA', { expected, found });
}

/** Reads consecutive little-endian fields. Throws AttestationError TDX_QUOTE_MALFORMED. */
class LittleEndianReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** A copy of the next bytes. */
  take(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.slice(at, at + length);
  }

  /** A reader of exactly the next bytes. */
  part(length: number): LittleEndianReader {
    return new LittleEndianReader(this.take(length));
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.byteLength - this.#offset);
  }

  /** Demands that nothing is left. */
  end(): void {
    const left = this.#bytes.byteLength - this.#offset;
    if (left !== 0) throw new AttestationError('TDX_QUOTE_MALFORMED', { what: 'length', left });
  }

  #advance(length: number): number {
    const at = this.#offset;
    const left = this.#bytes.byteLength - at;
    if (length > left) {
      throw new AttestationError('TDX_QUOTE_MALFORMED', {
        what: 'end',
        offset: at,
        expected: length,
        found: left,
      });
    }
    this.#offset += length;
    return at;
  }
}
