/**
 * What is known of an established peer, and for how long. A verdict ends; then, and whenever the
 * owner says that the rules have changed, the same evidence is judged again. It is bound to the
 * connection, so it cannot have been swapped in between.
 */
import { toHex, type Clock } from '@witan/core';
import type { AttestedPeer } from './channel.ts';
import { askVerifier, type ExchangeResult, type Judged } from './exchange.ts';
import { TransportError, throwIfBroken } from './errors.ts';
import { sha256 } from './report-data.ts';

/**
 * The clock is looked at so often at the least, in milliseconds: it may be set, and a timer does
 * not see that. Also far below 2^31 ms, above which Node's timers fire at once.
 */
const CLOCK_LOOK_MS = 30_000;

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

export class Trust<Claims> {
  readonly peer: AttestedPeer<Claims>;
  readonly #peer: Mutable<AttestedPeer<Claims>>;
  readonly #judged: Judged<Claims> | undefined;
  readonly #clock: Clock;
  readonly #onLost: (reason: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param onLost called once, when the peer no longer passes; the argument is for the log */
  constructor(
    result: ExchangeResult<Claims>,
    remoteAddress: string,
    clock: Clock,
    onLost: (reason: string) => void,
  ) {
    const { judged, clusterId } = result;
    this.#judged = judged;
    this.#clock = clock;
    this.#onLost = onLost;
    this.#peer = {
      role: result.role,
      spkiDer: result.spkiDer,
      spkiSha256: toHex(sha256(result.spkiDer)),
      channelBinding: result.channelBinding,
      remoteAddress,
    };
    if (clusterId !== undefined) this.#peer.clusterId = clusterId;
    if (judged !== undefined) {
      this.#peer.claims = judged.claims;
      this.#peer.evidence = judged.evidence;
      this.#peer.expectedReportData = judged.expectedReportData;
      this.#peer.validUntilMs = judged.validUntilMs;
    }
    this.peer = this.#peer;
    this.#arm();
  }

  /** Judges the peer again. @returns false when it no longer passes; `onLost` was called then */
  async reverify(): Promise<boolean> {
    const judged = this.#judged;
    if (this.#stopped) return false;
    if (judged === undefined) return true;
    try {
      const { role, spkiDer, clusterId } = this.#peer;
      const { claims, validUntilMs } = await askVerifier(judged.verifier, this.#clock, {
        evidence: judged.evidence,
        expectedReportData: judged.expectedReportData,
        role,
        spkiDer,
        ...(clusterId === undefined ? {} : { clusterId }),
      });
      this.#peer.claims = claims;
      this.#peer.validUntilMs = validUntilMs;
      this.#arm();
      return !this.#stopped;
    } catch (error) {
      throwIfBroken(error);
      this.#lose(error);
      return false;
    }
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const { validUntilMs } = this.#peer;
    if (validUntilMs === undefined || this.#stopped) return;
    const leftMs = validUntilMs - this.#clock.now();
    const again = (): void => {
      if (validUntilMs > this.#clock.now()) this.#arm();
      else void this.reverify();
    };
    this.#timer = setTimeout(again, Math.max(0, Math.min(leftMs, CLOCK_LOOK_MS)));
    this.#timer.unref();
  }

  #lose(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    const refused = error instanceof TransportError ? error : undefined;
    const code = refused?.fields['verifierCode'] ?? refused?.code ?? 'unknown';
    this.#onLost(`evidence no longer accepted: ${String(code)}`);
  }
}
