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

/** The claims of a state. */
export function claimsOfState(state: ClaimedState): DiskClaims {
  const { header } = state.shares;
  const voters = state.members.filter(({ role }) => role === 'voter');
  return {
    appliedIndex: state.appliedIndex,
    slots: state.slots,
    voters: voters.map(({ slot, incarnation }) => ({ slot, incarnation })),
    generation: state.generation,
    transition: state.head,
    recoveryHeader: header === undefined ? new Uint8Array(0) : encodeRecoveryHeader(header),
  };
}

/** Notes claims whenever members, manifest or shares have changed, and only then. */
export class ClaimsNoter {
  readonly #log: Pick<SealedLog, 'note'>;
  readonly #failed: (error: unknown) => void;
  #members: readonly MemberRecord[] | undefined;
  #head: string | undefined;
  #shares: GivenShares | undefined;

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
    this.#log.note(claimsOfState(state)).catch(this.#failed);
  }
}
