/**
 * The client: one object for a deployment, by whichever replicas it is reached. Every answer is
 * verified before it is given out, and what was verified raises the floor (I6).
 */
import type { ReferenceValues } from '@witan/attestation';
import type { ClusterId, Sha256Hex } from '@witan/core';
import type { RecoveryHeader, ValidatedManifest } from '@witan/manifest';
import { Anchors, type AnswerAnchors } from './anchors.ts';
import {
  fetchLeaves,
  fetchReceipt,
  type FetchedLeaves,
  type LeafRange,
  type ReceiptOf,
} from './audit-log.ts';
import {
  fetchPending,
  sendApproval,
  sendWithdrawal,
  type ApproveRequest,
  type ApproveResult,
  type PendingChanges,
  type WithdrawRequest,
} from './approvals.ts';
import {
  askCanStop,
  askStepDown,
  fetchMembers,
  sendSlots,
  type ChangeSlotsRequest,
  type MembersAnswer,
  type RecordedSlotChange,
  type StepDownAnswer,
  type StopAnswer,
} from './cluster.ts';
import { Connector, type Attempt } from './connector.ts';
import { fetchCredentials, type Credentials, type CredentialsRequest } from './credentials.ts';
import { fetchDeployment, type Deployment, type SettledDeployment } from './deployment.ts';
import { ClientError } from './errors.ts';
import { askAsOwner, askAsWorkload, fetchHistory, type FetchedHistory } from './history.ts';
import { fetchIdentities, IDENTITIES_MAX, type RecordedIdentity } from './identities.ts';
import type { ClientOptions, Expectations } from './options.ts';
import {
  fetchRecoveryHeader,
  sendShare,
  type ShareSubmission,
  type SubmittedShare,
} from './recovery.ts';
import { sendManifest, type SetManifestRequest, type SetManifestResult } from './set-manifest.ts';
import {
  fetchRevocations,
  fetchRotations,
  sendRotation,
  type RecordedRotation,
  type RevocationsAnswer,
  type RotateRequest,
  type RotationsAnswer,
} from './rotations.ts';
import { followSeeds, mayBeLaterKey } from './seed-links.ts';
import { fetchStatus, type ReplicaStatus } from './status.ts';
import { fetchTrust, type Trust } from './trust.ts';
import type { VerifyReport } from './verify/report.ts';
import { verifyReplicas } from './verify/verify.ts';
import type { HighWaterMark, LogLeaf, Receipt } from '@witan/manifest';

/** One endpoint's answer, or why there is none. */
export type EndpointStatus =
  | { readonly kind: 'ok'; readonly status: ReplicaStatus }
  | { readonly kind: 'failed'; readonly endpoint: string; readonly error: ClientError };

