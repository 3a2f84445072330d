/**
 * What a launch may change in the reports of its guest, as one table: the name of each field, its
 * form on the wire and who may set it.
 *
 * A host really chooses policy, firmware level or chip. It cannot choose measurement, host data or
 * report id: those need the daemon's `--allow-overrides`, which exists to make evidence that a
 * verifier must refuse.
 */
import { toBase64 } from '@witan/core';
import type { SnpCpuid, SnpFirmware, SnpTcb } from '@witan/attestation';
import { TeeSimError } from '../errors.ts';
import type { FieldReader } from '../wire/fields.ts';

/** Changes to the reports of one guest. Everything absent has the value of a healthy platform. */
export interface GuestOverrides {
  /** 2, 3, 4 or 5; default 5. */
  readonly version?: number;
  readonly guestSvn?: number;
  /** Guest policy bits; default SMT allowed and the reserved bit 17. */
  readonly policy?: bigint;
  readonly familyId?: Uint8Array;
  readonly imageId?: Uint8Array;
  /** Lowest VMPL that the guest may ask for (its privlevel_floor) and its default. */
  readonly vmpl?: number;
  /** Sets reported, current, committed and launch TCB. */
  readonly tcb?: SnpTcb;
  readonly reportedTcb?: SnpTcb;
  readonly currentTcb?: SnpTcb;
  readonly committedTcb?: SnpTcb;
  readonly launchTcb?: SnpTcb;
  readonly platformInfo?: bigint;
  readonly idKeyDigest?: Uint8Array;
  readonly authorKeyDigest?: Uint8Array;
  /** 64 bytes; the signing key follows it. */
  readonly chipId?: Uint8Array;
  readonly cpuid?: SnpCpuid;
  readonly currentFirmware?: SnpFirmware;
  readonly committedFirmware?: SnpFirmware;
  readonly launchMitigations?: bigint;
  readonly currentMitigations?: bigint;
  readonly reportIdMigrationAgent?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly measurement?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly hostData?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly reportId?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly signatureAlgorithm?: number;
}

type Form =
  | { readonly kind: 'number'; readonly greatest: number }
  | { readonly kind: 'u64' }
  | { readonly kind: 'bytes'; readonly byteLength: number }
  | { readonly kind: 'parts'; readonly names: readonly string[]; readonly optional?: string };

interface Rule {
  readonly form: Form;
  readonly forged?: true;
}

const bytes = (byteLength: number): Form => ({ kind: 'bytes', byteLength });
const U32: Form = { kind: 'number', greatest: 0xffffffff };
const U64: Form = { kind: 'u64' };
const TCB: Form = {
  kind: 'parts',
  names: ['bootloader', 'tee', 'snp', 'microcode'],
  optional: 'fmc',
};
const FIRMWARE: Form = { kind: 'parts', names: ['major', 'minor', 'build'] };

const RULES: Readonly<Record<keyof GuestOverrides, Rule>> = {
  version: { form: { kind: 'number', greatest: 5 } },
  guestSvn: { form: U32 },
  policy: { form: U64 },
  familyId: { form: bytes(16) },
  imageId: { form: bytes(16) },
  vmpl: { form: { kind: 'number', greatest: 3 } },
  tcb: { form: TCB },
  reportedTcb: { form: TCB },
  currentTcb: { form: TCB },
  committedTcb: { form: TCB },
  launchTcb: { form: TCB },
  platformInfo: { form: U64 },
  idKeyDigest: { form: bytes(48) },
  authorKeyDigest: { form: bytes(48) },
  chipId: { form: bytes(64) },
  cpuid: { form: { kind: 'parts', names: ['family', 'model', 'stepping'] } },
  currentFirmware: { form: FIRMWARE },
  committedFirmware: { form: FIRMWARE },
  launchMitigations: { form: U64 },
  currentMitigations: { form: U64 },
  reportIdMigrationAgent: { form: bytes(32) },
  measurement: { form: bytes(48), forged: true },
  hostData: { form: bytes(32), forged: true },
  reportId: { form: bytes(32), forged: true },
  signatureAlgorithm: { form: U32, forged: true },
};

const NAMES = Object.keys(RULES) as readonly (keyof GuestOverrides)[];

/** For the wire: 64-bit numbers as hex text, bytes as base64. */
export function encodeOverrides(overrides: GuestOverrides): Record<string, unknown> {
  const encoded: Record<string, unknown> = {};
  for (const name of NAMES) {
    const value = overrides[name];
    if (value === undefined) continue;
    if (typeof value === 'bigint') encoded[name] = `0x${value.toString(16)}`;
    else if (value instanceof Uint8Array) encoded[name] = toBase64(value);
    else encoded[name] = value;
  }
  return encoded;
}

/**
 * The inverse of `encodeOverrides` for input from outside.
 *
 * @param allowForged whether the daemon runs with `--allow-overrides`
 * @throws TeeSimError TEESIM_REQUEST_MALFORMED or TEESIM_OVERRIDE_REFUSED
 */
export function decodeOverrides(reader: FieldReader, allowForged: boolean): GuestOverrides {
  const decoded: Record<string, unknown> = {};
  for (const name of NAMES) {
    if (!reader.has(name)) continue;
    const rule = RULES[name];
    if (rule.forged === true && !allowForged) {
      throw new TeeSimError('TEESIM_OVERRIDE_REFUSED', 'the field cannot be chosen by a host', {
        fields: { field: name, nextStep: 'start the daemon with --allow-overrides' },
      });
    }
    decoded[name] = decodeOne(reader, name, rule.form);
  }
  reader.end();
  // Each field was read in the form that RULES gives for its name in GuestOverrides.
  return decoded;
}

function decodeOne(reader: FieldReader, name: string, form: Form): unknown {
  switch (form.kind) {
    case 'number':
      return reader.integer(name, 0, form.greatest);
    case 'u64':
      return reader.u64(name);
    case 'bytes':
      return exactBytes(reader, name, form.byteLength);
    case 'parts':
      return decodeParts(reader.object(name), form.names, form.optional);
  }
}

function exactBytes(reader: FieldReader, name: string, byteLength: number): Uint8Array {
  const value = reader.bytes(name, byteLength);
  if (value.byteLength === byteLength) return value;
  throw new TeeSimError('TEESIM_REQUEST_MALFORMED', 'the request has a bad field', {
    fields: { field: name, expected: `${byteLength} bytes`, found: value.byteLength },
  });
}

function decodeParts(
  reader: FieldReader,
  names: readonly string[],
  optional: string | undefined,
): Readonly<Record<string, number>> {
  const parts: Record<string, number> = {};
  for (const name of names) parts[name] = reader.integer(name, 0, 255);
  if (optional !== undefined && reader.has(optional)) {
    parts[optional] = reader.integer(optional, 0, 255);
  }
  reader.end();
  return parts;
}
