/** Asks which certificates the cluster has recorded. */
import { fromHex, toHex } from '@witan/core';
import { AuditService } from '@witan/protocol';
import type { AnswerAnchors, Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import { ClientError } from './errors.ts';
import { markFromWire } from './wire.ts';

/** A certificate that the cluster agreed to issue. Hex in lower case. */
export interface RecordedIdentity {
  /** 16 bytes. */
  readonly serial: string;
  readonly workload: string;
  readonly spkiSha256: string;
  readonly evidenceSha256: string;
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  /** Milliseconds since 1970. */
  readonly notAfterMs: number;
  /** Slot of the replica that judged the evidence. */
  readonly servedBy: string;
  /** Log index of the record. */
  readonly index: number;
}

/** Serial numbers in one request. */
export const IDENTITIES_MAX = 4096;

/**
 * @param serials 32 hex digits each, at most `IDENTITIES_MAX`
 * @param historyPublicKey the key that has to have signed the answer's mark
 * @throws ClientError; RemoteError, TransportError
 */
export async function fetchIdentities(
  attempt: Attempt,
  serials: readonly string[],
  anchors: Anchors,
  historyPublicKey: Uint8Array,
): Promise<{ readonly identities: readonly RecordedIdentity[]; readonly answer: AnswerAnchors }> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const request = { serials: serials.map((serial) => fromHex(serial)) };
  const wire = await connection.unary(AuditService.method.getIdentities, request, { timeoutMs });
  const mark = markFromWire(wire.highWaterMark);
  const answer = { clusterId: mark.mark.clusterId, historyPublicKey, mark };
  anchors.check(answer, floor);
  const wanted = new Set(serials);
  const identities = wire.identities.map((identity): RecordedIdentity => {
    const serial = toHex(identity.serial);
    if (!wanted.has(serial)) {
      const fields = { part: 'identities', expected: 'serials asked for', found: serial };
      throw new ClientError('CLIENT_ANSWER_INCONSISTENT', fields);
    }
    return {
      serial,
      workload: identity.workload,
      spkiSha256: toHex(identity.spkiSha256),
      evidenceSha256: toHex(identity.evidenceSha256),
      generation: Number(identity.generation),
      notBeforeMs: Number(identity.notBeforeMs),
      notAfterMs: Number(identity.notAfterMs),
      servedBy: identity.servedBy,
      index: Number(identity.index),
    };
  });
  return { identities, answer };
}
