/** Simulated machines for tests: genuine SEV-SNP reports under the development root of tee-sim. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { encodeEvidence } from '@witan/attestation';
import { fromHex } from '@witan/core';
import { createIncarnationIdentity } from '@witan/keys';
import { inProcessEvidenceProvider, loadOrCreateHierarchy } from '@witan/tee-sim';
import type { ChannelIdentity, ChannelProver } from '@witan/transport';

/** What a guest was launched with. */
export interface Launch {
  /** 48 bytes, hex. */
  readonly measurement: string;
  /** 32 bytes, hex. */
  readonly hostData: string;
}

export type Provider = ReturnType<typeof inProcessEvidenceProvider>;

export interface Hardware {
  /** Where a guest gets its evidence. */
  provider(launch: Launch): Provider;
  /** Plain JSON reference values that accept the guest. */
  referenceValues(launch: Launch): Readonly<Record<string, unknown>>;
  prover(launch: Launch): ChannelProver;
}

export const COORDINATOR: Launch = { measurement: 'c0'.repeat(48), hostData: '0c'.repeat(32) };

/** Kept between runs, because its RSA keys take a while. */
const DIRECTORY = join(import.meta.dirname, '../../../node_modules/.cache/witan/test-hierarchy');

export function makeHardware(): Hardware {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o700 });
  const hierarchy = loadOrCreateHierarchy(DIRECTORY, 'Milan');
  const provider = ({ measurement, hostData }: Launch): Provider =>
    inProcessEvidenceProvider(hierarchy, {
      measurement: fromHex(measurement),
      hostData: fromHex(hostData),
    });
  return {
    provider,
    referenceValues: ({ measurement, hostData }) => ({
      tee: 'snp',
      measurement: [measurement],
      hostData,
      products: [hierarchy.product],
      minimumTcb: { bootloader: 0, tee: 0, snp: 0, microcode: 0 },
      developmentRoots: [hierarchy.rootFingerprint],
    }),
    prover: (launch) => {
      const collector = provider(launch);
      return {
        evidenceTypes: ['snp'],
        prove: async (reportData) => encodeEvidence(await collector.collect(reportData)),
      };
    },
  };
}

export async function makeIdentity(): Promise<ChannelIdentity> {
  const identity = createIncarnationIdentity();
  return {
    privateKeyPem: identity.tlsKeyPem,
    certificatePem: identity.tlsCertificatePem,
    spkiDer: identity.spkiDer,
  };
}