/** See `createClient`. All methods throw ClientError. */
export interface Client {
  /** What this client holds the deployment to by now. */
  readonly known: Expectations;
  getDeployment(): Promise<Deployment>;
  /** The whole history. @throws ClientError CLIENT_NO_MANIFEST before the first manifest */
  getHistory(): Promise<FetchedHistory>;
  /** Sends a change once; repeats it under the same key until it is answered. */
  setManifest(request: SetManifestRequest): Promise<SetManifestResult>;
  /** Adds one owner's approval to a change; repeats it under the same key until answered. */
  approve(request: ApproveRequest): Promise<ApproveResult>;
  /** Takes an owner's approval back. @returns false where it was recorded before */
  withdraw(request: WithdrawRequest): Promise<boolean>;
  /** What waits for approvals, with the manifest of one change where wanted. */
  getPending(withManifestOf?: Sha256Hex): Promise<PendingChanges>;
  /** For initializers: needs a prover. */
  issueCredentials(request: CredentialsRequest): Promise<Credentials>;
  /** Which of these certificates are recorded; serials of 32 hex digits, any number. */
  getIdentities(serials: readonly string[]): Promise<readonly RecordedIdentity[]>;
  /** A leaf of the audit log with its proof, verified. */
  getReceipt(of: ReceiptOf): Promise<{ readonly receipt: Receipt; readonly leaf: LogLeaf }>;
  /** A part of the audit log, without: all that is kept, verified against a signed head. */
  getLeaves(range?: LeafRange): Promise<FetchedLeaves>;
  /** Slots and members, as the leader sees them. */
  getMembers(): Promise<MembersAnswer>;
  /** Whether the process of a slot may stop now, by the leader's word. */
  canStop(slot: string): Promise<StopAnswer>;
  /** Ends the leadership of a term, if it has not ended yet. */
  stepDown(term: number): Promise<StepDownAnswer>;
  /** Sends a change of the slots once; repeats it under the same key until it is answered. */
  changeSlots(request: ChangeSlotsRequest): Promise<RecordedSlotChange>;
  /** Hands in an owner's share for a full recovery, at whichever replica takes it. */
  submitShare(submission: ShareSubmission): Promise<SubmittedShare>;
  /** The newest recovery header on disks of a cluster that waits; nobody vouches for it. */
  getRecoveryHeader(cluster: ClusterId): Promise<RecoveryHeader | undefined>;
  /** For initializers: what to trust now, and when to ask for credentials again. */
  getTrust(): Promise<Trust>;
  /** What was rotated, and where each rotation stands. */
  getRotations(): Promise<RotationsAnswer>;
  /** Sends a step of a rotation once; repeats it under the same key until it is answered. */
  rotate(request: RotateRequest): Promise<RecordedRotation>;
  /** Certificates that count no longer, and the lists that say so. */
  getRevocations(): Promise<RevocationsAnswer>;
  /** Asks every endpoint for its own view, all at once. */
  getStatus(): Promise<readonly EndpointStatus[]>;
  /** Attests every endpoint and checks the whole deployment. What is good is kept. */
  verify(expectedManifest?: ValidatedManifest<ReferenceValues>): Promise<VerifyReport>;
  /** Ends the connection that is kept between calls. */
  close(): void;
}

const REQUEST_KEY_BYTES = 16;

/**
 * Makes a client. Nothing is sent before the first call.
 *
 * @throws ClientError CLIENT_ENDPOINTS_INVALID
 */
export function createClient(options: ClientOptions): Client {
  return new CoordinatorClient(options);
}

