/** What a launch may change in the reports of its SEV-SNP guest, as one table. */
import type { SnpCpuid, SnpFirmware, SnpTcb } from '@witan/attestation';
import { bytes, U32, U64, type FieldTable, type Form } from './field-table.ts';

/** Changes to the reports of one SEV-SNP guest. What is absent is as on a healthy platform. */
export interface SnpOverrides {
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

const TCB: Form = {
  kind: 'parts',
  names: ['bootloader', 'tee', 'snp', 'microcode'],
  optional: 'fmc',
};
const FIRMWARE: Form = { kind: 'parts', names: ['major', 'minor', 'build'] };

/** Every field with its form. */
export const SNP_OVERRIDES: FieldTable<SnpOverrides> = {
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
