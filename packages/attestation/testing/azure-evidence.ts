/**
 * Makes what Azure's paravisor and vTPM make: document, HCL report, TDREPORT and TPM quote, with
 * every length and type open to change.
 */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { concatBytes } from '@witan/core';
import { TDREPORT_OFFSETS, type TdReport, type TpmQuote } from '../src/index.ts';

/** A vTPM's attestation key. */
export interface AttestationKey {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** @param modulusLength bits */
export function attestationKey(modulusLength = 2048): AttestationKey {
  return generateKeyPairSync('rsa', { modulusLength });
}

/** The paravisor's document. @param changes members that replace the healthy ones */
export function runtimeDocument(
  { publicKey }: AttestationKey,
  changes: Readonly<Record<string, unknown>> = {},
): Uint8Array {
  const { n, e } = publicKey.export({ format: 'jwk' });
  const document = {
    keys: [
      { kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n },
      { kid: 'HCLEkPub', key_ops: ['encrypt'], kty: 'RSA', e, n },
    ],
    'vm-configuration': { 'console-enabled': true, 'secure-boot': true, vmUniqueId: 'A-1' },
    'user-data': 'AB'.repeat(64),
    ...changes,
  };
  return new Uint8Array(Buffer.from(JSON.stringify(document)));
}

/** The 64 bytes that a hardware report must carry for a document. */
export function documentReportData(document: Uint8Array): Uint8Array {
  const digest = createHash('sha256').update(document).digest();
  return new Uint8Array(Buffer.concat([digest, Buffer.alloc(32)]));
}

/** @param hardwareReport SEV-SNP report or TDREPORT */
export function serializeHclReport(
  tee: 'snp' | 'tdx',
  hardwareReport: Uint8Array,
  document: Uint8Array,
): Uint8Array {
  const bytes = Buffer.alloc(Math.max(2600, 1236 + document.byteLength));
  const words = [
    [0, 0x414c4348],
    [4, 2],
    [8, 1236 + document.byteLength],
    [12, 2],
    [1216, 20 + document.byteLength],
    [1220, 1],
    [1224, tee === 'snp' ? 2 : 4],
    [1228, 1],
    [1232, document.byteLength],
  ] as const;
  for (const [at, value] of words) bytes.writeUInt32LE(value, at);
  bytes.set(hardwareReport, 32);
  bytes.set(document, 1236);
  return new Uint8Array(bytes);
}

/** A TDREPORT that says what a quote says, with an empty MAC. */
export function tdReportOf(body: TdReport): Uint8Array {
  const bytes = Buffer.alloc(1024);
  const AT = TDREPORT_OFFSETS;
  bytes[AT.type] = 0x81;
  bytes.set(body.reportData, AT.reportData);
  bytes.set(body.teeTcbSvn, AT.teeTcbSvn);
  bytes.set(body.mrSeam, AT.mrSeam);
  bytes.set(body.mrSignerSeam, AT.mrSignerSeam);
  bytes.writeBigUInt64LE(body.seamAttributes, AT.seamAttributes);
  bytes.writeBigUInt64LE(body.tdAttributes, AT.tdAttributes);
  bytes.writeBigUInt64LE(body.xfam, AT.xfam);
  bytes.set(body.mrTd, AT.mrTd);
  bytes.set(body.mrConfigId, AT.mrConfigId);
  bytes.set(body.mrOwner, AT.mrOwner);
  bytes.set(body.mrOwnerConfig, AT.mrOwnerConfig);
  bytes.set(concatBytes(...body.rtmrs), AT.rtmr0);
  return new Uint8Array(bytes);
}

/** What a quote says; all parts but the nonce have healthy values by default. */
export interface TpmQuotePlan {
  readonly nonce: Uint8Array;
  readonly magic: number;
  readonly type: number;
  readonly bank: number;
  /** Bitmap of registers, 3 bytes. */
  readonly selection: Uint8Array;
  readonly pcrs: readonly Uint8Array[];
  readonly pcrDigest: Uint8Array;
}

/** Registers of a guest that booted something. */
export const QUOTED_PCRS: readonly Uint8Array[] = Array.from(
  { length: 24 },
  (_, pcr) => new Uint8Array(createHash('sha256').update(`pcr ${pcr}`).digest()),
);

/** A signed quote. */
export function makeTpmQuote(
  { privateKey }: AttestationKey,
  plan: Partial<TpmQuotePlan> & Pick<TpmQuotePlan, 'nonce'>,
): TpmQuote {
  const message = serializeTpmAttest(plan);
  const signature = new Uint8Array(sign('sha256', message, privateKey));
  return { message, signature, pcrs: plan.pcrs ?? QUOTED_PCRS };
}

/** TPMS_ATTEST of a quote. */
export function serializeTpmAttest(
  plan: Partial<TpmQuotePlan> & Pick<TpmQuotePlan, 'nonce'>,
): Uint8Array {
  const { magic = 0xff544347, type = 0x8018, bank = 0x000b, pcrs = QUOTED_PCRS } = plan;
  const digest =
    plan.pcrDigest ??
    createHash('sha256')
      .update(concatBytes(...pcrs))
      .digest();
  const u16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 255);
  const u32 = (value: number): Uint8Array => concatBytes(u16(value >>> 16), u16(value & 0xffff));
  const sized = (bytes: Uint8Array): Uint8Array => concatBytes(u16(bytes.byteLength), bytes);
  const selection = plan.selection ?? Uint8Array.of(255, 255, 255);
  return concatBytes(
    u32(magic),
    u16(type),
    sized(concatBytes(u16(0x000b), new Uint8Array(32).fill(7))),
    sized(plan.nonce),
    new Uint8Array(8),
    u32(3),
    u32(1),
    Uint8Array.of(1),
    new Uint8Array(8),
    u32(1),
    u16(bank),
    Uint8Array.of(selection.byteLength),
    selection,
    sized(digest),
  );
}
