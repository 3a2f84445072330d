/**
 * Quotes of a TPM 2.0 (TCG TPM 2.0 Library part 2, TPMS_ATTEST and TPMS_QUOTE_INFO; part 3,
 * TPM2_Quote). All numbers are big-endian. Parsing checks structure only.
 */
import { concatBytes } from '@witan/core';
import { AttestationError } from '../errors.ts';
import { TPM_ATTEST_BYTES_MAX } from '../limits.ts';

/** A quote as an attester hands it over, with the registers that it is over. */
export interface TpmQuote {
  /** TPMS_ATTEST: the bytes that are signed. */
  readonly message: Uint8Array;
  /** RSASSA-PKCS1-v1_5 with SHA-256, bare or as TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
  /** SHA-256 registers in the order of their numbers, one for each that was selected. */
  readonly pcrs: readonly Uint8Array[];
}

/** The content of TPMS_ATTEST for a quote. */
export interface TpmAttest {
  /** Name of the signing key and its hierarchy, as TPM2B_NAME holds it. */
  readonly qualifiedSigner: Uint8Array;
  /** The qualifying data of the one who asked: the nonce. */
  readonly extraData: Uint8Array;
  readonly clock: TpmClock;
  readonly firmwareVersion: bigint;
  /** Numbers of the SHA-256 registers that were quoted, ascending. */
  readonly pcrSelection: readonly number[];
  /** SHA-256 over the selected registers, one behind the other. */
  readonly pcrDigest: Uint8Array;
}

/** TPMS_CLOCK_INFO. */
export interface TpmClock {
  /** Milliseconds since the TPM was made, while it had power. */
  readonly clockMs: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  readonly safe: boolean;
}

const GENERATED = 0xff544347;
const ST_ATTEST_QUOTE = 0x8018;
const ALG_SHA256 = 0x000b;
const ALG_RSASSA = 0x0014;
const NAME_BYTES_MAX = 68;
/** TPM2B_DATA holds a TPMT_HA: two bytes and the largest digest. */
const EXTRA_DATA_BYTES_MAX = 66;
/** A bitmap of more than 32 registers is of no TPM. */
const SELECT_BYTES_MAX = 4;
/** Registers of one bank. */
export const TPM_PCR_COUNT_MAX: number = 8 * SELECT_BYTES_MAX;
/** Bytes of one SHA-256 register. */
export const TPM_PCR_BYTES = 32;

/**
 * Reads the attested structure of a quote over one SHA-256 bank.
 *
 * @throws AttestationError AZURE_QUOTE_MALFORMED, AZURE_QUOTE_TYPE or AZURE_PCR_SELECTION
 */
export function parseTpmAttest(message: Uint8Array): TpmAttest {
  if (message.byteLength > TPM_ATTEST_BYTES_MAX) {
    const expected = `at most ${TPM_ATTEST_BYTES_MAX} bytes`;
    const found = message.byteLength;
    throw new AttestationError('AZURE_QUOTE_MALFORMED', { what: 'length', expected, found });
  }
  const reader = new TpmReader(message);
  const magic = reader.u32();
  const type = reader.u16();
  if (magic !== GENERATED || type !== ST_ATTEST_QUOTE) {
    throw new AttestationError('AZURE_QUOTE_TYPE', {
      expected: 'magic ff544347, type 8018',
      found: `magic ${magic.toString(16)}, type ${type.toString(16)}`,
    });
  }
  const qualifiedSigner = reader.sized(NAME_BYTES_MAX);
  const extraData = reader.sized(EXTRA_DATA_BYTES_MAX);
  const clock = readClock(reader);
  const firmwareVersion = reader.u64();
  const pcrSelection = readSelection(reader);
  const pcrDigest = reader.sized(TPM_PCR_BYTES);
  reader.end();
  if (pcrDigest.byteLength !== TPM_PCR_BYTES) {
    const found = pcrDigest.byteLength;
    const fields = { what: 'digest of the registers', expected: TPM_PCR_BYTES, found };
    throw new AttestationError('AZURE_QUOTE_MALFORMED', fields);
  }
  return { qualifiedSigner, extraData, clock, firmwareVersion, pcrSelection, pcrDigest };
}

function readClock(reader: TpmReader): TpmClock {
  const clockMs = reader.u64();
  const resetCount = reader.u32();
  const restartCount = reader.u32();
  const safe = reader.u8();
  if (safe > 1) {
    const fields = { what: 'safe', expected: '0 or 1', found: safe };
    throw new AttestationError('AZURE_QUOTE_MALFORMED', fields);
  }
  return { clockMs, resetCount, restartCount, safe: safe === 1 };
}

