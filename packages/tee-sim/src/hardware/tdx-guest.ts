/**
 * Quotes and collateral of one TDX guest: what module, quoting enclave and Intel's service would
 * give for it.
 */
import { createHash } from 'node:crypto';
import { fromHex, toHex, utf8 } from '@witan/core';
import type { TdReport, TdxEndorsements } from '@witan/attestation';
import {
  createTdxHierarchy,
  healthyTdReport,
  intelTime,
  p256Key,
  QUOTING_ENCLAVE,
  qeIdentityOf,
  tcbInfoOf,
  TDX_PLATFORM,
  type JsonObject,
  type P256Key,
  type QuotingEnclavePlan,
  type TdxHierarchy,
  type TdxHierarchyOptions,
  type TdxPlatform,
} from '@witan/attestation/testing';
import { DEVELOPMENT_ORGANISATION } from '../hierarchy/certificates.ts';
import { deriveBytes, deriveKey } from '../hierarchy/derived-keys.ts';
import type { TdxRoot } from '../hierarchy/tdx-store.ts';
import type { TdxCollateralPlan, TdxPart } from './collateral.ts';
import type { SignedReport } from './reports.ts';
import type { TdxOverrides } from './tdx-overrides.ts';

/** What launching a TDX guest fixes for its life. */
export interface TdIdentity {
  /** 48 bytes. */
  readonly mrTd: Uint8Array;
  /** RTMR 0 to 3, 48 bytes each. */
  readonly rtmrs: readonly Uint8Array[];
  /** 48 bytes. */
  readonly mrConfigId: Uint8Array;
  /** Name of the platform that runs the guest. */
  readonly chip: string;
}

/** The hardware behind one TDX guest. */
export interface TdxGuest {
  /** A quote over the guest's 64 bytes. */
  readonly quote: (reportData: Uint8Array) => SignedReport;
  /** Collateral that is current now, or as the plan wants it. */
  readonly endorsements: () => TdxEndorsements;
}

const DAY_MS = 24 * 3600 * 1000;
/** Collateral is valid for 30 days; guests get new one in good time. */
const RENEW_MS = 10 * DAY_MS;
const SERIAL_BYTES = 6;

/** Prepares the constant parts once, so that a quote costs two signatures. */
export function tdxGuest(
  root: TdxRoot,
  identity: TdIdentity,
  overrides: TdxOverrides,
  plan: TdxCollateralPlan,
): TdxGuest {
  const platform = platformOf(root, identity.chip, overrides);
  const quotingEnclave = quotingEnclaveOf(overrides);
  const make = (nowMs: number): TdxHierarchy =>
    createTdxHierarchy(hierarchyOptions(root, platform, plan, nowMs));
  const hierarchy = make(Date.now());
  const report = reportOf(identity, overrides);
  const version = overrides.version ?? 4;
  const attestationKey: P256Key = p256Key();
  const changes = {
    version,
    attestationKey,
    quotingEnclave,
    ...(overrides.teeType === undefined ? {} : { teeType: overrides.teeType }),
    ...(overrides.keyType === undefined ? {} : { keyType: overrides.keyType }),
    ...(overrides.vendorId === undefined ? {} : { vendorId: overrides.vendorId }),
  };
  let current = hierarchy;
  let madeMs = Date.now();
  return {
    quote: (reportData) => ({
      outblob: hierarchy.quote({ ...report, reportData }, changes),
      auxblob: new Uint8Array(),
    }),
    endorsements: () => {
      const nowMs = Date.now();
      if (nowMs - madeMs > RENEW_MS) {
        current = make(nowMs);
        madeMs = nowMs;
      }
      return without(current.endorsements, plan.absent ?? []);
    },
  };
}

function platformOf(root: TdxRoot, chip: string, overrides: TdxOverrides): TdxPlatform {
  const id =
    overrides.platformInstanceId ??
    deriveBytes(root.platformSecret, 16, 'platform instance id', utf8(chip));
  return {
    fmspc: overrides.fmspc === undefined ? TDX_PLATFORM.fmspc : toHex(overrides.fmspc),
    pceId: overrides.pceId === undefined ? TDX_PLATFORM.pceId : toHex(overrides.pceId),
    components:
      overrides.components === undefined ? TDX_PLATFORM.components : [...overrides.components],
    pceSvn: overrides.pceSvn ?? TDX_PLATFORM.pceSvn,
    platformInstanceId: toHex(id),
    dynamicPlatform: overrides.dynamicPlatform ?? TDX_PLATFORM.dynamicPlatform,
    cachedKeys: overrides.cachedKeys ?? TDX_PLATFORM.cachedKeys,
    smtEnabled: overrides.smtEnabled ?? TDX_PLATFORM.smtEnabled,
  };
}

function quotingEnclaveOf(overrides: TdxOverrides): QuotingEnclavePlan {
  return {
    miscSelect: overrides.qeMiscSelect ?? QUOTING_ENCLAVE.miscSelect,
    attributes: overrides.qeAttributes ?? QUOTING_ENCLAVE.attributes,
    mrSigner: overrides.qeMrSigner ?? QUOTING_ENCLAVE.mrSigner,
    isvProdId: overrides.qeIsvProdId ?? QUOTING_ENCLAVE.isvProdId,
    isvSvn: overrides.qeIsvSvn ?? QUOTING_ENCLAVE.isvSvn,
  };
}

