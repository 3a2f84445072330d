/** Where this machine's evidence comes from: the kernel, or the vTPM of Azure's paravisor. */
import {
  AttesterError,
  createAzureProvider,
  createTsmProvider,
  nodeImds,
  nodeTpmDevice,
  nodeTsmFileSystem,
} from '@witan/attester';
import type { Collector, EvidenceSource } from './collect.ts';

/** What says that a source is not there, so that the other one may be tried. */
const ABSENT: readonly string[] = ['ATTESTER_NO_TSM', 'ATTESTER_NO_TEE'];

/** The provider of a source; `auto` asks the kernel first, then the vTPM. */
export function machineProvider(source: EvidenceSource): Collector {
  const tsm = createTsmProvider({ fs: nodeTsmFileSystem, accept: ['snp', 'tdx'] });
  const azure = createAzureProvider({
    tpm: nodeTpmDevice(),
    imds: nodeImds(),
    accept: ['az-snp', 'az-tdx'],
  });
  if (source === 'configfs') return tsm;
  return source === 'azure' ? azure : firstOf(tsm, azure);
}

/** @param first whose refusal is the one that is told when neither is there */
function firstOf(first: Collector, second: Collector): Collector {
  return {
    collect: async (reportData, options) => {
      try {
        return await first.collect(reportData, options);
      } catch (error) {
        if (!isAbsent(error)) throw error;
        try {
          return await second.collect(reportData, options);
        } catch (other) {
          throw isAbsent(other) ? error : other;
        }
      }
    },
  };
}

function isAbsent(error: unknown): boolean {
  return error instanceof AttesterError && ABSENT.includes(error.code);
}
