/**
 * Receipts: leaves of the audit log with proofs to the head in the signed mark. Answered after a
 * ReadIndex round (I5); leaf, proof and mark are of one state.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ReferenceValues } from '@witan/attestation';
import { toHex } from '@witan/core';
import { decodeLeaf, ManifestError, type LogLeaf } from '@witan/manifest';
import type {
  GetConsistencyRequest,
  GetConsistencyResponseSchema,
  GetLeavesRequest,
  GetLeavesResponseSchema,
  GetReceiptRequest,
  GetReceiptResponseSchema,
} from '@witan/protocol';
import type { AuditLogView, StateView } from '@witan/state-machine';
import { PublicError } from '@witan/transport';
import { toNumber } from '../peers/wire.ts';
import { clusterOf, currentView, signedMark, type ServiceContext } from './context.ts';

/** What one answer holds at most; one leaf more goes in where it was not reached. */
const LEAVES_MAX = 4096;
const LEAVES_BYTES_MAX = 512 * 1024;

type View = StateView<ReferenceValues>;

/** @throws PublicError NO_MANIFEST, LEAF_UNKNOWN, MERKLE_PRUNED */
export async function receiptOf(
  context: ServiceContext,
  { leaf: wanted }: GetReceiptRequest,
): Promise<MessageInitShape<typeof GetReceiptResponseSchema>> {
  const view = await currentView(context);
  return proved(() => {
    const index = find(view, wanted);
    const leaf = view.log.leafBytes(index);
    if (leaf === undefined) throw unknownLeaf(view.log, wanted);
    const path = view.log.inclusionProof(index, view.log.size);
    return { leaf, index: BigInt(index), path: [...path], ...vouched(context, view) };
  });
}

/** @throws PublicError NO_MANIFEST, MERKLE_OUT_OF_RANGE */
export async function leavesOf(
  context: ServiceContext,
  request: GetLeavesRequest,
): Promise<MessageInitShape<typeof GetLeavesResponseSchema>> {
  const view = await currentView(context);
  const { log } = view;
  return proved(() => {
    const size = Math.min(toNumber(request.size) || log.size, log.size);
    const from = Math.min(Math.max(toNumber(request.from), log.leavesFrom), size);
    const leaves: Uint8Array[] = [];
    let bytes = 0;
    for (let index = from; index < size && leaves.length < LEAVES_MAX; index += 1) {
      const leaf = log.leafBytes(index);
      if (leaf === undefined || bytes > LEAVES_BYTES_MAX) break;
      bytes += leaf.byteLength;
      leaves.push(leaf);
    }
    const frontier = [...log.frontier(from)];
    const answer = { from: BigInt(from), size: BigInt(size), leaves, frontier };
    return { ...answer, ...vouched(context, view) };
  });
}

/** @throws PublicError NO_MANIFEST, MERKLE_OUT_OF_RANGE, MERKLE_PRUNED */
export async function consistencyOf(
  context: ServiceContext,
  { size }: GetConsistencyRequest,
): Promise<MessageInitShape<typeof GetConsistencyResponseSchema>> {
  const view = await currentView(context);
  return proved(() => {
    const path = [...view.log.consistencyProof(toNumber(size), view.log.size)];
    return { path, ...vouched(context, view) };
  });
}

function vouched(context: ServiceContext, view: View) {
  const { historyPublicKey } = view;
  if (historyPublicKey === undefined) {
    throw new PublicError('FAILED_PRECONDITION', 'NO_MANIFEST', 'no manifest is set yet');
  }
  return { highWaterMark: signedMark(context, clusterOf(context)), historyPublicKey };
}

function find(view: View, wanted: GetReceiptRequest['leaf']): number {
  const { log } = view;
  switch (wanted.case) {
    case 'index':
      return toNumber(wanted.value);
    case 'serial': {
      const serial = toHex(wanted.value);
      const place = view.issuedBySerial(serial)?.index;
      if (place === undefined) return log.size;
      const isIt = (leaf: LogLeaf) => leaf.kind === 'issuance' && leaf.serial === serial;
      return search(log, log.firstFrom('index', place), isIt);
    }
    case 'generation': {
      const number = toNumber(wanted.value);
      const isIt = (leaf: LogLeaf) => leaf.kind === 'update' && leaf.generation === number;
      return search(log, log.firstFrom('generation', number), isIt);
    }
    case 'recovery': {
      const number = toNumber(wanted.value);
      const isIt = (leaf: LogLeaf) => leaf.kind === 'recovery' && leaf.epoch === number;
      return search(log, log.firstFrom('epoch', number), isIt);
    }
    case undefined:
      return log.size;
  }
}

/** The leaf is among those of one command. */
function search(log: AuditLogView, first: number, isIt: (leaf: LogLeaf) => boolean): number {
  let place: number | undefined;
  for (let index = first; index < log.size; index += 1) {
    const bytes = log.leafBytes(index);
    if (bytes === undefined) break;
    const leaf = decodeLeaf(bytes);
    place ??= leaf.index;
    if (leaf.index !== place) break;
    if (isIt(leaf)) return index;
  }
  return log.size;
}

function unknownLeaf(log: AuditLogView, wanted: GetReceiptRequest['leaf']): PublicError {
  const message = 'the log has no such leaf, or no longer keeps it';
  const fields = {
    expected: `leaves ${log.leavesFrom} to ${log.size - 1}`,
    found: wanted.case ?? 'nothing asked for',
  };
  return new PublicError('NOT_FOUND', 'LEAF_UNKNOWN', message, fields);
}

/** Turns what cannot be proved into an answer. */
function proved<Value>(prove: () => Value): Value {
  try {
    return prove();
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    const message = 'the log cannot prove what was asked for';
    throw new PublicError('FAILED_PRECONDITION', error.code, message, error.fields, error);
  }
}
