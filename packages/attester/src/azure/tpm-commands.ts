/**
 * The few TPM 2.0 commands that evidence needs (TCG TPM 2.0 Library, part 3), authorised with the
 * empty password, as the owner hierarchy and the attestation key of Azure's vTPM have it.
 */
import { concatBytes } from '@witan/core';
import { AttesterError } from '../errors.ts';
import { TPM_MESSAGE_BYTES_MAX, TpmReader, malformed, sized, u16, u32, u8 } from './tpm-wire.ts';

/** A command as sent and how its response begins. */
export interface TpmCommand {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly hasSession: boolean;
}

const ST_NO_SESSIONS = 0x8001;
const ST_SESSIONS = 0x8002;
const CC = {
  NV_DefineSpace: 0x12a,
  NV_Write: 0x137,
  NV_Read: 0x14e,
  Quote: 0x158,
  NV_ReadPublic: 0x169,
  PCR_Read: 0x17e,
} as const;
const RH_OWNER = 0x40000001;
const RS_PW = 0x40000009;
const ALG_SHA256 = 0x000b;
const ALG_NULL = 0x0010;
const ALG_RSASSA = 0x0014;
const RC_SUCCESS = 0;
/** TPM_RC_HANDLE for the first handle: nothing is there. */
const RC_HANDLE_1 = 0x18b;
/** TPM_RC_YIELDED, TESTING, NV_RATE, RETRY, NV_UNAVAILABLE: the same command may succeed later. */
const RC_TRANSIENT: ReadonlySet<number> = new Set([0x908, 0x90a, 0x920, 0x922, 0x923]);
/** OWNERWRITE, AUTHWRITE, OWNERREAD, AUTHREAD (TPMA_NV): what tpm2_nvdefine -C o grants. */
const NV_ATTRIBUTES = 0x0006_0006;
const HEADER_BYTES = 10;

/** Registers of a PC client TPM. */
export const PCR_COUNT = 24;
/** Bytes of one SHA-256 register. */
export const PCR_BYTES = 32;
/** PCR_Read gives no more digests at once (TPML_DIGEST). */
export const PCRS_PER_READ = 8;

function command(
  name: keyof typeof CC,
  handles: readonly number[],
  hasSession: boolean,
  ...parameters: readonly Uint8Array[]
): TpmCommand {
  // TPMS_AUTH_COMMAND: password session, no nonce, no attributes, empty password.
  const session = concatBytes(u32(RS_PW), sized(new Uint8Array()), u8(0), sized(new Uint8Array()));
  const auth = hasSession ? [u32(session.byteLength), session] : [];
  const body = concatBytes(...handles.map(u32), ...auth, ...parameters);
  const tag = hasSession ? ST_SESSIONS : ST_NO_SESSIONS;
  const header = concatBytes(u16(tag), u32(HEADER_BYTES + body.byteLength), u32(CC[name]));
  return { name, bytes: concatBytes(header, body), hasSession };
}

/** @param offset where to begin in the index, in bytes */
export function nvRead(index: number, byteLength: number, offset: number): TpmCommand {
  return command('NV_Read', [RH_OWNER, index], true, u16(byteLength), u16(offset));
}

/** Writes from the beginning of the index. */
export function nvWrite(index: number, data: Uint8Array): TpmCommand {
  return command('NV_Write', [RH_OWNER, index], true, sized(data), u16(0));
}

export function nvReadPublic(index: number): TpmCommand {
  return command('NV_ReadPublic', [index], false);
}

/** An index of ordinary bytes that the owner reads and writes. */
export function nvDefineSpace(index: number, byteLength: number): TpmCommand {
  const none = sized(new Uint8Array());
  const area = [u32(index), u16(ALG_SHA256), u32(NV_ATTRIBUTES), none, u16(byteLength)];
  return command('NV_DefineSpace', [RH_OWNER], true, none, sized(concatBytes(...area)));
}

/** Quotes the SHA-256 bank of all registers with the key's own signature scheme. */
export function quote(key: number, qualifyingData: Uint8Array): TpmCommand {
  const all = Array.from({ length: PCR_COUNT }, (_, pcr) => pcr);
  return command('Quote', [key], true, sized(qualifyingData), u16(ALG_NULL), selection(all));
}

/** @param pcrs at most `PCRS_PER_READ` registers of the SHA-256 bank */
export function pcrRead(pcrs: readonly number[]): TpmCommand {
  return command('PCR_Read', [], false, selection(pcrs));
}

