/**
 * The state machine behind the engine: opens sealed commands, applies them, and seals snapshots.
 */
import { describeError, type Crypto } from '@witan/core';
import { StateMachine, type ApplyResult, type StateMachineOptions } from '@witan/state-machine';
import type { Configuration, StateSubscriber } from '../engine.ts';
import type { Keyring } from '../ports.ts';
import type { PeerIdentity } from '../standing.ts';
import { decodeMembershipContext } from './membership-context.ts';

/** What applying a log entry gave. `unreadable`: no member of this cluster sealed it. */
export type CommandOutcome =
  ({ readonly kind: 'applied' } & ApplyResult) | { readonly kind: 'unreadable' };

export interface ClusterStateOptions<ReferenceValues> {
  readonly keyring: Keyring;
  readonly crypto: Crypto;
  readonly machine: StateMachineOptions<ReferenceValues>;
  readonly onMembers: (members: readonly PeerIdentity[], configuration: Configuration) => void;
  readonly onApplied: (outcome: CommandOutcome) => void;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

export class ClusterState<ReferenceValues> implements StateSubscriber {
  readonly #options: ClusterStateOptions<ReferenceValues>;
  #machine: StateMachine<ReferenceValues>;

  constructor(
    options: ClusterStateOptions<ReferenceValues>,
    machine: StateMachine<ReferenceValues>,
  ) {
    this.#options = options;
    this.#machine = machine;
  }

  get machine(): StateMachine<ReferenceValues> {
    return this.#machine;
  }

  apply(index: number, command: Uint8Array): CommandOutcome {
    const outcome = this.#apply(index, command);
    this.#options.onApplied(outcome);
    return outcome;
  }

  advance(index: number): void {
    this.#machine.advance(index);
  }

  applyMembership(index: number, configuration: Configuration, context: Uint8Array): void {
    const added = decodeMembershipContext(context);
    this.#machine.applyMembership(index, { ...configuration, added });
    this.#options.onMembers(this.members(), configuration);
  }

  restore(index: number, configuration: Configuration, snapshot: Uint8Array): void {
    const plaintext = this.#options.keyring.openSnapshot(snapshot.subarray(1));
    const { machine, crypto } = this.#options;
    this.#machine = StateMachine.decodeSnapshot(plaintext, { ...machine, crypto });
    this.#options.onEvent('state restored from a snapshot', { index });
    this.#options.onMembers(this.members(), configuration);
  }

  /** One plain byte, whether there is a manifest in it, and then the sealed state. */
  snapshot(): Uint8Array {
    const sealed = this.#options.keyring.sealSnapshot(this.#machine.encodeSnapshot());
    const bytes = new Uint8Array(1 + sealed.byteLength);
    bytes[0] = this.#machine.generation > 0 ? 1 : 0;
    bytes.set(sealed, 1);
    return bytes;
  }

  members(): readonly PeerIdentity[] {
    return this.#machine.members;
  }

  #apply(index: number, command: Uint8Array): CommandOutcome {
    let plaintext: Uint8Array;
    try {
      plaintext = this.#options.keyring.openCommand(command);
    } catch (error) {
      this.#options.onEvent('command could not be opened', { index, error: describeError(error) });
      this.#machine.advance(index);
      return { kind: 'unreadable' };
    }
    return { kind: 'applied', ...this.#machine.apply(index, plaintext, this.#options.crypto) };
  }
}

/** Whether a snapshot made by `ClusterState.snapshot` holds a manifest. */
export function snapshotHoldsManifest(snapshot: Uint8Array): boolean {
  return snapshot[0] === 1;
}
