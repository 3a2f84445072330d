/**
 * What workloads shall trust beside the CAs in use, and what they shall not any more: the other
 * halves of bundles while a CA is rotated, links between roots, and revocation lists. All of it
 * follows from the state, so every replica gives the same (I5).
 */
import type { ReferenceValues } from '@witan/attestation';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RootLinkSchema, TrustSchema } from '@witan/protocol';
import type { Cluster } from '@witan/replica';
import type { StateView } from '@witan/state-machine';
import type { ServiceContext } from './context.ts';
import { revocationsOf, trustVersion } from './revocations.ts';

type View = StateView<ReferenceValues>;

/** Links up to the root in use. */
export function rootLinksOf({ rotations }: View): MessageInitShape<typeof RootLinkSchema>[] {
  return rotations.rootLinks
    .slice(0, rotations.root.active)
    .map(({ certificate, cross }) => ({ certificate, crossCertificate: cross }));
}

export function trustOf(
  context: Pick<ServiceContext, 'clock' | 'crypto'>,
  cluster: Cluster<ReferenceValues>,
): MessageInitShape<typeof TrustSchema> {
  const view = cluster.state.machine;
  const { rotations } = view;
  const { root, meshCa, rootLinks } = rotations;
  const newest = root.phase === 'activated' ? rootLinks[root.active - 1] : undefined;
  return {
    otherRoots: root.beside === undefined ? [] : [root.beside],
    otherMeshCas: meshCa.beside === undefined ? [] : [meshCa.beside],
    rootLinks: rootLinksOf(view),
    chain: newest === undefined ? [] : [newest.cross],
    revocationLists: [...revocationsOf(context, cluster).lists],
    version: BigInt(trustVersion(view)),
  };
}
