/**
 * Stands in for a TEE: evidence is a MAC over the report data under a key that only "hardware"
 * holds. It binds report data as honestly as a real report does; the attacks of these tests do not
 * know the key.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { concatBytes, utf8, type Clock, type UnixMillis } from '@witan/core';
import type { ChannelProver, ChannelVerifier } from '../../src/index.ts';

export interface Claims {
  readonly measurement: string;
}

/** The clock of this machine. */
export const clock: Clock = { now: () => Date.now() as UnixMillis };

const KEY = 'fake hardware key';

function sign(measurement: string, reportData: Uint8Array): Uint8Array {
  const mac = createHmac('sha512', KEY).update(utf8(measurement)).update(reportData).digest();
  return concatBytes(reportData, mac, utf8(measurement));
}

export function prover(measurement = 'good', evidenceTypes = ['fake']): ChannelProver {
  return { evidenceTypes, prove: async (reportData) => sign(measurement, reportData) };
}

export interface TestVerifier extends ChannelVerifier<Claims> {
  allowed: string[];
  asked: number;
}

/** Accepts evidence of `allowed` measurements over the expected report data. */
export function verifier(
  options: { validMs?: number; validUntilMs?: number; types?: string[] } = {},
): TestVerifier {
  const self: TestVerifier = {
    allowed: ['good'],
    asked: 0,
    ...(options.types === undefined ? {} : { evidenceTypes: options.types }),
    verify: async ({ evidence, expectedReportData }) => {
      self.asked += 1;
      const reportData = evidence.subarray(0, 64);
      const measurement = Buffer.from(evidence.subarray(128)).toString();
      const expected = Buffer.from(sign(measurement, reportData));
      if (expected.length !== evidence.length || !timingSafeEqual(expected, evidence)) {
        return { ok: false, code: 'SIGNATURE_BAD', detail: 'not signed by hardware' };
      }
      if (!Buffer.from(reportData).equals(expectedReportData)) {
        return { ok: false, code: 'REPORT_DATA_MISMATCH', detail: 'made for something else' };
      }
      if (!self.allowed.includes(measurement)) {
        return { ok: false, code: 'MEASUREMENT_UNKNOWN', detail: measurement };
      }
      const { validMs = 3_600_000, validUntilMs = Date.now() + validMs } = options;
      return { ok: true, claims: { measurement }, validUntilMs };
    },
  };
  return self;
}
