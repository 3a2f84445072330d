/** Adds to a provider's evidence what a vendor's service would give. */
import type { EvidenceKind, EvidenceOf, EvidenceProvider } from '@witan/attester';

/** Certificates and collateral by the names that evidence has for them. */
export type NamedEndorsements = Readonly<Record<string, Uint8Array>>;

/** @param fetch asked after each collection */
export function withEndorsements<Kind extends EvidenceKind>(
  provider: EvidenceProvider<Kind>,
  fetch: () => Promise<NamedEndorsements>,
): EvidenceProvider<Kind> {
  return {
    ...(provider.localConfigId === undefined ? {} : { localConfigId: provider.localConfigId }),
    get kind(): Kind {
      return provider.kind;
    },
    collect: async (reportData, options) => {
      const evidence: EvidenceOf<Kind> = await provider.collect(reportData, options);
      const endorsements = { ...evidence.endorsements, ...(await fetch()) };
      // The hardware names endorsements as the evidence of its own kind does.
      return { ...evidence, endorsements };
    },
  };
}
