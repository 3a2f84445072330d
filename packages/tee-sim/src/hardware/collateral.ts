/**
 * What the vendor's service would say of a guest's platform: the plan of one launch, for collateral
 * that is expired, missing, revokes something or rates the platform badly. A host may hand out old
 * collateral; what stands in it is the vendor's word, here that of the development root.
 */
import type { FieldTable } from './field-table.ts';

/** Parts that may be out of date or missing for SEV-SNP. */
export const SNP_PARTS = ['vcek', 'crl', 'root', 'certificateTable'] as const;
/** Parts that may be out of date or missing for TDX. */
export const TDX_PARTS = [
  'pck',
  'rootCrl',
  'pckCrl',
  'tcbInfo',
  'qeIdentity',
  'tcbInfoIssuerChain',
  'qeIdentityIssuerChain',
] as const;

/** The ratings that Intel gives. */
export const TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;

export type SnpPart = (typeof SNP_PARTS)[number];
export type TdxPart = (typeof TDX_PARTS)[number];
export type TcbStatusText = (typeof TCB_STATUSES)[number];

/** Endorsements of one SEV-SNP guest; everything absent is current and complete. */
export interface SnpCollateralPlan {
  /** Ended yesterday or earlier: `vcek`, `crl`. */
  readonly expired?: readonly SnpPart[];
  /** Does not come along. */
  readonly absent?: readonly SnpPart[];
  /** The list names the intermediate authority; a VCEK has no serial number to be listed by. */
  readonly intermediateRevoked?: boolean;
}

/** Collateral of one TDX guest; everything absent is current, complete and `UpToDate`. */
export interface TdxCollateralPlan {
  /** Ended yesterday or earlier. */
  readonly expired?: readonly TdxPart[];
  /** Does not come along. `pck` is part of the quote and always does. */
  readonly absent?: readonly TdxPart[];
  readonly revoked?: readonly ('authority' | 'pck' | 'tcbSigner')[];
  /** Rating of the level that the platform is on. */
  readonly tcbStatus?: TcbStatusText;
  /** Rating of the level that the TDX module is on. */
  readonly moduleStatus?: TcbStatusText;
  /** Rating of the level that the quoting enclave is on. */
  readonly qeStatus?: TcbStatusText;
  /** Advisories of the platform's level. */
  readonly advisoryIds?: readonly string[];
  /** Fields of TCB info that are replaced, as JSON. */
  readonly tcbInfo?: Readonly<Record<string, unknown>>;
  /** Fields of the quoting enclave's identity that are replaced, as JSON. */
  readonly qeIdentity?: Readonly<Record<string, unknown>>;
}

const SNP_CHOICES = { kind: 'choices', values: SNP_PARTS } as const;
const TDX_CHOICES = { kind: 'choices', values: TDX_PARTS } as const;
const STATUS = { form: { kind: 'choice', values: TCB_STATUSES } } as const;

/** Every field with its form. */
export const SNP_COLLATERAL: FieldTable<SnpCollateralPlan> = {
  expired: { form: SNP_CHOICES },
  absent: { form: SNP_CHOICES },
  intermediateRevoked: { form: { kind: 'boolean' } },
};

/** Every field with its form. */
export const TDX_COLLATERAL: FieldTable<TdxCollateralPlan> = {
  expired: { form: TDX_CHOICES },
  absent: { form: TDX_CHOICES },
  revoked: { form: { kind: 'choices', values: ['authority', 'pck', 'tcbSigner'] } },
  tcbStatus: STATUS,
  moduleStatus: STATUS,
  qeStatus: STATUS,
  advisoryIds: { form: { kind: 'texts' } },
  tcbInfo: { form: { kind: 'json' } },
  qeIdentity: { form: { kind: 'json' } },
};
