/**
 * The port through which evidence gets the endorsements that it lacks: the vendor's certificates,
 * revocation lists and collateral. Provers use it so that evidence travels complete; verifiers use
 * it for what did not travel. It decides nothing: whoever judges the evidence verifies all of it.
 */
import type { CollectOptions, EvidenceKind, EvidenceOf, EvidenceProvider } from './provider.ts';

/** Evidence as far as a source of endorsements looks at it; `kind` says what else there is. */
export interface Endorsable {
  readonly kind: EvidenceKind;
}

/** Where endorsements come from when they do not travel with the evidence. */
export interface EndorsementSource {
  /**
   * The same evidence with the endorsements that could be had. What came with it is kept where
   * nothing better is known, so the verifier can say what is wrong with it. Never rejects for what
   * evidence, services or disks do.
   */
  complete<Given extends Endorsable>(evidence: Given): Promise<Given>;
}

/** A provider whose evidence travels with its endorsements. */
export function endorsedProvider<Kind extends EvidenceKind>(
  provider: EvidenceProvider<Kind>,
  source: EndorsementSource,
): EvidenceProvider<Kind> {
  const { localConfigId } = provider;
  return {
    ...(localConfigId === undefined ? {} : { localConfigId }),
    get kind(): Kind {
      return provider.kind;
    },
    collect: async (reportData: Uint8Array, options?: CollectOptions): Promise<EvidenceOf<Kind>> =>
      source.complete(await provider.collect(reportData, options)),
  };
}
