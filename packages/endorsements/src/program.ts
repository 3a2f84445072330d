/**
 * Endorsements for a program that proves, verifies or both. In production they come from the
 * vendors' services or mirrors. In development evidence brings everything, for simulated hardware
 * has no such services; only where a setting names a cache or a mirror is it used there too (I11).
 */
import { AMD_ROOTS, INTEL_ROOTS } from '@witan/attestation';
import {
  endorsedProvider,
  type EndorsementSource,
  type EvidenceKind,
  type EvidenceProvider,
} from '@witan/attester';
import type { Clock } from '@witan/core';
import type { OnEndorsementEvent } from './events.ts';
import type { EndorsementSettings } from './settings.ts';
import { endorsementSource } from './source.ts';
import { createEndorsementStore } from './store.ts';

/** A handshake waits no longer for a download, in milliseconds; the next one finds it done. */
const HANDSHAKE_PATIENCE_MS = 3_000;

/** What a program knows when it starts. */
export interface ProgramOptions {
  readonly settings: EndorsementSettings;
  readonly profile: 'production' | 'development';
  /** Fingerprints of roots that something measured lists; none count in production. */
  readonly developmentRoots: readonly string[];
  readonly clock: Clock;
  readonly onEvent: OnEndorsementEvent;
}

/** What a program does about endorsements. */
export interface ProgramEndorsements {
  /** For verifiers; undefined where only what travels with evidence counts. */
  readonly source: EndorsementSource | undefined;
  /** Own evidence at the start: complete, if that can be had at all. */
  startProvider<Kind extends EvidenceKind>(
    provider: EvidenceProvider<Kind>,
  ): EvidenceProvider<Kind>;
  /** Own evidence for channels: complete, if that can be had soon. */
  provider<Kind extends EvidenceKind>(provider: EvidenceProvider<Kind>): EvidenceProvider<Kind>;
  /** Ends downloads. */
  close(): void;
}

/** @throws EndorsementsError ENDORSEMENTS_OPTION_INVALID */
export function openEndorsements(options: ProgramOptions): ProgramEndorsements {
  const { settings, profile, clock, onEvent } = options;
  if (profile === 'development' && !settings.given) {
    const asItIs = <Provider>(provider: Provider): Provider => provider;
    return { source: undefined, startProvider: asItIs, provider: asItIs, close: () => undefined };
  }
  const { given: _given, ...chosen } = settings;
  const development = profile === 'development' ? options.developmentRoots : [];
  const store = createEndorsementStore({
    ...chosen,
    clock,
    roots: {
      snp: { production: AMD_ROOTS, development },
      tdx: { production: INTEL_ROOTS, development },
    },
    onEvent,
  });
  const source = endorsementSource(store, { patienceMs: HANDSHAKE_PATIENCE_MS });
  const patient = endorsementSource(store);
  return {
    source,
    startProvider: (provider) => endorsedProvider(provider, patient),
    provider: (provider) => endorsedProvider(provider, source),
    close: () => {
      store.close();
    },
  };
}

/** Fingerprints of development roots that any of these reference values list. */
export function developmentRootsOf(
  values: readonly { readonly developmentRoots?: readonly string[] }[],
): readonly string[] {
  return [...new Set(values.flatMap(({ developmentRoots = [] }) => developmentRoots))];
}
