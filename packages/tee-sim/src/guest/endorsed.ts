/** Adds to a provider's evidence what a vendor's service would give. */
import {
  endorsedProvider,
  type Endorsable,
  type EvidenceKind,
  type EvidenceProvider,
} from '@witan/attester';

/** Certificates and collateral by the names that evidence has for them. */
export type NamedEndorsements = Readonly<Record<string, Uint8Array>>;

/** @param fetch asked after each collection */
export function withEndorsements<Kind extends EvidenceKind>(
  provider: EvidenceProvider<Kind>,
  fetch: () => Promise<NamedEndorsements>,
): EvidenceProvider<Kind> {
  return endorsedProvider(provider, {
    complete: async <Given extends Endorsable>(evidence: Given): Promise<Given> => {
      const { endorsements } = evidence as Endorsable & { readonly endorsements?: object };
      return { ...evidence, endorsements: { ...endorsements, ...(await fetch()) } };
    },
  });
}
