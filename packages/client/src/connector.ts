/**
 * Finds a replica that answers: tries the endpoints in turn, attests each before anything is said
 * to
 * it, and keeps the connection for the next call. One deadline covers all attempts.
 */
import type { Clock, ClusterId, Random } from '@witan/core';
import { createIncarnationIdentity, nodeCrypto, nodeRandom, systemClock } from '@witan/keys';
import { fromHex } from '@witan/core';
import { RecentSnpChains, rememberingSignatures } from '@witan/attestation';
import {
  connectAttested,
  type AttestedConnection,
  type ChannelIdentity,
  type ConnectOptions,
} from '@witan/transport';
import { backoffMs, pause, shuffled } from './backoff.ts';
import {
  coordinatorVerifier,
  type AppraisalSettings,
  type CoordinatorClaims,
} from './coordinator-verifier.ts';
import { ClientError } from './errors.ts';
import { failureOf, isAddress, type Failure } from './failures.ts';
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  CONNECT_TIMEOUT_MS_DEFAULT,
  ENDPOINTS_MAX,
  TIMEOUT_MS_DEFAULT,
  type ClientOptions,
} from './options.ts';

export type Connection = AttestedConnection<CoordinatorClaims>;

/** What one attempt is given. */
export interface Attempt {
  readonly endpoint: string;
  readonly connection: Connection;
  /** What is left of the operation's deadline. */
  readonly timeoutMs: number;
}

/** A cluster has few replicas, and each of them one chip at a time. */
const SNP_CHAINS_MAX = 8;
/** Reports are judged when a channel is made, and again by the manifest that it brings. */
const SIGNATURES_MAX = 64;

export class Connector {
  readonly settings: AppraisalSettings;
  readonly random: Random;
  readonly endpoints: readonly string[];
  readonly #options: ClientOptions;
  readonly #clusterId: () => ClusterId | undefined;
  #identity: Promise<ChannelIdentity> | undefined;
  #current: { readonly endpoint: string; readonly connection: Connection } | undefined;

  /** @throws ClientError CLIENT_ENDPOINTS_INVALID */
  constructor(options: ClientOptions, clusterId: () => ClusterId | undefined) {
    this.endpoints = checkEndpoints(options.endpoints);
    this.#options = options;
    this.#clusterId = clusterId;
    const clock: Clock = options.clock ?? systemClock;
    const crypto = rememberingSignatures(options.crypto ?? nodeCrypto, SIGNATURES_MAX);
    const { developmentRoots = 'as-listed', endorsements } = options;
    const snpChainCache = new RecentSnpChains(SNP_CHAINS_MAX);
    this.settings = { clock, crypto, developmentRoots, endorsements, snpChainCache };
    this.random = options.random ?? nodeRandom;
  }

  get timeoutMs(): number {
    return this.#options.timeoutMs ?? TIMEOUT_MS_DEFAULT;
  }

