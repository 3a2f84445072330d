/**
 * The small state that simulated clients work on: a string for each key. It rides on the real state
 * machine: its commands are ordered like any other, and it travels inside the sealed snapshots.
 */
import { CanonicalReader, CanonicalWriter, fromUtf8, utf8 } from '@witan/core';
import type { Keyring } from '@witan/replica';
import { kvModel, type KvInput } from './linearizability/history.ts';

const STATE_BYTES_MAX: number = 64 * 1024 * 1024;

export class Register {
  #values = new Map<string, string>();
  /** Commands applied since the start of the cluster. */
  #applied = 0;

  read(key: string): string {
    return this.#values.get(key) ?? '';
  }

  get applied(): number {
    return this.#applied;
  }

  apply(input: KvInput): void {
    this.#applied += 1;
    const state = kvModel.step(this.read(input.key), input, undefined);
    this.#values.set(input.key, state ?? '');
  }

  encode(): Uint8Array {
    const pairs = [...this.#values].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return utf8(JSON.stringify([this.#applied, pairs]));
  }

  decode(bytes: Uint8Array): void {
    const [applied, pairs] = JSON.parse(fromUtf8(bytes)) as [number, [string, string][]];
    this.#applied = applied;
    this.#values = new Map(pairs);
  }
}

/** Orders in which registers were sealed are compared through `onSnapshot`. */
export function registerKeyring(
  inner: Keyring,
  register: Register,
  onSnapshot: (register: Uint8Array, machine: Uint8Array) => void,
): Keyring {
  return {
    sealCommand: (bytes) => inner.sealCommand(bytes),
    // Applying is the only thing that opens commands, once each and in order.
    openCommand: (sealed) => {
      const bytes = inner.openCommand(sealed);
      register.apply(decodeInput(bytes));
      return bytes;
    },
    sealSnapshot: (plaintext) => {
      const state = register.encode();
      onSnapshot(state, plaintext);
      return inner.sealSnapshot(new CanonicalWriter().bytes(state).bytes(plaintext).finish());
    },
    openSnapshot: (sealed) => {
      const reader = new CanonicalReader(inner.openSnapshot(sealed));
      register.decode(reader.bytes(STATE_BYTES_MAX));
      return reader.bytes(STATE_BYTES_MAX);
    },
  };
}

export function encodeInput(input: KvInput): Uint8Array {
  return utf8(JSON.stringify(input));
}

function decodeInput(bytes: Uint8Array): KvInput {
  return JSON.parse(fromUtf8(bytes)) as KvInput;
}
