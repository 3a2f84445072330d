import { afterEach, describe, expect, it } from 'vitest';
import { decodeEvidence, encodeEvidence } from '@witan/attestation';
import type { AzSnpEvidence, AzTdxEvidence } from '@witan/attester';
import { healthyTdReport } from '@witan/attestation/testing';
import { endorsementSource } from '../src/index.ts';
import { createBench, type Bench } from './support/bench.ts';
import { verdictOn } from './support/judge.ts';

let bench: Bench;
afterEach(async () => {
  await bench.close();
});

const tpmQuote = { message: new Uint8Array(), signature: new Uint8Array(), pcrs: [] };

describe('a store as a source of endorsements', () => {
  it('completes evidence of both kinds, so that it verifies after a journey', async () => {
    bench = await createBench();
    const source = endorsementSource(bench.store());
    const quote = bench.intel.hierarchy.quote(healthyTdReport());
    for (const bare of [bench.amd.evidence(), { kind: 'tdx', quote, endorsements: {} } as const]) {
      const arrived = decodeEvidence(encodeEvidence(await source.complete(bare)));
      expect(verdictOn(bench, arrived, arrived.endorsements)).toBe('genuine');
    }
  });

  it('completes what is behind a paravisor', async () => {
    bench = await createBench();
    const source = endorsementSource(bench.store());
    const { report } = bench.amd.evidence();
    const hclReport = new Uint8Array(2000);
    hclReport.set(report, 32);
    const snp: AzSnpEvidence = { kind: 'az-snp', hclReport, tpmQuote, endorsements: {} };
    const completed = await source.complete(snp);
    expect(completed.hclReport).toBe(hclReport);
    const inner = { kind: 'snp', report, endorsements: completed.endorsements } as const;
    expect(verdictOn(bench, inner, completed.endorsements)).toBe('genuine');
    const quote = bench.intel.hierarchy.quote(healthyTdReport());
    const tdx: AzTdxEvidence = { kind: 'az-tdx', hclReport, quote, tpmQuote, endorsements: {} };
    const { endorsements } = await source.complete(tdx);
    expect(endorsements).toEqual(bench.intel.hierarchy.endorsements);
  });

  it('gives evidence back as it came where nothing can be had', async () => {
    bench = await createBench();
    const source = endorsementSource(bench.store({ offline: true }));
    const bare = bench.amd.evidence();
    expect(await source.complete(bare)).toEqual(bare);
    const rubbish = { kind: 'snp', report: new Uint8Array(3), endorsements: {} } as const;
    expect(await source.complete(rubbish)).toEqual(rubbish);
  });

  it('goes on with what is newer when the collateral that came has ended', async () => {
    bench = await createBench();
    const source = endorsementSource(bench.store());
    const arrived = await source.complete(bench.amd.evidence());
    bench.nowMs += 31 * 24 * 3600 * 1000;
    const late = { thisUpdate: bench.nowMs - 1000, nextUpdate: bench.nowMs + 1_000_000_000 };
    bench.mirror.fail('/crl', { kind: 'answer', body: bench.amd.crl(late) });
    const again = await source.complete(arrived);
    expect(verdictOn(bench, again, arrived.endorsements)).toBe('SNP_CRL_VALIDITY');
    expect(verdictOn(bench, again, again.endorsements)).toBe('genuine');
  });
});
