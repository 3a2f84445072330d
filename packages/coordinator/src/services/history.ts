/**
 * Parts of the history that fit into a message: a cluster may have 65,536 transitions, each with up
 * to 64 approvals, and manifests of a mebibyte. Whoever asks goes on behind the last one given.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { generation } from '@witan/core';
import type { GetHistoryRequest, GetHistoryResponse_RecordSchema } from '@witan/protocol';
import type { StateView } from '@witan/state-machine';
import { toNumber } from '../peers/wire.ts';
import { transitionToWire } from './context.ts';

/** Records of one answer, without the one that goes beyond: half of what a message may hold. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024;

type Wanted = Pick<GetHistoryRequest, 'fromGeneration' | 'toGeneration' | 'withManifests'>;

/** At least one record where the range has any. */
export function historyPage(
  view: Pick<StateView<unknown>, 'transitions' | 'manifestBytes'>,
  request: Wanted,
  bytesMax: number = PAGE_BYTES_MAX,
): readonly MessageInitShape<typeof GetHistoryResponse_RecordSchema>[] {
  const from = Math.max(1, toNumber(request.fromGeneration));
  const to = Math.min(
    toNumber(request.toGeneration) || view.transitions.length,
    view.transitions.length,
  );
  const records: MessageInitShape<typeof GetHistoryResponse_RecordSchema>[] = [];
  let bytes = 0;
  for (let number = from; number <= to && bytes < bytesMax; number += 1) {
    const signed = view.transitions[number - 1];
    if (signed === undefined) break;
    const transition = transitionToWire(signed);
    const manifest = request.withManifests ? view.manifestBytes(generation(number)) : undefined;
    records.push({ transition, ...(request.withManifests && { manifest: manifest ?? NOTHING }) });
    bytes += transition.transition.byteLength + (manifest?.byteLength ?? 0);
  }
  return records;
}

const NOTHING = new Uint8Array(0);
