/** Keeps what a disk claims in the clear in step with the applied state. See claims.ts. */
import { encodeRecoveryHeader } from '@witan/manifest';
import type { GivenShares, MemberRecord, StateView } from '@witan/state-machine';
import type { DiskClaims } from './claims.ts';
import type { SealedLog } from './durable-log.ts';

/** What of the state is claimed. */
export type ClaimedState = Pick<
  StateView<unknown>,
  'appliedIndex' | 'slots' | 'members' | 'generation' | 'head' | 'shares'
>;

/** The claims of a state. @param wrappedSeeds see `DiskClaims` */
export function claimsOfState(
  state: ClaimedState,
  wrappedSeeds: readonly Uint8Array[] = [],
): DiskClaims {
  const { header } = state.shares;
  const voters = state.members.filter(({ role }) => role === 'voter');
  return {
    appliedIndex: state.appliedIndex,
    slots: state.slots,
    voters: voters.map(({ slot, incarnation }) => ({ slot, incarnation })),
    generation: state.generation,
    transition: state.head,
    recoveryHeader: header === undefined ? new Uint8Array(0) : encodeRecoveryHeader(header),
    ...(wrappedSeeds.length === 0 ? {} : { wrappedSeeds }),
  };
}

/** Notes claims whenever members, manifest or shares have changed, and only then. */
export class ClaimsNoter {
  readonly #log: Pick<SealedLog, 'note'>;
  readonly #failed: (error: unknown) => void;
  #members: readonly MemberRecord[] | undefined;
  #head: string | undefined;
  #shares: GivenShares | undefined;
  #state: ClaimedState | undefined;
  #wrappedSeeds: readonly Uint8Array[] = [];

  constructor(log: Pick<SealedLog, 'note'>, failed: (error: unknown) => void) {
    this.#log = log;
    this.#failed = failed;
  }

  /** To be called after every change; cheap when nothing of interest has changed. */
  stateChanged(state: ClaimedState): void {
    const { members, head, shares } = state;
    if (members === this.#members && head === this.#head && shares === this.#shares) return;
    this.#members = members;
    this.#head = head;
    this.#shares = shares;
    this.#state = state;
    this.#note(state);
  }

  /** A provider has wrapped the seed. */
  seedWrapped(wrapped: Uint8Array): void {
    this.#wrappedSeeds = [wrapped];
    if (this.#state !== undefined) this.#note(this.#state);
  }

  #note(state: ClaimedState): void {
    this.#log.note(claimsOfState(state, this.#wrappedSeeds)).catch(this.#failed);
  }
}
