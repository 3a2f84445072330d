/**
 * The report maker of one guest: what the secure processor would sign for it (AMD document 56860,
 * MSG_REPORT_REQ).
 */
import { sign } from 'node:crypto';
import { tcbBytes, serializeSnpReport, signedRangeOf } from '@witan/attestation';
import type { SnpEndorsements, SnpProduct, SnpReport, SnpTcb } from '@witan/attestation';
import { CRL_LIFETIME_MS, makeRevocationList } from '../hierarchy/certificates.ts';
import type { Hierarchy } from '../hierarchy/store.ts';
import { certificateTable } from './certificate-table.ts';
import type { Chips } from './chips.ts';
import type { SnpCollateralPlan, SnpPart } from './collateral.ts';
import type { SnpHost } from './host.ts';
import { PLATFORMS } from './products.ts';
import type { SnpOverrides } from './snp-overrides.ts';

/** What launching a guest fixes for its life. */
export interface GuestIdentity {
  /** 48 bytes. */
  readonly measurement: Uint8Array;
  /** 32 bytes. */
  readonly hostData: Uint8Array;
  /** 32 random bytes. */
  readonly reportId: Uint8Array;
  /** Name of the chip that runs the guest. */
  readonly chip: string;
}

/** The hardware behind one SEV-SNP guest. */
export interface SnpGuest {
  readonly makeReport: ReportMaker;
  /** What the key distribution service would give beside the host's certificate table. */
  readonly endorsements: () => SnpEndorsements;
}

/** A signed report and the host's certificate table. */
export interface SignedReport {
  readonly outblob: Uint8Array;
  readonly auxblob: Uint8Array;
}

/** @returns a signed report over the guest's 64 bytes, as requested at that VMPL */
export type ReportMaker = (reportData: Uint8Array, vmpl: number) => SignedReport;

/** SMT allowed, and bit 17 that must be one. */
const POLICY_DEFAULT = 0x30000n;
const REPORT_VERSION = 5;

/** Prepares the constant parts once, so that a report costs one signature. */
export function snpGuest(
  { hierarchy, chips }: SnpHost,
  identity: GuestIdentity,
  overrides: SnpOverrides,
  plan: SnpCollateralPlan = {},
): SnpGuest {
  const { product } = hierarchy;
  const absent = new Set<SnpPart>(plan.absent ?? []);
  const template = reportTemplate(product, chips, identity, overrides);
  const reported = reportedTcb(product, overrides);
  const vcekExpired = plan.expired?.includes('vcek') === true;
  const key = chips.keyOf(template.chipId, reported, vcekExpired);
  const auxblob = absent.has('certificateTable')
    ? new Uint8Array()
    : certificateTable({
        ...(absent.has('vcek') ? {} : { vcek: key.certificate }),
        ask: hierarchy.intermediateCertificate,
        ark: hierarchy.rootCertificate,
      });
  return {
    makeReport: (reportData, vmpl) => {
      const unsigned: SnpReport = { ...template, reportData, vmpl };
      const signature = sign('sha384', signedRangeOf(serializeSnpReport(unsigned)), {
        key: key.privateKey,
        dsaEncoding: 'ieee-p1363',
      });
      return { outblob: serializeSnpReport({ ...unsigned, signature }), auxblob };
    },
    endorsements: () => ({
      ...(absent.has('root') ? {} : { root: hierarchy.rootCertificate }),
      ...(absent.has('crl') ? {} : { crl: revocationListFor(hierarchy, plan) }),
    }),
  };
}

function revocationListFor(hierarchy: Hierarchy, plan: SnpCollateralPlan): Uint8Array {
  const expired = plan.expired?.includes('crl') === true;
  const revoked = plan.intermediateRevoked === true;
  if (!expired && !revoked) return hierarchy.revocationList;
  const issuedMs = Date.now() - (expired ? CRL_LIFETIME_MS : 0);
  return makeRevocationList(hierarchy.product, hierarchy.root, 1, issuedMs, revoked);
}

/** The TCB whose key signs. */
function reportedTcb(product: SnpProduct, overrides: SnpOverrides): SnpTcb {
  return overrides.reportedTcb ?? overrides.tcb ?? PLATFORMS[product].tcb;
}

function reportTemplate(
  product: SnpProduct,
  chips: Chips,
  identity: GuestIdentity,
  overrides: SnpOverrides,
): SnpReport {
  const platform = PLATFORMS[product];
  const version = overrides.version ?? REPORT_VERSION;
  const tcb = (own: SnpTcb | undefined): Uint8Array =>
    tcbBytes(product, own ?? overrides.tcb ?? platform.tcb);
  const mitigations = (own: bigint | undefined): bigint =>
    own ?? (version >= 5 ? platform.mitigations : 0n);
  const authorKeyDigest = overrides.authorKeyDigest ?? new Uint8Array(48);
  return {
    version,
    guestSvn: overrides.guestSvn ?? 0,
    policy: overrides.policy ?? POLICY_DEFAULT,
    familyId: overrides.familyId ?? new Uint8Array(16),
    imageId: overrides.imageId ?? new Uint8Array(16),
    vmpl: overrides.vmpl ?? 0,
    signatureAlgorithm: overrides.signatureAlgorithm ?? 1,
    currentTcb: tcb(overrides.currentTcb),
    platformInfo: overrides.platformInfo ?? platform.platformInfo,
    authorKeyEnabled: authorKeyDigest.some((byte) => byte !== 0),
    chipKeyMasked: false,
    signingKey: 0,
    reportData: new Uint8Array(64),
    measurement: overrides.measurement ?? identity.measurement,
    hostData: overrides.hostData ?? identity.hostData,
    idKeyDigest: overrides.idKeyDigest ?? new Uint8Array(48),
    authorKeyDigest,
    reportId: overrides.reportId ?? identity.reportId,
    reportIdMigrationAgent: overrides.reportIdMigrationAgent ?? new Uint8Array(32).fill(0xff),
    reportedTcb: tcb(overrides.reportedTcb),
    cpuid: version >= 3 ? (overrides.cpuid ?? platform.cpuid) : undefined,
    chipId: overrides.chipId ?? chips.idOf(identity.chip),
    committedTcb: tcb(overrides.committedTcb),
    currentFirmware: overrides.currentFirmware ?? platform.firmware,
    committedFirmware: overrides.committedFirmware ?? platform.firmware,
    launchTcb: tcb(overrides.launchTcb),
    launchMitigations: mitigations(overrides.launchMitigations),
    currentMitigations: mitigations(overrides.currentMitigations),
    signature: new Uint8Array(96),
  };
}
