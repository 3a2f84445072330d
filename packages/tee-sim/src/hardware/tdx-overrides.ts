/** What a launch may change in the quotes of its TDX guest, as one table. */
import { bytes, FLAG, U16, U32, U64, type FieldTable } from './field-table.ts';

/** Changes to the quotes of one TDX guest. What is absent is as on a healthy platform. */
export interface TdxOverrides {
  /** 4 or 5; default 4. Version 5 has the fields of TDX 1.5. */
  readonly version?: number;
  /** TDATTRIBUTES; default SEPT_VE_DISABLE alone. Bit 0 is DEBUG, bit 29 MIGRATABLE. */
  readonly tdAttributes?: bigint;
  readonly xfam?: bigint;
  /** TEE_TCB_SVN, 16 bytes. */
  readonly teeTcbSvn?: Uint8Array;
  /** TEE_TCB_SVN_2, 16 bytes; version 5 only. */
  readonly teeTcbSvn2?: Uint8Array;
  readonly mrSeam?: Uint8Array;
  readonly mrSignerSeam?: Uint8Array;
  readonly seamAttributes?: bigint;
  readonly mrOwner?: Uint8Array;
  readonly mrOwnerConfig?: Uint8Array;
  /** Version 5 only. */
  readonly mrServiceTd?: Uint8Array;
  /** 16 bytes; the key of the platform follows it. */
  readonly platformInstanceId?: Uint8Array;
  /** 6 bytes. */
  readonly fmspc?: Uint8Array;
  /** 2 bytes. */
  readonly pceId?: Uint8Array;
  /** 16 component SVNs, one byte each; the key of the platform follows them. */
  readonly components?: Uint8Array;
  readonly pceSvn?: number;
  readonly dynamicPlatform?: boolean;
  readonly cachedKeys?: boolean;
  readonly smtEnabled?: boolean;
  readonly qeIsvSvn?: number;
  readonly qeIsvProdId?: number;
  readonly qeMiscSelect?: number;
  /** 16 bytes. */
  readonly qeAttributes?: Uint8Array;
  /** 32 bytes. */
  readonly qeMrSigner?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly mrTd?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly rtmr0?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly rtmr1?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly rtmr2?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly rtmr3?: Uint8Array;
  /**
   * MRCONFIGID in the quote alone, as when a host hands out the quote of another guest. Forged:
   * needs `--allow-overrides`.
   */
  readonly mrConfigId?: Uint8Array;
  /** Forged: needs `--allow-overrides`. */
  readonly teeType?: number;
  /** Forged: needs `--allow-overrides`. */
  readonly keyType?: number;
  /** Forged: needs `--allow-overrides`. */
  readonly vendorId?: Uint8Array;
}

const forged = (byteLength: number): { form: ReturnType<typeof bytes>; forged: true } => ({
  form: bytes(byteLength),
  forged: true,
});

/** Every field with its form. */
export const TDX_OVERRIDES: FieldTable<TdxOverrides> = {
  version: { form: { kind: 'number', greatest: 5 } },
  tdAttributes: { form: U64 },
  xfam: { form: U64 },
  teeTcbSvn: { form: bytes(16) },
  teeTcbSvn2: { form: bytes(16) },
  mrSeam: { form: bytes(48) },
  mrSignerSeam: { form: bytes(48) },
  seamAttributes: { form: U64 },
  mrOwner: { form: bytes(48) },
  mrOwnerConfig: { form: bytes(48) },
  mrServiceTd: { form: bytes(48) },
  platformInstanceId: { form: bytes(16) },
  fmspc: { form: bytes(6) },
  pceId: { form: bytes(2) },
  components: { form: bytes(16) },
  pceSvn: { form: U16 },
  dynamicPlatform: { form: FLAG },
  cachedKeys: { form: FLAG },
  smtEnabled: { form: FLAG },
  qeIsvSvn: { form: U16 },
  qeIsvProdId: { form: U16 },
  qeMiscSelect: { form: U32 },
  qeAttributes: { form: bytes(16) },
  qeMrSigner: { form: bytes(32) },
  mrTd: forged(48),
  rtmr0: forged(48),
  rtmr1: forged(48),
  rtmr2: forged(48),
  rtmr3: forged(48),
  mrConfigId: forged(48),
  teeType: { form: U32, forged: true },
  keyType: { form: U16, forged: true },
  vendorId: forged(16),
};