  /**
   * Runs an operation on some replica. It may run more than once, so it must be safe to repeat.
   *
   * @throws ClientError
   */
  async run<Value>(operation: (attempt: Attempt) => Promise<Value>): Promise<Value> {
    const endsAtMs = performance.now() + this.timeoutMs;
    let queue = this.#order();
    let last: Failure | undefined;
    for (let round = 1; ; round += 1) {
      const hints: string[] = [];
      let allRefused = true;
      for (const endpoint of queue) {
        const leftMs = endsAtMs - performance.now();
        if (leftMs <= 0) throw giveUp(last);
        const outcome = await this.#attempt(endpoint, leftMs, operation);
        if (outcome.kind === 'done') return outcome.value;
        if (outcome.kind === 'final') throw outcome.error;
        last = preferred(last, outcome);
        if (outcome.kind === 'elsewhere') {
          allRefused = false;
          if (outcome.hint !== undefined) hints.push(outcome.hint);
        }
      }
      if (allRefused) throw giveUp(last);
      await this.#wait(round, endsAtMs, last);
      // A hint is an address like any other: whoever is there is attested first.
      queue = [...new Set([...hints, ...this.#order()])];
    }
  }

  /**
   * Runs an operation on exactly one endpoint, once.
   *
   * @throws ClientError
   */
  async runAt<Value>(
    endpoint: string,
    operation: (attempt: Attempt) => Promise<Value>,
  ): Promise<Value> {
    const outcome = await this.#attempt(endpoint, this.timeoutMs, operation);
    if (outcome.kind === 'done') return outcome.value;
    throw outcome.error;
  }

  /** Ends the connection that is kept. */
  close(): void {
    this.#current?.connection.close('client closed');
    this.#current = undefined;
  }

  async #attempt<Value>(
    endpoint: string,
    timeoutMs: number,
    operation: (attempt: Attempt) => Promise<Value>,
  ): Promise<{ readonly kind: 'done'; readonly value: Value } | Failure> {
    const startedAtMs = performance.now();
    try {
      const connection = await this.#connect(endpoint, timeoutMs);
      const leftMs = Math.max(1, timeoutMs - (performance.now() - startedAtMs));
      const value = await operation({ endpoint, connection, timeoutMs: leftMs });
      return { kind: 'done', value };
    } catch (caught) {
      if (this.#options.signal?.aborted === true) {
        return { kind: 'final', error: new ClientError('CLIENT_ABORTED', {}, caught) };
      }
      const failure = failureOf(caught, endpoint);
      // A replica that failed is not the one to begin with next time.
      if (failure.kind !== 'final' && this.#current?.endpoint === endpoint) this.close();
      this.#options.onEvent?.({ kind: 'attempt-failed', endpoint, error: failure.error });
      return failure;
    }
  }

  async #connect(endpoint: string, timeoutMs: number): Promise<Connection> {
    if (this.#current?.endpoint === endpoint) return this.#current.connection;
    const { prover, signal, connectTimeoutMs, onEvent, coordinators } = this.#options;
    const clusterId = this.#clusterId();
    this.#identity ??= this.#makeIdentity();
    const options: ConnectOptions<CoordinatorClaims> = {
      address: endpoint,
      role: prover === undefined ? 'client' : 'initializer',
      identity: await this.#identity,
      verifier: coordinatorVerifier(coordinators, this.settings),
      clock: this.settings.clock,
      timeoutMs: Math.min(timeoutMs, connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT),
      ...(prover === undefined ? {} : { prover }),
      ...(clusterId === undefined ? {} : { clusterId: fromHex(clusterId) }),
      ...(signal === undefined ? {} : { signal }),
    };
    const connection = await connectAttested(options);
    this.close();
    this.#current = { endpoint, connection };
    void connection.closed.then(() => {
      if (this.#current?.connection === connection) this.#current = undefined;
    });
    onEvent?.({ kind: 'connected', endpoint, incarnation: connection.peer.spkiSha256 });
    if (connection.peer.claims?.claims.simulated === true) {
      onEvent?.({ kind: 'simulated-tee', endpoint });
    }
    return connection;
  }

  async #makeIdentity(): Promise<ChannelIdentity> {
    const { identity } = this.#options;
    if (identity !== undefined) return identity;
    const made = createIncarnationIdentity();
    return {
      privateKeyPem: made.tlsKeyPem,
      certificatePem: made.tlsCertificatePem,
      spkiDer: made.spkiDer,
    };
  }

  /** The replica in use first, then the others in random order. */
  #order(): readonly string[] {
    const current = this.#current?.endpoint;
    const others = this.endpoints.filter((endpoint) => endpoint !== current);
    const order = shuffled(others, this.random);
    return current === undefined ? order : [current, ...order];
  }

  async #wait(round: number, endsAtMs: number, last: Failure | undefined): Promise<void> {
    const limits = { minMs: BACKOFF_MS_MIN, maxMs: BACKOFF_MS_MAX };
    const delayMs = backoffMs(round, limits, this.random);
    if (performance.now() + delayMs >= endsAtMs) throw giveUp(last);
    const { onEvent, signal } = this.#options;
    onEvent?.({ kind: 'waiting', delayMs });
    await pause(delayMs, signal);
    if (signal?.aborted === true) throw new ClientError('CLIENT_ABORTED');
  }
}

/** A refusal says more than a timeout. */
function preferred(before: Failure | undefined, now: Failure): Failure {
  return before?.kind === 'refused' && now.kind !== 'refused' ? before : now;
}

function giveUp(last: Failure | undefined): ClientError {
  return last?.error ?? new ClientError('CLIENT_UNREACHABLE', { reason: 'DEADLINE' });
}

function checkEndpoints(endpoints: readonly string[]): readonly string[] {
  const distinct = [...new Set(endpoints)];
  const bad = distinct.find((endpoint) => !isAddress(endpoint));
  if (bad !== undefined || distinct.length === 0 || distinct.length > ENDPOINTS_MAX) {
    const found = bad?.slice(0, 80) ?? `${distinct.length} endpoints`;
    const expected = `1 to ${ENDPOINTS_MAX} of host:port`;
    throw new ClientError('CLIENT_ENDPOINTS_INVALID', { expected, found });
  }
  return distinct;
}
