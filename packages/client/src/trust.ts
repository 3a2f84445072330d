/** What a workload shall trust now, and what it shall not any more. */
import { WorkloadService, type Trust as WireTrust } from '@witan/protocol';
import type { AnswerAnchors, Anchors } from './anchors.ts';
import { checkAuthorities, readCertificate } from './certificates.ts';
import type { Attempt } from './connector.ts';
import type { AppraisalSettings } from './coordinator-verifier.ts';
import { rootLinksFromWire } from './root-links.ts';
import { clusterIdFromWire, markFromWire } from './wire.ts';

/** Certificates and lists, DER. Those in use stand first. */
export interface Trust {
  /** Roots to accept. */
  readonly roots: readonly Uint8Array[];
  /** Mesh CAs to accept. */
  readonly meshCas: readonly Uint8Array[];
  /** To send behind the mesh CA in use. */
  readonly chain: readonly Uint8Array[];
  /** One for each CA whose certificates may be met. */
  readonly revocationLists: readonly Uint8Array[];
  /** Grows whenever credentials should be asked for again. */
  readonly version: number;
}

/**
 * Asks what an attested workload shall trust; needs a prover.
 *
 * @throws ClientError; RemoteError, TransportError
 */
export async function fetchTrust(
  attempt: Attempt,
  anchors: Anchors,
  { clock }: AppraisalSettings,
): Promise<{ readonly result: Trust; readonly answer: AnswerAnchors }> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const wire = await connection.unary(WorkloadService.method.getTrust, {}, { timeoutMs });
  const answer: AnswerAnchors = {
    clusterId: clusterIdFromWire(wire.clusterId),
    rootCertificate: wire.rootCertificate,
    rootLinks: rootLinksFromWire(wire.trust?.rootLinks ?? []),
    historyPublicKey: wire.historyPublicKey,
    mark: markFromWire(wire.highWaterMark),
  };
  anchors.check(answer, floor);
  checkAuthorities(wire.rootCertificate, wire.meshCaCertificate, clock.now());
  const result = trustFromWire(wire.trust, wire.rootCertificate, wire.meshCaCertificate);
  return { result, answer };
}

/** @throws ClientError CLIENT_CERTIFICATE_INVALID */
export function trustFromWire(
  wire: WireTrust | undefined,
  root: Uint8Array,
  meshCa: Uint8Array,
): Trust {
  const [otherRoots, otherMeshCas, chain] = [wire?.otherRoots, wire?.otherMeshCas, wire?.chain].map(
    (list = []) => list.slice(0, OTHERS_MAX),
  );
  for (const der of [...(otherRoots ?? []), ...(otherMeshCas ?? []), ...(chain ?? [])]) {
    readCertificate('certificate of a bundle', der);
  }
  return {
    roots: [root, ...(otherRoots ?? [])],
    meshCas: [meshCa, ...(otherMeshCas ?? [])],
    chain: chain ?? [],
    revocationLists: wire?.revocationLists ?? [],
    version: Number(wire?.version ?? 0n),
  };
}

const OTHERS_MAX = 4;
