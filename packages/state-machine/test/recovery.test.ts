import { describe, expect, it } from 'vitest';
import { epoch, generation, sha256Hex } from '@witan/core';
import { NO_TRANSITION, recoveryHash, type Recovery } from '@witan/manifest';
import { StateMachine } from '../src/index.ts';
import {
  applyNext,
  foundedState,
  incarnationOf,
  issue,
  key,
  newState,
  nodeCrypto,
  reading,
  recoveryOf,
  reopened,
  restored,
  setManifest,
  successors,
  type State,
} from '../testing/support.ts';

describe('a recovered state', () => {
  it('keeps everything, under a higher epoch, new members and one index more (I7, I8)', () => {
    const state = foundedState();
    applyNext(state, issue(state));
    const before = state.encodeSnapshot();
    const next = reopened(state);
    expect(next).toMatchObject({ epoch: 2, appliedIndex: state.appliedIndex + 1, generation: 1 });
    expect(next.head).toBe(state.head);
    expect(next.rootCertificate).toEqual(state.rootCertificate);
    expect(next.meshCaCertificate).toEqual(state.meshCaCertificate);
    expect([...next.issued()]).toEqual([...state.issued()]);
    expect(next.resultOf(key(0))).toEqual(state.resultOf(key(0)));
    expect(next.configuration.voters).toHaveLength(2);
    expect(next.members.map((member) => member.incarnation).toSorted()).toEqual(
      successors.map((member) => member.incarnation).toSorted(),
    );
    expect(next.recoveries).toHaveLength(1);
    expect(state.encodeSnapshot()).toEqual(before);
  });

  it('goes on with updates, and is read back with its recoveries, also after a second one', () => {
    const once = reopened(foundedState());
    applyNext(once, setManifest(once, undefined, { requestKey: key(9) }));
    expect(once.generation).toBe(2);
    const twice = reopened(once);
    const read = restored(twice);
    expect(read.encodeSnapshot()).toEqual(twice.encodeSnapshot());
    expect(read.recoveries.map(({ recovery }) => recovery.epoch)).toEqual([2, 3]);
    expect(read.recoveryHead).toBe(
      recoveryHash(twice.recoveries[1]?.recovery ?? expect.fail(), nodeCrypto),
    );
  });

  it.each<[string, (state: State) => Partial<Recovery>]>([
    ['another index', (state) => ({ from: { ...recoveryOf(state).recovery.from, index: 99 } })],
    [
      'another transition',
      (state) => ({
        from: { ...recoveryOf(state).recovery.from, transitionHash: sha256Hex('00'.repeat(32)) },
      }),
    ],
    [
      'another epoch',
      (state) => ({ from: { ...recoveryOf(state).recovery.from, epoch: epoch(4) } }),
    ],
  ])('is not made from a record that goes on from %s', (_name, change) => {
    const state = foundedState();
    const signed = recoveryOf(state, change(state));
    const act = () => state.reopened(signed, successors, reading);
    expect(act).toThrow(expect.objectContaining({ code: 'RECOVERY_MISFIT' }));
  });

  it('is not made for members against I2, without a manifest, or from an unsigned record', () => {
    const state = foundedState();
    const twoOfOneSlot = [incarnationOf(0, 1), incarnationOf(0, 2)];
    expect(() => reopened(state, twoOfOneSlot)).toThrow(
      expect.objectContaining({ code: 'RECOVERY_MISFIT' }),
    );
    const signed = recoveryOf(state);
    const forged = { ...signed, signature: new Uint8Array(64) };
    expect(() => state.reopened(forged, successors, reading)).toThrow(
      expect.objectContaining({ code: 'RECOVERY_SIGNATURE_INVALID' }),
    );
  });
});

/** Two empty lists and two idle CAs; the number and the empty list of revocations. */
const NO_LIFECYCLE_BYTES = 4 + 2 * 27 + 4 + 8 + 4;

/** Length of the log, near the end of a snapshot: numbers, a hash for each leaf, and the leaves. */
function logBytes({ log }: State): number {
  const leaves = Array.from({ length: log.size }, (_, at) => log.leafBytes(at)?.byteLength ?? 0);
  return 8 + 8 + 4 + leaves.reduce((sum, leaf) => sum + 32 + 4 + leaf, 0);
}

describe('a snapshot', () => {
  it.each([
    [1, 'without recoveries, shares and changes of slots', 4 + 5],
    [2, 'without shares and changes of slots', 5],
    [3, 'without changes of slots', 0],
    [4, 'without rotations and revocations', 0],
    [5, 'without a log', 0],
    [6, 'without what waits for approvals', 0],
  ])('of version %i, %s, is still read', (version, _what, bytesLess) => {
    const state = foundedState();
    const parts = state.encodeSnapshot();
    // The list of recoveries is empty, no shares were dealt, and there is no header.
    const end = emptyRecoveriesAt(state) + 4 + 5;
    // So is the list of changes of slots, right before the list of transitions.
    const ledger = Buffer.from(parts).indexOf('witan/transition/v1') - 4 - 4 - 4;
    // Nothing waits for approvals and none was withdrawn: two empty lists at the end.
    const logAndMore = 8 + (version < 6 ? logBytes(state) : 0);
    const lifecycleBytes = version < 5 ? NO_LIFECYCLE_BYTES : 0;
    const old = Uint8Array.from([
      ...parts.subarray(0, ledger - (version < 4 ? 4 : 0)),
      ...parts.subarray(ledger, end - bytesLess),
      ...parts.subarray(end, parts.length - logAndMore - lifecycleBytes),
    ]);
    old[0] = version;
    const read = StateMachine.decodeSnapshot(old, reading);
    const log = version < 6 ? newState().log : state.log;
    expect(read.log.head()).toEqual(log.head());
    // From here on it is as any other.
    expect(restored(read).encodeSnapshot()).toEqual(read.encodeSnapshot());
    const kept = parts.length - 8 - logBytes(state);
    expect(read.encodeSnapshot().subarray(0, kept)).toEqual(parts.subarray(0, kept));
    expect(read.recoveryHead).toBe(NO_TRANSITION);
    expect(read.shares).toEqual({ resharing: 0, header: undefined });
    expect(read.slotChanges).toEqual([]);
    expect(read.rotations.records).toEqual([]);
  });

  it('whose epoch no recovery began is refused (I7)', () => {
    const bytes = foundedState().encodeSnapshot();
    bytes[1 + 32 + 7] = 2;
    expect(() => StateMachine.decodeSnapshot(bytes, reading)).toThrow(
      expect.objectContaining({ code: 'SNAPSHOT_MALFORMED' }),
    );
  });
});

/** Where the list of recoveries stands: right behind the only manifest. */
function emptyRecoveriesAt(state: State): number {
  const bytes = state.encodeSnapshot();
  const manifest = state.manifestBytes(generation(1)) ?? expect.fail();
  const at = Buffer.from(bytes).indexOf(Buffer.from(manifest));
  return at + manifest.byteLength;
}
