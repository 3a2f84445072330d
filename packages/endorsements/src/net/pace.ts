/**
 * How many requests may run at once, and how often one host may be asked.
 *
 * AMD's service answers about one request in ten seconds and address and says 429 beyond it. Chip
 * ids come from evidence whose signature cannot be checked before the certificate is there, so
 * without these bounds a stranger could use up the budget of a whole site.
 */
import { EndorsementsError } from '../errors.ts';
import { systemTimer, type Timer } from './timer.ts';

/** How many requests, and how often. */
export interface PaceOptions {
  /** Requests that run at once, over all hosts. Default 4. */
  readonly concurrentMax?: number;
  /** Requests that wait. Default 64. */
  readonly waitingMax?: number;
  /** Requests to one host that may follow each other at once. Default 6. */
  readonly burst?: number;
  /** Then one request in so many milliseconds. Default 5000. */
  readonly intervalMs?: number;
}

interface Host {
  tokens: number;
  refilledAtMs: number;
  blockedUntilMs: number;
}

/** Hosts come from three configured URLs; more than these would be a mistake. */
const HOSTS_MAX = 16;

/** Gives out permissions for requests. Times are of the monotonic clock. */
export class Pace {
  readonly #options: Required<PaceOptions>;
  readonly #timer: Timer;
  readonly #hosts: Map<string, Host> = new Map();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #queued = 0;

  constructor(options: PaceOptions = {}, timer: Timer = systemTimer) {
    this.#timer = timer;
    this.#options = {
      concurrentMax: Math.max(1, options.concurrentMax ?? 4),
      waitingMax: Math.max(0, options.waitingMax ?? 64),
      burst: Math.max(1, options.burst ?? 6),
      intervalMs: Math.max(0, options.intervalMs ?? 5000),
    };
  }

  /** Allows no request to a host for a time, as its Retry-After demands. */
  block(host: string, durationMs: number): void {
    const state = this.#hostOf(host);
    state.blockedUntilMs = Math.max(state.blockedUntilMs, this.#timer.nowMs() + durationMs);
  }

  /**
   * Runs a request when the host may be asked and there is room.
   *
   * @param deadlineMs the request must begin before it, by the timer's clock
   * @throws EndorsementsError ENDORSEMENTS_BUSY or ENDORSEMENTS_RATE_LIMITED without waiting when
   *   it could not begin in time, ENDORSEMENTS_CLOSED; and what `task` throws
   */
  async run<Result>(
    host: string,
    deadlineMs: number,
    signal: AbortSignal,
    task: () => Promise<Result>,
  ): Promise<Result> {
    const { waitingMax, concurrentMax } = this.#options;
    if (this.#queued >= waitingMax + concurrentMax) {
      const fields = { expected: `at most ${waitingMax} waiting` };
      throw new EndorsementsError('ENDORSEMENTS_BUSY', { fields });
    }
    this.#queued += 1;
    try {
      await this.#waitForHost(host, deadlineMs, signal);
      await this.#enter();
      try {
        if (signal.aborted) throw new EndorsementsError('ENDORSEMENTS_CLOSED');
        return await task();
      } finally {
        this.#leave();
      }
    } finally {
      this.#queued -= 1;
    }
  }

  async #waitForHost(host: string, deadlineMs: number, signal: AbortSignal): Promise<void> {
    const state = this.#hostOf(host);
    let nowMs = this.#timer.nowMs();
    this.#refill(state, nowMs);
    let startAtMs = nowMs + Math.max(0, 1 - state.tokens) * this.#options.intervalMs;
    demandInTime(host, Math.max(startAtMs, state.blockedUntilMs), nowMs, deadlineMs);
    // Taken at once, so that those who come later wait behind this one.
    state.tokens -= 1;
    // Whoever asked meanwhile may have been told to stay away.
    for (;;) {
      startAtMs = Math.max(startAtMs, state.blockedUntilMs);
      if (startAtMs <= nowMs) return;
      demandInTime(host, startAtMs, nowMs, deadlineMs);
      await pause(startAtMs - nowMs, signal, this.#timer);
      nowMs = Math.max(this.#timer.nowMs(), startAtMs);
    }
  }

  #refill(state: Host, nowMs: number): void {
    const { burst, intervalMs } = this.#options;
    const gained = intervalMs === 0 ? burst : (nowMs - state.refilledAtMs) / intervalMs;
    state.tokens = Math.min(burst, state.tokens + gained);
    state.refilledAtMs = nowMs;
  }

  #hostOf(host: string): Host {
    const known = this.#hosts.get(host);
    if (known !== undefined) return known;
    if (this.#hosts.size >= HOSTS_MAX) this.#hosts.clear();
    const { burst } = this.#options;
    const fresh: Host = { tokens: burst, refilledAtMs: this.#timer.nowMs(), blockedUntilMs: 0 };
    this.#hosts.set(host, fresh);
    return fresh;
  }

  async #enter(): Promise<void> {
    if (this.#running >= this.#options.concurrentMax) {
      // Whoever leaves hands its place on, so the count stays.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      return;
    }
    this.#running += 1;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}

/** @throws EndorsementsError ENDORSEMENTS_RATE_LIMITED when the start is behind the deadline */
function demandInTime(host: string, startAtMs: number, nowMs: number, deadlineMs: number): void {
  if (startAtMs <= deadlineMs) return;
  const fields = { host, retryInMs: Math.ceil(startAtMs - nowMs) };
  throw new EndorsementsError('ENDORSEMENTS_RATE_LIMITED', { fields });
}

/** @throws EndorsementsError ENDORSEMENTS_CLOSED when `signal` fires first */
export async function pause(durationMs: number, signal: AbortSignal, timer: Timer): Promise<void> {
  if (signal.aborted) throw new EndorsementsError('ENDORSEMENTS_CLOSED');
  if (durationMs <= 0) return;
  try {
    await timer.wait(durationMs, signal);
  } catch (error) {
    throw new EndorsementsError('ENDORSEMENTS_CLOSED', { cause: error });
  }
}
