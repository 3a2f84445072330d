/**
 * Simulated machines for tests: genuine SEV-SNP reports under a development root made in memory.
 */
import { encodeEvidence, type Evidence } from '@witan/attestation';
import { fromHex } from '@witan/core';
import { createIncarnationIdentity } from '@witan/keys';
import type { ChannelIdentity, ChannelProver } from '@witan/transport';
import {
  makeAuthorities,
  plainReport,
  signReport,
  type Authorities,
} from '../../../attestation/test/support/hierarchy.ts';
import { referenceJson, vekCertificate } from '../../../attestation/test/support/scene.ts';

/** What a guest was launched with. */
export interface Launch {
  /** 48 bytes, hex. */
  readonly measurement: string;
  /** 32 bytes, hex. */
  readonly hostData: string;
}

export interface Hardware {
  readonly authorities: Authorities;
  /** Evidence of a guest over report data. */
  evidence(launch: Launch, reportData: Uint8Array): Evidence;
  /** Plain JSON reference values that accept the guest. */
  referenceValues(launch: Launch): Readonly<Record<string, unknown>>;
  prover(launch: Launch): ChannelProver;
}

export const COORDINATOR: Launch = { measurement: 'c0'.repeat(48), hostData: '0c'.repeat(32) };

export function makeHardware(): Hardware {
  const authorities = makeAuthorities('Milan');
  const endorsements = {
    vek: vekCertificate(authorities, false),
    intermediate: authorities.ask,
    root: authorities.ark,
  };
  const evidence = (launch: Launch, reportData: Uint8Array): Evidence => {
    const report = {
      ...plainReport(authorities.product),
      measurement: fromHex(launch.measurement),
      hostData: fromHex(launch.hostData),
      reportData,
    };
    return { kind: 'snp', report: signReport(report, authorities.vekKey), endorsements };
  };
  return {
    authorities,
    evidence,
    referenceValues: (launch) =>
      referenceJson(authorities, { measurement: [launch.measurement], hostData: launch.hostData }),
    prover: (launch) => ({
      evidenceTypes: ['snp'],
      prove: (reportData) => Promise.resolve(encodeEvidence(evidence(launch, reportData))),
    }),
  };
}

export async function makeIdentity(): Promise<ChannelIdentity> {
  const identity = await createIncarnationIdentity();
  return {
    privateKeyPem: identity.tlsKeyPem,
    certificatePem: identity.tlsCertificatePem,
    spkiDer: identity.spkiDer,
  };
}
