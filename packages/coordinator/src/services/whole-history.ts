/** The history of manifests, with what leads from the first history key to the one in force. */
import { encodeSeedLink } from '@witan/manifest';
import type { GetHistoryRequest, GetHistoryResponseSchema } from '@witan/protocol';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { PublicError } from '@witan/transport';
import { historyPage } from './history.ts';
import {
  clusterOf,
  currentView,
  recoveryToWire,
  signedMark,
  type ServiceContext,
} from './context.ts';

/** @throws PublicError NO_MANIFEST before the first manifest */
export async function historyOf(
  context: ServiceContext,
  request: GetHistoryRequest,
): Promise<MessageInitShape<typeof GetHistoryResponseSchema>> {
  const view = await currentView(context);
  const cluster = clusterOf(context);
  if (view.manifest === undefined) throw noManifest();
  const links = view.rotations.seeds.records.map(({ signed }) => encodeSeedLink(signed));
  const founding = view.historyKeys?.all[0];
  return {
    records: [...historyPage(view, request)],
    historyPublicKey: view.historyPublicKey ?? new Uint8Array(0),
    highWaterMark: signedMark(context, cluster),
    recoveries: view.recoveries.map(recoveryToWire),
    ...(links.length === 0 || founding === undefined
      ? {}
      : { seedLinks: links, foundingPublicKey: founding }),
  };
}

function noManifest(): PublicError {
  const message = 'no manifest is set yet';
  return new PublicError('FAILED_PRECONDITION', 'NO_MANIFEST', message);
}
