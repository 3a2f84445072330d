/** Own evidence with its endorsements, and what the store of endorsements tells, as log lines. */
import { encodeEvidence } from '@witan/attestation';
import type { EvidenceProvider } from '@witan/attester';
import { describeError } from '@witan/core';
import {
  openEndorsements,
  type EndorsementEvent,
  type ProgramEndorsements,
} from '@witan/endorsements';
import { systemClock } from '@witan/keys';
import type { ChannelProver } from '@witan/transport';
import type { CoordinatorInitdata } from '../initdata.ts';
import type { EventLog } from '../log.ts';
import type { NodeOptions } from '../node.ts';
import type { CoordinatorTee } from './self.ts';

/** @throws EndorsementsError ENDORSEMENTS_OPTION_INVALID */
export function endorsementsOf(
  { config, profile, log }: NodeOptions,
  { developmentRoots }: CoordinatorInitdata,
): ProgramEndorsements {
  return openEndorsements({
    settings: config.endorsements,
    profile,
    developmentRoots,
    clock: systemClock,
    onEvent: (event) => {
      logEndorsement(event, log);
    },
  });
}

/** Proves with the evidence of a provider. */
export function proverOf(provider: EvidenceProvider<CoordinatorTee>): ChannelProver {
  return {
    evidenceTypes: [provider.kind],
    prove: async (reportData, signal) =>
      encodeEvidence(await provider.collect(reportData, { signal })),
  };
}

/** Constant messages, the endorsement's name as a field. */
function logEndorsement(event: EndorsementEvent, log: EventLog): void {
  switch (event.kind) {
    case 'fetched':
      log.info('endorsement fetched', { endorsement: event.key, bytes: event.bytes });
      return;
    case 'evicted':
      log.info('endorsements evicted', { endorsement: event.keys.join(',').slice(0, 1000) });
      return;
    case 'fetch-failed':
    case 'rollback-refused':
    case 'hint-ignored':
    case 'cache-damaged':
    case 'cache-unwritable': {
      const error = describeError(event.error);
      log.warn('endorsement not usable', { endorsement: event.key, reason: event.kind, error });
      return;
    }
    default:
      event satisfies never;
  }
}
