/** Reads and verifies the history of a cluster (I6). */
import { bytesEqual, type ClusterId, type Crypto, type Sha256Hex } from '@witan/core';
import {
  ManifestError,
  compareHistoryToFloor,
  compareRecoveriesToFloor,
  decodeSeedLink,
  HistoryKeys,
  SEEDS_MAX,
  verifyHistory,
  verifyRecoveriesOf,
  type HighWaterMark,
  type VerifiedHistory,
  type VerifiedRecoveries,
} from '@witan/manifest';
import {
  UserService,
  WorkloadService,
  type GetHistoryRequestSchema,
  type GetHistoryResponse,
  type GetHistoryResponse_Record as WireRecord,
} from '@witan/protocol';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { refuseBelow, type AnswerAnchors, type Anchors } from './anchors.ts';
import type { Attempt, Connection } from './connector.ts';
import type { AppraisalSettings } from './coordinator-verifier.ts';
import { ClientError } from './errors.ts';
import { markFromWire, recoveryFromWire, transitionFromWire } from './wire.ts';

/** The whole history with the state that vouches for it. */
export interface FetchedHistory {
  readonly history: VerifiedHistory;
  /** Every full recovery, each at its place in the history (I7). */
  readonly recovered: VerifiedRecoveries;
  readonly mark: HighWaterMark;
  readonly answer: AnswerAnchors;
  /** The history key in force, and those before it. */
  readonly keys: HistoryKeys;
  /** No hardware protects the replica that answered (I11). */
  readonly simulated: boolean;
}

/** How a history is asked for. */
export interface HistoryRequest {
  readonly ask: AskHistory;
  /** Whether the pinned history key may be an earlier one; approvals of its links come then. */
  readonly follows: boolean;
}

/** Owners and initializers ask different services the same. */
export type AskHistory = (
  connection: Connection,
  request: MessageInitShape<typeof GetHistoryRequestSchema>,
  options: { readonly timeoutMs: number },
) => Promise<GetHistoryResponse>;

/** Asks as an owner. */
export const askAsOwner: AskHistory = (connection, request, options) =>
  connection.unary(UserService.method.getHistory, request, options);

/** Asks as an attested workload. */
export const askAsWorkload: AskHistory = async (connection, request, options) => {
  const { method } = WorkloadService;
  const { history } = await connection.unary(method.followHistory, { asked: request }, options);
  if (history !== undefined) return history;
  throw new ClientError('CLIENT_ANSWER_MALFORMED', { part: 'history' });
};

const BY_OWNER: HistoryRequest = { ask: askAsOwner, follows: false };

/**
 * Asks one replica for the whole history and verifies every link, every signature, the mark, every
 * recovery, and that it still contains what was seen before.
 *
 * @throws ClientError; RemoteError, TransportError
 */
export async function fetchHistory(
  attempt: Attempt,
  anchors: Anchors,
  settings: AppraisalSettings,
  { ask, follows }: HistoryRequest = BY_OWNER,
): Promise<FetchedHistory> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const wire = await ask(connection, { fromGeneration: 1n }, { timeoutMs });
  const signedMark = markFromWire(wire.highWaterMark);
  const { historyPublicKey } = wire;
  const { crypto } = settings;
  const { clusterId } = signedMark.mark;
  const keys = verified(() => keysOf(wire, clusterId, crypto));
  const vouched = { clusterId, historyPublicKey, mark: signedMark };
  const mark = anchors.check(vouched, floor, follows ? keys : undefined);
  const records = await allRecords(attempt, ask, wire.records, mark.generation);
  const transitions = records.map(({ transition }) => transitionFromWire(transition));
  const history = verified(() => verifyHistory(transitions, keys, crypto));
  checkHead(history, mark);
  const { transitions: all } = history;
  const foreign = all.find(({ clusterId }) => clusterId !== mark.clusterId);
  if (foreign !== undefined) {
    const fields = { expected: mark.clusterId, found: foreign.clusterId };
    throw new ClientError('CLIENT_HISTORY_INVALID', fields);
  }
  const recoveries = wire.recoveries.map(recoveryFromWire);
  const recovered = verified(() => verifyRecoveriesOf(history, recoveries, mark, keys, crypto));
  const known = anchors.knownOf(clusterId);
  const seen = floor ?? known.floor;
  if (seen !== undefined) {
    refuseBelow(compareHistoryToFloor(history, seen));
    refuseBelow(compareRecoveriesToFloor(recovered, seen, known.recovery), 'recoveries');
  }
  const simulated = connection.peer.claims?.claims.simulated === true;
  const [hash] = recovered.hashes.slice(-1);
  const newest = hash === undefined ? {} : { recovery: { epoch: mark.epoch, hash } };
  const answer = { clusterId, historyPublicKey, mark: signedMark, ...newest };
  return { history, recovered, mark, answer, keys, simulated };
}

/** @throws ManifestError */
function keysOf(wire: GetHistoryResponse, clusterId: ClusterId, crypto: Crypto): HistoryKeys {
  const { seedLinks, foundingPublicKey, historyPublicKey } = wire;
  if (seedLinks.length === 0) return HistoryKeys.single(historyPublicKey);
  const links = seedLinks.slice(0, SEEDS_MAX + 1).map(decodeSeedLink);
  const keys = HistoryKeys.verified(foundingPublicKey, links, clusterId, crypto);
  if (bytesEqual(keys.newest, historyPublicKey)) return keys;
  const expected = 'the key that the newest link leads to';
  const fields = { path: 'historyPublicKey', expected, found: 'another' };
  throw new ManifestError('SEED_LINK_BROKEN', fields);
}

/**
 * A long history comes in parts. They need no mark of their own: each record is signed, and linked
 * to the one before.
 *
 * @param first what came first
 * @param count how many there are, by the mark that came with them
 */
async function allRecords(
  { connection, timeoutMs }: Attempt,
  ask: AskHistory,
  first: readonly WireRecord[],
  count: number,
): Promise<readonly WireRecord[]> {
  const endsAtMs = performance.now() + timeoutMs;
  const records = [...first];
  let page = first;
  while (records.length < count && page.length > 0) {
    const range = { fromGeneration: BigInt(records.length + 1), toGeneration: BigInt(count) };
    const left = { timeoutMs: Math.max(1, endsAtMs - performance.now()) };
    ({ records: page } = await ask(connection, range, left));
    records.push(...page);
  }
  return records;
}

function checkHead(history: VerifiedHistory, mark: HighWaterMark): void {
  const newest: Sha256Hex = history.head;
  if (history.transitions.length === mark.generation && newest === mark.transitionHash) return;
  throw new ClientError('CLIENT_HISTORY_INVALID', {
    expected: `${mark.generation} transitions up to ${mark.transitionHash}`,
    found: `${history.transitions.length} up to ${newest}`,
  });
}

function verified<Value>(verify: () => Value): Value {
  try {
    return verify();
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    const fields = { check: cause.code, ...cause.fields };
    throw new ClientError('CLIENT_HISTORY_INVALID', fields, cause);
  }
}
