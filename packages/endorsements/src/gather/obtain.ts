/** Gets endorsements that somebody named, without evidence, to be carried elsewhere. */
import { keyOf, type EndorsementRequest } from '../request.ts';
import type { VerifiedItem } from '../verify/trust.ts';
import { choose, type GatherContext, type GatheredPart } from './choose.ts';

type Ask = (request: EndorsementRequest) => Promise<VerifiedItem | undefined>;

/** Asks for each, after the chain that leads from it to a root. */
export async function obtain(
  requests: readonly EndorsementRequest[],
  context: GatherContext,
): Promise<readonly GatheredPart[]> {
  const parts = new Map<string, GatheredPart>();
  const ask: Ask = async (request) => {
    const issuerChain = await chainFor(request, ask);
    const { part, item } = await choose(request, undefined, issuerChain, context);
    parts.set(keyOf(request), part);
    return item;
  };
  for (const request of requests) await ask(request);
  return [...parts.values()];
}

/** PEM for those whose source sends none. The root of Intel is in the chain of its documents. */
async function chainFor(request: EndorsementRequest, ask: Ask): Promise<Uint8Array | undefined> {
  switch (request.kind) {
    case 'amd-vcek':
      return (await ask({ kind: 'amd-chain', product: request.product, signer: 'VCEK' }))?.body;
    case 'amd-crl':
      return (await ask({ kind: 'amd-chain', product: request.product, signer: request.signer }))
        ?.body;
    case 'intel-root-crl':
      return (await ask({ kind: 'intel-qe-identity' }))?.issuerChain;
    default:
      return undefined;
  }
}