function reportOf(identity: TdIdentity, overrides: TdxOverrides): TdReport {
  const is15 = (overrides.version ?? 4) === 5;
  const forged = [overrides.rtmr0, overrides.rtmr1, overrides.rtmr2, overrides.rtmr3];
  const healthy = healthyTdReport();
  const teeTcbSvn = overrides.teeTcbSvn ?? healthy.teeTcbSvn;
  return {
    teeTcbSvn,
    mrSeam: overrides.mrSeam ?? healthy.mrSeam,
    mrSignerSeam: overrides.mrSignerSeam ?? healthy.mrSignerSeam,
    seamAttributes: overrides.seamAttributes ?? healthy.seamAttributes,
    tdAttributes: overrides.tdAttributes ?? healthy.tdAttributes,
    xfam: overrides.xfam ?? healthy.xfam,
    mrTd: overrides.mrTd ?? identity.mrTd,
    mrConfigId: overrides.mrConfigId ?? identity.mrConfigId,
    mrOwner: overrides.mrOwner ?? healthy.mrOwner,
    mrOwnerConfig: overrides.mrOwnerConfig ?? healthy.mrOwnerConfig,
    rtmrs: identity.rtmrs.map((rtmr, index) => forged[index] ?? rtmr),
    reportData: new Uint8Array(64),
    teeTcbSvn2: is15 ? (overrides.teeTcbSvn2 ?? teeTcbSvn) : undefined,
    mrServiceTd: is15 ? (overrides.mrServiceTd ?? new Uint8Array(48)) : undefined,
  };
}

function hierarchyOptions(
  root: TdxRoot,
  platform: TdxPlatform,
  plan: TdxCollateralPlan,
  nowMs: number,
): TdxHierarchyOptions {
  const platformId = fromHex(platform.platformInstanceId);
  const svns = Uint8Array.of(...platform.components, platform.pceSvn >> 8, platform.pceSvn & 0xff);
  const pck = deriveKey('P-256', root.platformSecret, 'pck', platformId, svns);
  const serialBytes = createHash('sha256').update(platformId).update(svns).digest();
  const serial = Number.parseInt(serialBytes.toString('hex', 0, SERIAL_BYTES), 16) + 0x10000;
  const expired = new Set<TdxPart>(plan.expired ?? []);
  const revoked = new Set(plan.revoked ?? []);
  const old = { thisUpdate: nowMs - 40 * DAY_MS, nextUpdate: nowMs - 10 * DAY_MS };
  const ended = {
    issueDate: intelTime(old.thisUpdate),
    nextUpdate: intelTime(old.nextUpdate),
  };
  // Serial numbers of the testing hierarchy: 2 is the platform authority, 3 the TCB signer.
  const byRoot = [
    ...(revoked.has('authority') ? [2] : []),
    ...(revoked.has('tcbSigner') ? [3] : []),
  ];
  return {
    nowMs,
    organisation: DEVELOPMENT_ORGANISATION,
    keys: { ...root.keys, pck },
    issued: root.certificates,
    platform,
    certificates: {
      pck: { serial, ...(expired.has('pck') ? { notAfter: nowMs - 10 * DAY_MS } : {}) },
    },
    rootCrl: { revoked: byRoot, ...(expired.has('rootCrl') ? old : {}) },
    pckCrl: {
      revoked: revoked.has('pck') ? [serial] : [],
      ...(expired.has('pckCrl') ? old : {}),
    },
    tcbInfo: {
      ...ratedTcbInfo(platform, plan),
      ...(expired.has('tcbInfo') ? ended : {}),
      ...plan.tcbInfo,
    },
    qeIdentity: {
      ...ratedQeIdentity(plan),
      ...(expired.has('qeIdentity') ? ended : {}),
      ...plan.qeIdentity,
    },
  };
}

interface Level {
  readonly tcbStatus: string;
  readonly advisoryIDs?: readonly string[];
}

const NO_PERIOD = { issueMs: 0, nextUpdateMs: 0 };

/** The healthy levels, of which the first gets the wanted rating. */
function ratedTcbInfo(platform: TdxPlatform, plan: TdxCollateralPlan): JsonObject {
  const { tcbStatus, moduleStatus, advisoryIds } = plan;
  const subject = { ...TDX_PLATFORM, fmspc: platform.fmspc, pceId: platform.pceId };
  const { tcbLevels, tdxModuleIdentities } = tcbInfoOf(subject, NO_PERIOD) as {
    readonly tcbLevels: readonly Level[];
    readonly tdxModuleIdentities: readonly { readonly tcbLevels: readonly Level[] }[];
  };
  return {
    tcbLevels: rated(tcbLevels, tcbStatus, advisoryIds),
    tdxModuleIdentities: tdxModuleIdentities.map((identity) => ({
      ...identity,
      tcbLevels: rated(identity.tcbLevels, moduleStatus, undefined),
    })),
  };
}

function ratedQeIdentity({ qeStatus }: TdxCollateralPlan): JsonObject {
  const { tcbLevels } = qeIdentityOf(QUOTING_ENCLAVE, NO_PERIOD) as {
    readonly tcbLevels: readonly Level[];
  };
  return { tcbLevels: rated(tcbLevels, qeStatus, undefined) };
}

function rated(
  levels: readonly Level[],
  status: string | undefined,
  advisoryIDs: readonly string[] | undefined,
): readonly Level[] {
  return levels.map((level, index) =>
    index > 0
      ? level
      : {
          ...level,
          ...(status === undefined ? {} : { tcbStatus: status }),
          ...(advisoryIDs === undefined ? {} : { advisoryIDs }),
        },
  );
}

function without(endorsements: TdxEndorsements, absent: readonly TdxPart[]): TdxEndorsements {
  const missing: readonly string[] = absent;
  return Object.fromEntries(
    Object.entries(endorsements).filter(([name]) => !missing.includes(name)),
  );
}