/** TPML_PCR_SELECTION with one bank. */
function selection(pcrs: readonly number[]): Uint8Array {
  const bits = new Uint8Array(PCR_COUNT / 8);
  for (const pcr of pcrs) bits[pcr >> 3] = (bits[pcr >> 3] ?? 0) | (1 << (pcr & 7));
  return concatBytes(u32(1), u16(ALG_SHA256), u8(bits.byteLength), bits);
}

/** What came back, before its parameters are read. */
export type TpmAnswer =
  | { readonly kind: 'ok'; readonly parameters: TpmReader }
  /** There is no object with the first handle. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'transient'; readonly error: AttesterError };

/**
 * @param response to `sent`
 * @throws AttesterError ATTESTER_TPM_MALFORMED or ATTESTER_TPM_REFUSED
 */
export function readAnswer(sent: TpmCommand, response: Uint8Array): TpmAnswer {
  if (response.byteLength > TPM_MESSAGE_BYTES_MAX) throw malformed(sent.name, 'a shorter answer');
  const reader = new TpmReader(response, sent.name);
  const tag = reader.u16();
  reader.expect('size', response.byteLength, reader.u32());
  const code = reader.u32();
  if (code === RC_SUCCESS) {
    reader.expect('tag', sent.hasSession ? ST_SESSIONS : ST_NO_SESSIONS, tag);
    if (!sent.hasSession) return { kind: 'ok', parameters: reader };
    // What follows the parameters is the answer of the password session, which says nothing.
    const parameters = reader.take(reader.u32());
    return { kind: 'ok', parameters: new TpmReader(parameters, sent.name) };
  }
  if (code === RC_HANDLE_1) return { kind: 'absent' };
  const fields = { command: sent.name, code: `0x${code.toString(16)}` };
  if (RC_TRANSIENT.has(code)) {
    const error = new AttesterError('ATTESTER_BUSY', 'the TPM stayed busy', { fields });
    return { kind: 'transient', error };
  }
  throw new AttesterError('ATTESTER_TPM_REFUSED', 'the TPM refused a command', { fields });
}

/** @returns the size of the index in bytes */
export function readNvPublic(parameters: TpmReader): number {
  const area = new TpmReader(parameters.sized(), 'TPMS_NV_PUBLIC');
  area.take(4 + 2 + 4);
  area.sized();
  const byteLength = area.u16();
  area.end();
  return byteLength;
}

/** @returns as many digests as were selected */
export function readPcrs(parameters: TpmReader, count: number): readonly Uint8Array[] {
  parameters.u32();
  const banks = parameters.u32();
  parameters.expect('banks', 1, banks);
  parameters.u16();
  parameters.take(parameters.u8());
  parameters.expect('registers', count, parameters.u32());
  const digests = Array.from({ length: count }, () => parameters.sized());
  for (const { byteLength } of digests) parameters.expect('bytes', PCR_BYTES, byteLength);
  return digests;
}

/** @returns the attested bytes and the RSASSA signature with SHA-256 over them */
export function readQuote(parameters: TpmReader): {
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
} {
  const message = parameters.sized();
  parameters.expect('signature algorithm', ALG_RSASSA, parameters.u16());
  parameters.expect('hash algorithm', ALG_SHA256, parameters.u16());
  return { message, signature: parameters.sized() };
}

const GENERATED = 0xff544347;
const ST_ATTEST_QUOTE = 0x8018;
/** clock 8, resetCount 4, restartCount 4, safe 1, firmwareVersion 8. */
const CLOCK_AND_FIRMWARE_BYTES = 25;

/** The parts of TPMS_ATTEST for a quote that an attester looks at. */
export interface AttestedQuote {
  readonly extraData: Uint8Array;
  /** Digest over the registers that were quoted. */
  readonly pcrDigest: Uint8Array;
}

/** @throws AttesterError ATTESTER_TPM_MALFORMED */
export function readAttest(message: Uint8Array): AttestedQuote {
  const reader = new TpmReader(message, 'TPMS_ATTEST');
  reader.expect('magic', GENERATED, reader.u32());
  reader.expect('type', ST_ATTEST_QUOTE, reader.u16());
  reader.sized();
  const extraData = reader.sized();
  reader.take(CLOCK_AND_FIRMWARE_BYTES);
  reader.expect('banks', 1, reader.u32());
  reader.expect('bank', ALG_SHA256, reader.u16());
  reader.take(reader.u8());
  const pcrDigest = reader.sized();
  reader.end();
  return { extraData, pcrDigest };
}
