/**
 * Gets one endorsement: from the cache while it is good, else from the vendor's service, once for
 * all who ask at the same time.
 *
 * States of a cached endorsement: `current` is used as it is; `due` is used, and asked for again in
 * the background; `expired` (past its end) and `too-old` (fetched too long ago) are asked for again
 * before use. When that fails, an expired one is handed out with its problem, because the verifier
 * then refuses it by name; one that is too old is withheld.
 *
 * An asker may have little patience: then it is told that the endorsement is missing, and the
 * download goes on for those who ask next.
 */
import type { Clock, Random, UnixMillis } from '@witan/core';
import type { HeldItem } from './cache/memory.ts';
import { EndorsementsError } from './errors.ts';
import type { OnEndorsementEvent } from './events.ts';
import type { Keeper } from './keeper.ts';
import { FAILURES_MAX } from './limits.ts';
import { download, type DownloadContext, type DownloadOptions } from './net/download.ts';
import type { HttpFetch } from './net/http.ts';
import type { Pace } from './net/pace.ts';
import type { Timer } from './net/timer.ts';
import { keyOf, type EndorsementRequest } from './request.ts';
import { sourceOf, type BaseUrls } from './sources.ts';
import { verifyItem } from './verify/item.ts';
import type { Trust, VerifiedItem } from './verify/trust.ts';

/** Times of an endorsement in the cache, in milliseconds. */
export interface AgeOptions {
  /** Since it was fetched; older ones are not used without asking again. Certificates have none. */
  readonly maximumAgeMs: number;
  /** Since it was fetched; older ones are refreshed in the background. */
  readonly refreshAfterMs: number;
  /** Rest after a failed download of the same endorsement, doubled with each failure. */
  readonly failureDelayMs: number;
  readonly failureDelayMsMax: number;
}

/** Whether a cached endorsement may be used. */
export type ItemState = 'current' | 'due' | 'expired' | 'too-old';

/** An endorsement, or why there is none. */
export type Acquired =
  | {
      readonly kind: 'found';
      readonly item: VerifiedItem;
      readonly source: 'cache' | 'network';
      /** Why it is not a fresh one. */
      readonly problem: EndorsementsError | undefined;
    }
  | { readonly kind: 'missing'; readonly problem: EndorsementsError };

/** What acquiring needs. */
export interface AcquireContext {
  readonly keeper: Keeper;
  readonly trust: Trust;
  readonly clock: Clock;
  readonly random: Random;
  readonly timer: Timer;
  readonly ages: AgeOptions;
  readonly offline: boolean;
  readonly baseUrls: BaseUrls;
  readonly fetch: HttpFetch;
  readonly pace: Pace;
  readonly download: Required<DownloadOptions>;
  readonly onEvent: OnEndorsementEvent;
}

interface PastFailure {
  readonly error: EndorsementsError;
  readonly count: number;
  readonly untilMs: number;
}

const NO_CHAIN: Uint8Array = new Uint8Array();
const HOUR_MS: number = 60 * 60 * 1000;
/** Before their end endorsements are asked for again in good time, but not more than hourly. */
const REFRESH_BEFORE_END_MS: number = 72 * HOUR_MS;

/** How to ask. */
export interface AcquireOptions {
  /** PEM that leads to a root, for those whose source does not send one. */
  readonly issuerChain?: Uint8Array | undefined;
  /** How long to wait for a download. */
  readonly patienceMs: number;
}

/** State of a cached endorsement at a time. */
export function stateOf(
  { item, fetchedAt }: HeldItem,
  now: UnixMillis,
  { maximumAgeMs, refreshAfterMs }: Pick<AgeOptions, 'maximumAgeMs' | 'refreshAfterMs'>,
): ItemState {
  const supersedable = item.version.issuedAt !== undefined;
  // Both ways: a time of fetching that lies ahead is as doubtful as one long past.
  const ageMs = Math.abs(now - fetchedAt);
  if (supersedable && ageMs > maximumAgeMs) return 'too-old';
  if (now < item.notBefore || now > item.notAfter) return 'expired';
  if (supersedable && ageMs > refreshAfterMs) return 'due';
  return item.notAfter - now < REFRESH_BEFORE_END_MS && ageMs > HOUR_MS ? 'due' : 'current';
}

/** Acquires endorsements for one store. */
export class Acquirer {
  readonly #context: AcquireContext;
  readonly #flights: Map<string, Promise<VerifiedItem>> = new Map();
  readonly #failures: Map<string, PastFailure> = new Map();
  readonly #closing: AbortController = new AbortController();

  constructor(context: AcquireContext) {
    this.#context = context;
  }

  /** Gets an endorsement. Never throws for what services and disks do. */
  async get(request: EndorsementRequest, options: AcquireOptions): Promise<Acquired> {
    const { issuerChain = NO_CHAIN, patienceMs } = options;
    const { keeper, offline } = this.#context;
    let held = await keeper.find(request);
    if (held !== undefined && this.#stateOf(held) !== 'current') {
      held = await keeper.findNewest(request);
    }
    const state = held === undefined ? 'none' : this.#stateOf(held);
    if (held !== undefined && (state === 'current' || state === 'due')) {
      if (state === 'due') this.refresh(request, issuerChain);
      return { kind: 'found', item: held.item, source: 'cache', problem: undefined };
    }
    try {
      if (offline) throw offlineProblem(state, held);
      const item = await this.#patiently(this.#fly(request, issuerChain), patienceMs);
      return { kind: 'found', item, source: 'network', problem: undefined };
    } catch (error) {
      if (!(error instanceof EndorsementsError)) throw error;
      if (held === undefined || state === 'too-old') return { kind: 'missing', problem: error };
      return { kind: 'found', item: held.item, source: 'cache', problem: error };
    }
  }

