/** Reads and verifies the history of a cluster (I6). */
import type { Sha256Hex } from '@witan/core';
import {
  ManifestError,
  compareHistoryToFloor,
  verifyHistory,
  type HighWaterMark,
  type VerifiedHistory,
} from '@witan/manifest';
import { UserService } from '@witan/protocol';
import { refuseBelow, type AnswerAnchors, type Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import type { AppraisalSettings } from './coordinator-verifier.ts';
import { ClientError } from './errors.ts';
import { markFromWire, transitionFromWire } from './wire.ts';

/** The whole history with the state that vouches for it. */
export interface FetchedHistory {
  readonly history: VerifiedHistory;
  readonly mark: HighWaterMark;
  readonly answer: AnswerAnchors;
  /** No hardware protects the replica that answered (I11). */
  readonly simulated: boolean;
}

/**
 * Asks one replica for the whole history and verifies every link, every signature, the mark, and
 * that it still contains what was seen before.
 *
 * @throws ClientError; RemoteError, TransportError
 */
export async function fetchHistory(
  attempt: Attempt,
  anchors: Anchors,
  settings: AppraisalSettings,
): Promise<FetchedHistory> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const method = UserService.method.getHistory;
  const wire = await connection.unary(method, { fromGeneration: 1n }, { timeoutMs });
  const signedMark = markFromWire(wire.highWaterMark);
  const answer: AnswerAnchors = {
    clusterId: signedMark.mark.clusterId,
    historyPublicKey: wire.historyPublicKey,
    mark: signedMark,
  };
  const mark = anchors.check(answer, floor);
  const transitions = wire.records.map(({ transition }) => transitionFromWire(transition));
  const history = verified(() =>
    verifyHistory(transitions, wire.historyPublicKey, settings.crypto),
  );
  checkHead(history, mark);
  const { transitions: all } = history;
  const foreign = all.find(({ clusterId }) => clusterId !== mark.clusterId);
  if (foreign !== undefined) {
    const fields = { expected: mark.clusterId, found: foreign.clusterId };
    throw new ClientError('CLIENT_HISTORY_INVALID', fields);
  }
  const seen = floor ?? anchors.knownOf(mark.clusterId).floor;
  if (seen !== undefined) refuseBelow(compareHistoryToFloor(history, seen));
  const simulated = connection.peer.claims?.claims.simulated === true;
  return { history, mark, answer, simulated };
}

function checkHead(history: VerifiedHistory, mark: HighWaterMark): void {
  const newest: Sha256Hex = history.head;
  if (history.transitions.length === mark.generation && newest === mark.transitionHash) return;
  throw new ClientError('CLIENT_HISTORY_INVALID', {
    expected: `${mark.generation} transitions up to ${mark.transitionHash}`,
    found: `${history.transitions.length} up to ${newest}`,
  });
}

function verified(verify: () => VerifiedHistory): VerifiedHistory {
  try {
    return verify();
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    const fields = { check: cause.code, ...cause.fields };
    throw new ClientError('CLIENT_HISTORY_INVALID', fields, cause);
  }
}
