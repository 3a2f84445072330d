/** Keeps what a disk claims in the clear in step with the applied state. See claims.ts. */
import type { MemberRecord, StateView } from '@witan/state-machine';
import type { DiskClaims } from './claims.ts';
import type { SealedLog } from './durable-log.ts';

/** What of the state is claimed. */
export type ClaimedState = Pick<
  StateView<unknown>,
  'appliedIndex' | 'slots' | 'members' | 'generation' | 'head'
>;

/** The claims of a state. @param recoveryHeader see `DiskClaims` */
export function claimsOfState(state: ClaimedState, recoveryHeader: Uint8Array): DiskClaims {
  const voters = state.members.filter(({ role }) => role === 'voter');
  return {
    appliedIndex: state.appliedIndex,
    slots: state.slots,
    voters: voters.map(({ slot, incarnation }) => ({ slot, incarnation })),
    generation: state.generation,
    transition: state.head,
    recoveryHeader,
  };
}

/** Notes claims whenever members or manifest have changed, and only then. */
export class ClaimsNoter {
  readonly #log: Pick<SealedLog, 'note'>;
  readonly #failed: (error: unknown) => void;
  #members: readonly MemberRecord[] | undefined;
  #head: string | undefined;

  constructor(log: Pick<SealedLog, 'note'>, failed: (error: unknown) => void) {
    this.#log = log;
    this.#failed = failed;
  }

  /** To be called after every change; cheap when nothing of interest has changed. */
  stateChanged(state: ClaimedState): void {
    if (state.members === this.#members && state.head === this.#head) return;
    this.#members = state.members;
    this.#head = state.head;
    this.#log.note(claimsOfState(state, new Uint8Array(0))).catch(this.#failed);
  }
}