  /** Asks in the background for a newer one than what is at hand. */
  refresh(request: EndorsementRequest, issuerChain: Uint8Array = NO_CHAIN): void {
    if (this.#context.offline) return;
    // A failure was reported as an event, and what is at hand is still good.
    this.#fly(request, issuerChain).catch(() => undefined);
  }

  /** Whether a cached endorsement should be asked for again. */
  isDue(held: HeldItem): boolean {
    return this.#stateOf(held) !== 'current';
  }

  /** Resolves when no download runs. */
  async idle(): Promise<void> {
    while (this.#flights.size > 0) await Promise.allSettled(this.#flights.values());
  }

  /** Ends all downloads with ENDORSEMENTS_CLOSED. */
  close(): void {
    this.#closing.abort();
  }

  #stateOf(held: HeldItem): ItemState {
    return stateOf(held, this.#context.clock.now(), this.#context.ages);
  }

  /** @throws EndorsementsError ENDORSEMENTS_TIMEOUT; the flight goes on */
  async #patiently(flight: Promise<VerifiedItem>, patienceMs: number): Promise<VerifiedItem> {
    if (!Number.isFinite(patienceMs)) return flight;
    const landed = new AbortController();
    const late = this.#context.timer.wait(patienceMs, landed.signal).then(() => {
      const fields = { patienceMs };
      throw new EndorsementsError('ENDORSEMENTS_TIMEOUT', { fields });
    });
    try {
      return await Promise.race([flight, late]);
    } finally {
      landed.abort();
      late.catch(() => undefined);
      flight.catch(() => undefined);
    }
  }

  #fly(request: EndorsementRequest, issuerChain: Uint8Array): Promise<VerifiedItem> {
    const key = keyOf(request);
    const running = this.#flights.get(key);
    if (running !== undefined) return running;
    const flight = this.#fetch(request, issuerChain).finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  async #fetch(request: EndorsementRequest, issuerChain: Uint8Array): Promise<VerifiedItem> {
    const key = keyOf(request);
    const past = this.#failures.get(key);
    const startMs = this.#context.timer.nowMs();
    if (past !== undefined && startMs < past.untilMs) throw past.error;
    try {
      const item = await this.#fetchOnce(request, issuerChain);
      this.#failures.delete(key);
      const durationMs = Math.round(this.#context.timer.nowMs() - startMs);
      const bytes = item.body.byteLength;
      this.#context.onEvent({ kind: 'fetched', key, durationMs, bytes });
      return item;
    } catch (error) {
      if (error instanceof EndorsementsError) this.#remember(key, error);
      throw error;
    }
  }

  async #fetchOnce(request: EndorsementRequest, issuerChain: Uint8Array): Promise<VerifiedItem> {
    const { baseUrls, clock, trust, keeper } = this.#context;
    const key = keyOf(request);
    const context: DownloadContext = {
      ...this.#context,
      options: this.#context.download,
      signal: this.#closing.signal,
      now: () => clock.now(),
      onFailure: (error, retryInMs) => {
        this.#context.onEvent({ kind: 'fetch-failed', key, error, retryInMs });
      },
    };
    const answer = await download(sourceOf(request, baseUrls), context);
    try {
      const chain = answer.issuerChain ?? issuerChain;
      const item = verifyItem(request, { issuerChain: chain, body: answer.body }, trust);
      const now = clock.now();
      demandValid(item, now);
      await keeper.keep(item, now);
      return item;
    } catch (error) {
      if (!(error instanceof EndorsementsError)) throw error;
      const event =
        error.code === 'ENDORSEMENTS_ROLLBACK'
          ? ({ kind: 'rollback-refused', key, error } as const)
          : ({ kind: 'fetch-failed', key, error, retryInMs: undefined } as const);
      this.#context.onEvent(event);
      throw error;
    }
  }

  #remember(key: string, error: EndorsementsError): void {
    const { failureDelayMs, failureDelayMsMax } = this.#context.ages;
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const delayMs = Math.min(failureDelayMs * 2 ** Math.min(count - 1, 20), failureDelayMsMax);
    this.#failures.delete(key);
    this.#failures.set(key, { error, count, untilMs: this.#context.timer.nowMs() + delayMs });
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= FAILURES_MAX) break;
      this.#failures.delete(oldest);
    }
  }
}

/** @throws EndorsementsError ENDORSEMENTS_EXPIRED unless the endorsement is valid at `now` */
export function demandValid(item: VerifiedItem, now: UnixMillis): void {
  if (item.notBefore <= now && now <= item.notAfter) return;
  throw expired(item, now);
}

function expired({ key, notBefore, notAfter }: VerifiedItem, now: UnixMillis): EndorsementsError {
  return new EndorsementsError('ENDORSEMENTS_EXPIRED', {
    fields: { key, expected: `${notBefore} to ${notAfter} ms`, found: `${now} ms` },
  });
}

function offlineProblem(state: ItemState | 'none', held: HeldItem | undefined): EndorsementsError {
  if (held === undefined) return new EndorsementsError('ENDORSEMENTS_OFFLINE');
  const { key, notBefore, notAfter } = held.item;
  if (state === 'too-old') {
    const fields = { key, fetchedAt: held.fetchedAt };
    return new EndorsementsError('ENDORSEMENTS_TOO_OLD', { fields });
  }
  const fields = { key, expected: `${notBefore} to ${notAfter} ms` };
  return new EndorsementsError('ENDORSEMENTS_EXPIRED', { fields });
}
