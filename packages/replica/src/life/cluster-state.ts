/**
 * The state machine behind the engine: opens sealed commands, applies them, and seals snapshots.
 */
import {
  CanonicalReader,
  CanonicalWriter,
  CodedError,
  describeError,
  type Crypto,
  type Secret,
} from '@witan/core';
import { StateMachine, type ApplyResult, type StateMachineOptions } from '@witan/state-machine';
import type { Configuration, StateSubscriber } from '../engine.ts';
import type { Keyring } from '../ports.ts';
import type { PeerIdentity } from '../standing.ts';
import { decodeMembershipContext } from './membership-context.ts';

/**
 * What applying a log entry gave. `unreadable`: no member of this cluster sealed it. `rekeyed`: it
 * began a generation of sealing keys.
 */
export type CommandOutcome =
  | ({ readonly kind: 'applied' } & ApplyResult)
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'rekeyed' };

/** See `keys`, sealing-generations.ts. */
const UNKNOWN_GENERATION = 'KEYS_SEAL_GENERATION_UNKNOWN';

/** Bits of a snapshot's first byte, which is in the clear. */
const HOLDS_MANIFEST = 1;
const HOLDS_GENERATIONS = 2;

export interface ClusterStateOptions<ReferenceValues> {
  readonly keyring: Keyring;
  readonly crypto: Crypto;
  /** Takes up a command that begins a generation of sealing keys; false for any other. */
  readonly takeGeneration: (command: Uint8Array) => boolean;
  /** Seeds that may have come into force before a snapshot that arrives was made. */
  readonly candidates?: () => readonly Secret[];
  /** The seed in force is another one, or former ones are retired; before anything follows. */
  readonly onSeeds?: (machine: StateMachine<ReferenceValues>) => void;
  readonly onRestored: (index: number) => void;
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
    this.#machine = openState(snapshot, this.#options);
    this.#options.onSeeds?.(this.#machine);
    this.#options.onRestored(index);
    this.#options.onEvent('state restored from a snapshot', { index });
    this.#options.onMembers(this.members(), configuration);
  }

  /**
   * One plain byte, the sealed list of sealing generations where there is one, behind its length,
   * and then the sealed state.
   */
  snapshot(): Uint8Array {
    const { keyring } = this.#options;
    const generations = keyring.generations?.seal();
    const sealed = keyring.sealSnapshot(this.#machine.encodeSnapshot());
    const writer = new CanonicalWriter();
    writer.u8(
      (this.#machine.generation > 0 ? HOLDS_MANIFEST : 0) |
        (generations === undefined ? 0 : HOLDS_GENERATIONS),
    );
    if (generations !== undefined) writer.bytes(generations);
    return writer.fixed(sealed).finish();
  }

  members(): readonly PeerIdentity[] {
    return this.#machine.members;
  }

  #apply(index: number, command: Uint8Array): CommandOutcome {
    let plaintext: Uint8Array;
    try {
      plaintext = this.#options.keyring.openCommand(command);
    } catch (error) {
      // Others could open it: to step over it would make another state of the same log.
      if (error instanceof CodedError && error.code === UNKNOWN_GENERATION) throw error;
      this.#options.onEvent('command could not be opened', { index, error: describeError(error) });
      this.#machine.advance(index);
      return { kind: 'unreadable' };
    }
    if (this.#options.takeGeneration(plaintext)) {
      this.#machine.advance(index);
      return { kind: 'rekeyed' };
    }
    const outcome = this.#machine.apply(index, plaintext, this.#options.crypto);
    if (outcome.isSeedNew) this.#options.onSeeds?.(this.#machine);
    return { kind: 'applied', ...outcome };
  }
}

/**
 * The state in a snapshot that `ClusterState.snapshot` made; the keyring takes up the generations
 * of sealing keys in front of it.
 *
 * @throws CodedError for a snapshot that no member of this cluster sealed
 */
export function openState<ReferenceValues>(
  snapshot: Uint8Array,
  options: Pick<
    ClusterStateOptions<ReferenceValues>,
    'keyring' | 'crypto' | 'machine' | 'candidates'
  >,
): StateMachine<ReferenceValues> {
  const { keyring, machine, crypto, candidates } = options;
  const { generations, state } = splitSnapshot(snapshot);
  if (generations !== undefined) keyring.generations?.open(generations, candidates?.());
  return StateMachine.decodeSnapshot(keyring.openSnapshot(state), { ...machine, crypto });
}

/** Whether a snapshot made by `ClusterState.snapshot` holds a manifest. */
export function snapshotHoldsManifest(snapshot: Uint8Array): boolean {
  return ((snapshot[0] ?? 0) & HOLDS_MANIFEST) !== 0;
}

/** @throws CanonicalError when the list of generations is cut off */
function splitSnapshot(snapshot: Uint8Array): {
  readonly generations: Uint8Array | undefined;
  readonly state: Uint8Array;
} {
  const reader = new CanonicalReader(snapshot);
  const flags = reader.u8();
  const generations =
    (flags & HOLDS_GENERATIONS) === 0 ? undefined : reader.bytes(snapshot.byteLength);
  return { generations, state: snapshot.subarray(snapshot.byteLength - reader.bytesLeft) };
}
