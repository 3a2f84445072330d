/** What a state is made from, and what reading one takes. */
import type { ClusterId, Crypto, Epoch, SlotName } from '@witan/core';
import type { ParseReferenceValues } from '@witan/manifest';
import type { MemberInfo } from './members.ts';

/** Where a cluster starts. */
export interface Genesis {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** The slots of the founding, each once; owners may change them later (I2). */
  readonly slots: readonly SlotName[];
  /** The founding incarnations; all of them vote. */
  readonly members: readonly MemberInfo[];
  /** Log index that the genesis stands for; 0 where absent. */
  readonly appliedIndex?: number;
}

/** What every replica has to be given alike. */
export interface StateMachineOptions<ReferenceValues> {
  /** Must be the same function on every replica: its verdict is part of the state. */
  readonly parseReferenceValues: ParseReferenceValues<ReferenceValues>;
  /** What this replica announces that it applies; `STATE_VERSION` where absent. */
  readonly stateVersion?: number;
}

/** What reading a snapshot takes. */
export interface SnapshotOptions<ReferenceValues> extends StateMachineOptions<ReferenceValues> {
  readonly crypto: Crypto;
  /** Refuse a larger snapshot; SNAPSHOT_BYTES_MAX where absent. */
  readonly bytesMax?: number;
}