/** TPML_PCR_SELECTION with exactly one bank, of SHA-256. */
function readSelection(reader: TpmReader): readonly number[] {
  const banks = reader.u32();
  if (banks !== 1) throw selectionError('one bank', `${banks}`);
  const algorithm = reader.u16();
  if (algorithm !== ALG_SHA256) {
    throw selectionError('the SHA-256 bank', `algorithm 0x${algorithm.toString(16)}`);
  }
  const size = reader.u8();
  if (size > SELECT_BYTES_MAX) throw selectionError(`at most ${SELECT_BYTES_MAX} bytes`, `${size}`);
  const bits = reader.take(size);
  const selected = Array.from({ length: 8 * size }, (_, pcr) => pcr).filter(
    (pcr) => (((bits[pcr >> 3] ?? 0) >> (pcr & 7)) & 1) === 1,
  );
  if (selected.length === 0) throw selectionError('at least one register', 'none');
  return selected;
}

/**
 * The signature without the wrapping of TPMT_SIGNATURE.
 *
 * @param modulusBytes length of the key, and so of a bare signature
 * @throws AttestationError AZURE_QUOTE_ALGORITHM for anything but RSASSA with SHA-256
 */
export function bareTpmSignature(signature: Uint8Array, modulusBytes: number): Uint8Array {
  if (signature.byteLength === modulusBytes) return signature;
  const expected = `RSASSA with SHA-256, ${modulusBytes} bytes`;
  if (signature.byteLength < 6) {
    const fields = { expected, found: `${signature.byteLength} bytes` };
    throw new AttestationError('AZURE_QUOTE_ALGORITHM', fields);
  }
  const view = new DataView(signature.buffer, signature.byteOffset, signature.byteLength);
  const [algorithm, hash, size] = [view.getUint16(0), view.getUint16(2), view.getUint16(4)];
  const isRsaSsa = algorithm === ALG_RSASSA && hash === ALG_SHA256;
  if (isRsaSsa && size === modulusBytes && signature.byteLength === 6 + size) {
    return signature.slice(6);
  }
  const words = [algorithm, hash].map((word) => `0x${word.toString(16).padStart(4, '0')}`);
  const found = `${signature.byteLength} bytes beginning ${words.join(' ')}`;
  throw new AttestationError('AZURE_QUOTE_ALGORITHM', { expected, found });
}

/**
 * The registers of a quote by their numbers.
 *
 * @throws AttestationError AZURE_PCR_SELECTION unless there is one of 32 bytes for each number
 */
export function selectedPcrs(
  { pcrSelection }: TpmAttest,
  pcrs: readonly Uint8Array[],
): ReadonlyMap<number, Uint8Array> {
  if (pcrs.length !== pcrSelection.length) {
    throw selectionError(`${pcrSelection.length} registers`, `${pcrs.length}`);
  }
  const wrong = pcrs.find(({ byteLength }) => byteLength !== TPM_PCR_BYTES);
  if (wrong !== undefined) {
    throw selectionError(`registers of ${TPM_PCR_BYTES} bytes`, `${wrong.byteLength} bytes`);
  }
  const none = new Uint8Array();
  return new Map(pcrSelection.map((pcr, index) => [pcr, pcrs[index] ?? none]));
}

/** What a quote's digest is over. */
export function joinedPcrs(pcrs: ReadonlyMap<number, Uint8Array>): Uint8Array {
  return concatBytes(...pcrs.values());
}

function selectionError(expected: string, found: string): AttestationError {
  return new AttestationError('AZURE_PCR_SELECTION', { expected, found });
}

/** Reads consecutive big-endian fields. Throws AttestationError AZURE_QUOTE_MALFORMED. */
class TpmReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8));
  }

  /** A copy of the next bytes. */
  take(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.slice(at, at + length);
  }

  /** TPM2B: a length of 16 bits and as many bytes. */
  sized(bytesMax: number): Uint8Array {
    const length = this.u16();
    if (length > bytesMax) throw malformed('size', `at most ${bytesMax}`, length);
    return this.take(length);
  }

  end(): void {
    const left = this.#bytes.byteLength - this.#offset;
    if (left !== 0) throw malformed('end', 'no more bytes', left);
  }

  #advance(length: number): number {
    const at = this.#offset;
    const left = this.#bytes.byteLength - at;
    if (length > left) throw malformed('end', `${length} bytes at offset ${at}`, left);
    this.#offset += length;
    return at;
  }
}

function malformed(what: string, expected: string, found: number): AttestationError {
  return new AttestationError('AZURE_QUOTE_MALFORMED', { what, expected, found });
}
