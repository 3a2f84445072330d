/** A state that issues certificates as fast as it can, to measure what they cost it. */
import { encodeCommand, StateMachine } from '../src/index.ts';
import { sha256Hex, toHex, unixMillis } from '@witan/core';
import { nodeCrypto } from './keys.ts';
import {
  DAY_MS,
  issue,
  key,
  manifestBytes,
  newState,
  reading,
  setManifest,
  type State,
} from './support.ts';

/** Certificates for a workload with a secret, one after the other. */
export class IssuingState {
  readonly state: State;
  readonly #stepMs: number;
  #issued = 0;

  /** @param validAtOnce records that are kept at once, a day beyond their expiry included */
  constructor(validAtOnce: number) {
    this.state = newState();
    this.#stepMs = (2 * DAY_MS) / validAtOnce;
    const manifest = manifestBytes({ 'workloads/web/secrets': ['token'] });
    this.#apply(encodeCommand(setManifest(this.state, manifest, { requestKey: key(0) })));
  }

  /** Issues so many more. */
  issue(count: number): void {
    for (let done = 0; done < count; done += 1) {
      this.#issued += 1;
      const nowMs = 100 * DAY_MS + Math.floor(this.#issued * this.#stepMs);
      const number = this.#issued.toString(16).padStart(32, '0');
      const digest = sha256Hex(number.repeat(2));
      const command = issue(this.state, {
        requestKey: key(this.#issued),
        serial: number,
        spkiSha256: digest,
        evidenceSha256: digest,
        notBeforeMs: unixMillis(nowMs),
        notAfterMs: unixMillis(nowMs + DAY_MS),
        recorded: { timeMs: unixMillis(nowMs), measurement: 'ab'.repeat(48) },
      });
      this.#apply(encodeCommand(command));
    }
  }

  /** The state through its snapshot. */
  static read(bytes: Uint8Array): string {
    return toHex(StateMachine.decodeSnapshot(bytes, reading).log.head().root);
  }

  #apply(command: Uint8Array): void {
    this.state.apply(this.state.appliedIndex + 1, command, nodeCrypto);
  }
}
