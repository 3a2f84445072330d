import { describe, expect, it } from 'vitest';
import {
  createTsmProvider,
  endorsedProvider,
  type Endorsable,
  type EndorsementSource,
  type SnpEvidence,
} from '../src/index.ts';
import { fakeTsm } from './support/fake-tsm.ts';

const reportData = new Uint8Array(64).fill(7);

/** Adds a revocation list to SEV-SNP evidence, as a real source does. */
const withList: EndorsementSource = {
  complete: <Given extends Endorsable>(evidence: Given): Promise<Given> => {
    const { endorsements } = evidence as unknown as SnpEvidence;
    const crl = Uint8Array.of(1, 2, 3);
    return Promise.resolve({ ...evidence, endorsements: { ...endorsements, crl } });
  },
};

describe('a provider whose evidence travels with its endorsements', () => {
  it('keeps what the host gave and adds what the source knows', async () => {
    const tsm = fakeTsm({ content: { auxblob: 'table' } });
    const provider = endorsedProvider(createTsmProvider({ fs: tsm.fs }), withList);
    const { endorsements, report } = await provider.collect(reportData);
    expect(endorsements.crl).toEqual(Uint8Array.of(1, 2, 3));
    expect(endorsements.certificateTable).toEqual(new TextEncoder().encode('table'));
    expect(report.subarray(0x50, 0x90)).toEqual(reportData);
    expect(provider.kind).toBe('snp');
  });

  it('does not ask for what is not known yet', () => {
    const { fs } = fakeTsm({});
    const both = createTsmProvider({ fs, accept: ['snp', 'tdx'] });
    expect(() => endorsedProvider(both, withList).kind).toThrow(
      expect.objectContaining({ code: 'ATTESTER_KIND_UNKNOWN' }),
    );
  });

  it('stops as the provider does', async () => {
    const { fs } = fakeTsm({});
    const provider = endorsedProvider(createTsmProvider({ fs }), withList);
    const signal = AbortSignal.abort();
    await expect(provider.collect(reportData, { signal })).rejects.toMatchObject({
      code: 'ATTESTER_ABORTED',
    });
  });
});