class CoordinatorClient implements Client {
  readonly #options: ClientOptions;
  readonly #anchors: Anchors;
  readonly #connector: Connector;
  #recalled: Promise<void> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#connector = new Connector(options, () => this.#anchors.known.clusterId);
    this.#anchors = new Anchors(options.expected ?? {}, this.#connector.settings.crypto);
  }

  get known(): Expectations {
    return this.#anchors.known;
  }

  async getDeployment(): Promise<Deployment> {
    const deployment = await this.#run((attempt) =>
      fetchDeployment(attempt, this.#anchors, this.#connector.settings),
    );
    if (deployment.kind === 'settled') await this.#keepDeployment(deployment);
    return deployment;
  }

  async getHistory(): Promise<FetchedHistory> {
    const fetched = await this.#run((attempt) =>
      fetchHistory(attempt, this.#anchors, this.#connector.settings),
    );
    this.#anchors.accept(fetched.answer, fetched.mark);
    return fetched;
  }

  async setManifest(request: SetManifestRequest): Promise<SetManifestResult> {
    const requestKey = this.#requestKey();
    const { result, answer } = await this.#run((attempt) =>
      sendManifest(attempt, request, requestKey, this.#anchors, this.#connector.settings),
    );
    await this.#keep(answer, result.mark, request.manifest.bytes);
    return result;
  }

  approve(request: ApproveRequest): Promise<ApproveResult> {
    const requestKey = this.#requestKey();
    return this.#run((attempt) =>
      sendApproval(attempt, request, requestKey, this.#anchors, this.#connector.settings),
    );
  }

  withdraw(request: WithdrawRequest): Promise<boolean> {
    return this.#run((attempt) => sendWithdrawal(attempt, request, this.#anchors));
  }

  getPending(withManifestOf?: Sha256Hex): Promise<PendingChanges> {
    const { settings } = this.#connector;
    return this.#run((attempt) => fetchPending(attempt, this.#anchors, settings, withManifestOf));
  }

  async issueCredentials(request: CredentialsRequest): Promise<Credentials> {
    const requestKey = this.#requestKey();
    const { result, answer } = await this.#run((attempt) =>
      fetchCredentials(attempt, request, requestKey, this.#anchors, this.#connector.settings),
    );
    await this.#keep(answer, result.mark, result.manifest.bytes);
    return result;
  }

  async getIdentities(serials: readonly string[]): Promise<readonly RecordedIdentity[]> {
    const historyPublicKey = await this.#historyPublicKey();
    const all: RecordedIdentity[] = [];
    for (let first = 0; first < serials.length; first += IDENTITIES_MAX) {
      const some = serials.slice(first, first + IDENTITIES_MAX);
      const { identities, answer } = await this.#run((attempt) =>
        fetchIdentities(attempt, some, this.#anchors, this.#knownKey(historyPublicKey)),
      );
      this.#anchors.accept(answer, answer.mark.mark);
      all.push(...identities);
    }
    return all;
  }

  async getReceipt(of: ReceiptOf): Promise<{ receipt: Receipt; leaf: LogLeaf }> {
    const { crypto } = this.#connector.settings;
    const fetched = await this.#run((attempt) => fetchReceipt(attempt, of, this.#anchors, crypto));
    this.#anchors.accept(fetched.answer, fetched.answer.mark.mark);
    return fetched;
  }

  getLeaves(range: LeafRange = {}): Promise<FetchedLeaves> {
    const { crypto } = this.#connector.settings;
    return this.#run((attempt) => fetchLeaves(attempt, range, this.#anchors, crypto));
  }

  getMembers(): Promise<MembersAnswer> {
    return this.#run((attempt) => fetchMembers(attempt, this.#anchors));
  }

  canStop(slot: string): Promise<StopAnswer> {
    return this.#run((attempt) => askCanStop(attempt, slot, this.#anchors));
  }

  stepDown(term: number): Promise<StepDownAnswer> {
    return this.#run((attempt) => askStepDown(attempt, term, this.#anchors));
  }

  changeSlots(request: ChangeSlotsRequest): Promise<RecordedSlotChange> {
    const requestKey = this.#requestKey();
    return this.#run((attempt) => sendSlots(attempt, request, requestKey, this.#anchors));
  }

  submitShare(submission: ShareSubmission): Promise<SubmittedShare> {
    return this.#run((attempt) => sendShare(attempt, submission, this.#anchors));
  }

  getRecoveryHeader(cluster: ClusterId): Promise<RecoveryHeader | undefined> {
    return this.#run((attempt) => fetchRecoveryHeader(attempt, this.#anchors, cluster));
  }

  async getTrust(): Promise<Trust> {
    const { result, answer } = await this.#run((attempt) =>
      fetchTrust(attempt, this.#anchors, this.#connector.settings),
    );
    this.#anchors.accept(answer, answer.mark.mark);
    return result;
  }

  getRotations(): Promise<RotationsAnswer> {
    return this.#run((attempt) => fetchRotations(attempt, this.#anchors));
  }

  rotate(request: RotateRequest): Promise<RecordedRotation> {
    const requestKey = this.#requestKey();
    return this.#run((attempt) => sendRotation(attempt, request, requestKey, this.#anchors));
  }

  async getRevocations(): Promise<RevocationsAnswer> {
    const historyPublicKey = await this.#historyPublicKey();
    const { result, answer } = await this.#run((attempt) =>
      fetchRevocations(attempt, this.#anchors, this.#knownKey(historyPublicKey)),
    );
    this.#anchors.accept(answer, answer.mark.mark);
    return result;
  }

  async getStatus(): Promise<readonly EndpointStatus[]> {
    await this.#recallOnce();
    const statuses = this.#connector.endpoints.map(async (endpoint): Promise<EndpointStatus> => {
      // A connection of its own for each, so that all are asked at once.
      const connector = new Connector(
        { ...this.#options, endpoints: [endpoint] },
        () => this.#anchors.known.clusterId,
      );
      try {
        const status = await connector.runAt(endpoint, (attempt) =>
          this.#following(attempt, (own) => fetchStatus(own, this.#anchors)),
        );
        return { kind: 'ok', status };
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        return { kind: 'failed', endpoint, error };
      } finally {
        connector.close();
      }
    });
    return await Promise.all(statuses);
  }

  async verify(expectedManifest?: ValidatedManifest<ReferenceValues>): Promise<VerifyReport> {
    await this.#recallOnce();
    const follow = this.#following.bind(this);
    const outcome = await verifyReplicas(this.#connector, this.#anchors, expectedManifest, follow);
    if (outcome.report.ok) {
      const { log, settled } = outcome.facts;
      if (log !== undefined) this.#anchors.acceptLog(log.head);
      for (const { deployment } of settled) await this.#keepDeployment(deployment);
    }
    return outcome.report;
  }

  close(): void {
    this.#connector.close();
  }

  /** @throws ClientError CLIENT_NO_MANIFEST */
  async #historyPublicKey(): Promise<Uint8Array> {
    if (this.#anchors.known.historyPublicKey === undefined) await this.getDeployment();
    const { historyPublicKey } = this.#anchors.known;
    if (historyPublicKey === undefined) throw new ClientError('CLIENT_NO_MANIFEST');
    return historyPublicKey;
  }

  /** The key may have been followed since it was asked for. */
  #knownKey(before: Uint8Array): Uint8Array {
    return this.#anchors.known.historyPublicKey ?? before;
  }

  async #run<Value>(operation: (attempt: Attempt) => Promise<Value>): Promise<Value> {
    await this.#recallOnce();
    return await this.#connector.run((attempt) => this.#following(attempt, operation));
  }

  /** Runs it once more where the owners have replaced the history key that was known. */
  async #following<Value>(
    attempt: Attempt,
    operation: (attempt: Attempt) => Promise<Value>,
  ): Promise<Value> {
    try {
      return await operation(attempt);
    } catch (error) {
      if (!mayBeLaterKey(error)) throw error;
      const { settings } = this.#connector;
      const ask = this.#options.prover === undefined ? askAsOwner : askAsWorkload;
      const isLater = await followSeeds(attempt, this.#anchors, settings, ask);
      if (!isLater) throw error;
      return operation(attempt);
    }
  }

  /** Reads the store before the first request, so that its floors hold for whoever answers. */
  async #recallOnce(): Promise<void> {
    const { store } = this.#options;
    if (store === undefined) return;
    this.#recalled ??= store.list().then((records) => {
      this.#anchors.recall(new Map(records.map((record) => [record.clusterId, record])));
    });
    await this.#recalled;
  }

  #requestKey(): Uint8Array {
    return this.#connector.random.bytes(REQUEST_KEY_BYTES);
  }

  async #keepDeployment(deployment: SettledDeployment): Promise<void> {
    const { clusterId, rootCertificate, rootLinks, historyPublicKey, mark } = deployment;
    const { manifest, recovery } = deployment;
    const signature = new Uint8Array();
    const newest = recovery === undefined ? {} : { recovery };
    const signed = { mark, signature };
    const anchors = { clusterId, rootCertificate, rootLinks, historyPublicKey };
    const answer = { ...anchors, mark: signed, ...newest };
    await this.#keep(answer, mark, manifest.bytes);
  }

  async #keep(answer: AnswerAnchors, mark: HighWaterMark, manifest: Uint8Array): Promise<void> {
    this.#anchors.accept(answer, mark);
    const { known } = this.#anchors;
    const { clusterId, rootCertificate, historyPublicKey, floor, recovery, log } = known;
    const { formerHistoryKeys } = known;
    const complete =
      clusterId !== undefined &&
      rootCertificate !== undefined &&
      historyPublicKey !== undefined &&
      floor !== undefined;
    if (!complete) return;
    const { endpoints } = this.#connector;
    const { rootLinks = [] } = answer;
    const keys = { historyPublicKey, ...(formerHistoryKeys && { formerHistoryKeys }) };
    const anchors = { clusterId, rootCertificate, rootLinks, ...keys, floor };
    const newest = { ...(recovery && { recovery }), ...(log && { log }) };
    await this.#options.store?.save({ ...anchors, manifest, endpoints, ...newest });
  }
}
