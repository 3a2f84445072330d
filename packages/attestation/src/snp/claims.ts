/**
 * What a verified SEV-SNP report says.
 */
import type { CommonClaims } from '../claims.ts';
import type { SnpProduct } from './product.ts';
import type { SnpTcb } from './tcb.ts';

/** Chip key or key loaded by a cloud provider (AMD SEV-SNP firmware ABI, ATTESTATION_REPORT). */
export type SnpSigner = 'VCEK' | 'VLEK';

/** Claims of SEV-SNP. Byte strings are lower-case hex. */
export interface SnpClaims extends CommonClaims {
  readonly tee: 'snp';
  readonly product: SnpProduct;
  readonly signer: SnpSigner;
  readonly reportVersion: number;
  readonly vmpl: number;
  readonly guestSvn: number;
  /** The guest policy as `0x` and 16 hex digits. */
  readonly guestPolicy: string;
  /** PLATFORM_INFO as `0x` and 16 hex digits. */
  readonly platformInfo: string;
  readonly familyId: string;
  readonly imageId: string;
  readonly idKeyDigest: string;
  readonly authorKeyDigest: string;
  readonly reportId: string;
  readonly reportIdMigrationAgent: string;
  readonly reportedTcb: SnpTcb;
  readonly currentTcb: SnpTcb;
  readonly committedTcb: SnpTcb;
  readonly launchTcb: SnpTcb;
  /** `major.minor.build` of the firmware. */
  readonly currentFirmware: string;
  readonly committedFirmware: string;
  /** LAUNCH_MIT_VECTOR as `0x` and 16 hex digits; zero before report version 5. */
  readonly launchMitigations: string;
  readonly currentMitigations: string;
  /** cspID of a VLEK. */
  readonly cspId: string | undefined;
}
