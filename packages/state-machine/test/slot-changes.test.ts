/** Changing the slots: only owners can, for one place in one history, one list at a time (I2). */
import { describe, expect, it } from 'vitest';
import { clusterId, epoch, sha256Hex, slotName } from '@witan/core';
import { StateMachine, type CommandResult, type MemberInfo } from '../src/index.ts';
import { bytesOf, draftManifest, testKey } from '../testing/keys.ts';
import {
  applyNext,
  approvalFor,
  changeSlots,
  foundedState,
  incarnationOf,
  key,
  manifestBytes,
  newState,
  owner,
  reopened,
  reading,
  restored,
  setManifest,
  type State,
} from '../testing/support.ts';

const THREE = ['witan-0', 'witan-1', 'witan-2'];
const FIVE = [...THREE, 'witan-3', 'witan-4'];

function change(
  state: State,
  names: readonly string[],
  how: Parameters<typeof changeSlots>[2] = {},
): CommandResult {
  return applyNext(state, changeSlots(state, names, how)).result;
}

/** What a change that replaces voters by others does, without the engine's rules in between. */
function becomes(state: State, voters: readonly MemberInfo[]): void {
  const ids = voters.map(({ nodeId }) => nodeId);
  const votersOutgoing = state.configuration.voters;
  const joint = { voters: ids, votersOutgoing, learners: [], added: voters };
  state.applyMembership(state.appliedIndex + 1, joint);
  state.applyMembership(state.appliedIndex + 1, { ...joint, votersOutgoing: [] });
}

describe('a change of the slots', () => {
  it('is recorded with who approved it, and survives snapshots and recoveries (I2)', () => {
    const state = foundedState();
    expect(change(state, FIVE)).toEqual({ kind: 'slots-changed', number: 1, slots: FIVE });
    expect(state.slots).toEqual(FIVE);
    const [recorded] = state.slotChanges;
    expect(recorded).toMatchObject({ number: 1, from: THREE, slots: FIVE, index: 2 });
    expect(recorded?.approvals.map(({ ownerFingerprint }) => ownerFingerprint)).toEqual([
      owner.fingerprint,
    ]);
    expect(restored(state).encodeSnapshot()).toEqual(state.encodeSnapshot());
    const later = reopened(state, [incarnationOf(0, 1), incarnationOf(3, 1)]);
    expect(later.slots).toEqual(FIVE);
    expect(later.slotChanges).toEqual(state.slotChanges);
  });

  it('lets newcomers fill the added slots and nobody fill another one (I2)', () => {
    const state = foundedState();
    const newcomer = incarnationOf(3);
    const joining = { ...state.configuration, learners: [newcomer.nodeId], added: [newcomer] };
    expect(state.checkMembership(joining)).toMatchObject({ kind: 'unknown-slot' });
    change(state, FIVE);
    expect(state.checkMembership(joining)).toBeUndefined();
    const stranger = incarnationOf(5);
    expect(
      state.checkMembership({ ...joining, learners: [stranger.nodeId], added: [stranger] }),
    ).toMatchObject({ kind: 'unknown-slot', slot: 'witan-5' });
  });

  it('leaves members of removed slots in office until they are taken out, one by one', () => {
    const state = foundedState();
    change(state, ['witan-1']);
    const { voters } = state.configuration;
    expect(voters).toHaveLength(3);
    expect(restored(state).members).toHaveLength(3);
    const [a, b, c] = [incarnationOf(0), incarnationOf(1), incarnationOf(2)];
    const without = (...gone: readonly MemberInfo[]) => ({
      voters: voters.filter((id) => !gone.some(({ nodeId }) => nodeId === id)),
      votersOutgoing: voters,
      learners: [],
    });
    expect(state.checkMembership(without(a, c))).toMatchObject({ kind: 'two-slots-at-once' });
    expect(state.checkMembership(without(c))).toBeUndefined();
    // Nobody comes back into a slot that goes.
    const again = incarnationOf(2, 1);
    const swap = { ...without(c), voters: [a.nodeId, b.nodeId, again.nodeId], added: [again] };
    expect(state.checkMembership(swap)).toMatchObject({ kind: 'unknown-slot' });
    expect(change(state, THREE)).toMatchObject({ code: 'SLOTS_CHANGE_UNDER_WAY' });
    becomes(state, [b]);
    const other = ['witan-1', 'witan-2', 'witan-3'];
    const next = change(state, other, { requestKey: key(502) });
    expect(next).toMatchObject({ kind: 'slots-changed', number: 2 });
  });

  it('between check and entry of a join crashes nobody: the newcomer leaves (I10)', () => {
    const state = foundedState();
    change(state, FIVE);
    const newcomer = incarnationOf(3);
    change(state, THREE);
    const joined = { ...state.configuration, learners: [newcomer.nodeId], added: [newcomer] };
    state.applyMembership(state.appliedIndex + 1, joined);
    expect(restored(state).members).toEqual(state.members);
    // It can go, and cannot vote.
    const voting = {
      voters: [...state.configuration.voters, newcomer.nodeId],
      votersOutgoing: state.configuration.voters,
      learners: [],
    };
    expect(state.checkMembership(voting)).toMatchObject({ kind: 'unknown-slot' });
    expect(state.checkMembership({ ...joined, learners: [], added: [] })).toBeUndefined();
    // A slot that never was one is a broken invariant all the same.
    const stranger = incarnationOf(6);
    const broken = { ...state.configuration, learners: [stranger.nodeId], added: [stranger] };
    expect(() => state.applyMembership(state.appliedIndex + 1, broken)).toThrow(/I2/);
  });

  it('gives the same answer to a repeated request, and counts once', () => {
    const state = foundedState();
    const command = changeSlots(state, FIVE);
    const first = applyNext(state, command);
    expect(applyNext(state, command)).toMatchObject({ repeated: true, result: first.result });
    expect(state.slotChanges).toHaveLength(1);
  });
});

describe('an approval of slots', () => {
  it.each([
    ['another cluster', { clusterId: clusterId('d2'.repeat(32)) }],
    ['another epoch', { epoch: epoch(2) }],
    ['another transition', { previousTransition: sha256Hex('11'.repeat(32)) }],
    ['another list', { from: FIVE.map(slotName) }],
    ['another number', { number: 7 }],
    ['other slots', { to: ['witan-0', 'witan-1', 'witan-2', 'x', 'y'].map(slotName) }],
  ])('for %s is refused', (_name, subject) => {
    const state = foundedState();
    const code = 'APPROVAL_SIGNATURE_INVALID';
    expect(change(state, FIVE, { subject })).toMatchObject({ kind: 'refused', code });
    expect(state.slots).toEqual(THREE);
  });

  it('is good once: not after another change, nor after another manifest (I6)', () => {
    const state = foundedState();
    const first = changeSlots(state, FIVE);
    applyNext(state, first);
    becomes(state, [incarnationOf(0), incarnationOf(1), incarnationOf(2)]);
    change(state, THREE);
    // The slots are as they were when it was given.
    const replayed = { ...first, requestKey: key(900) };
    expect(applyNext(state, replayed).result).toMatchObject({
      code: 'SLOTS_NUMBER_STALE',
      expected: '2',
      found: '0',
    });
    const renumbered = { ...first, requestKey: key(901), number: 2 };
    expect(applyNext(state, renumbered).result).toMatchObject({
      code: 'APPROVAL_SIGNATURE_INVALID',
    });
    const early = changeSlots(state, FIVE, { requestKey: key(902) });
    applyNext(state, setManifest(state, manifestBytes(), { requestKey: key(903) }));
    expect(applyNext(state, early).result).toMatchObject({ kind: 'conflict' });
  });

  it('is not one of a manifest, and the other way round', () => {
    const state = foundedState();
    const { approvals } = setManifest(state, manifestBytes());
    expect(change(state, FIVE, { approvals })).toMatchObject({
      code: 'APPROVAL_SIGNATURE_INVALID',
    });
    const slots = changeSlots(state, FIVE).approvals;
    const update = setManifest(state, manifestBytes(), { requestKey: key(9), approvals: slots });
    expect(applyNext(state, update).result).toMatchObject({ code: 'APPROVAL_SIGNATURE_INVALID' });
  });

  it('takes as many owners as an update, each counted once', () => {
    const [second, third] = [testKey(), testKey()];
    const state = newState();
    const two = bytesOf(draftManifest([owner, second], 2));
    const approvals = [owner, second].map((by) => approvalFor(state, two, by));
    applyNext(state, setManifest(state, two, { requestKey: key(0), approvals }));
    const doubled = change(state, FIVE, { by: [owner, owner], requestKey: key(1) });
    expect(doubled).toMatchObject({ code: 'APPROVALS_TOO_FEW', expected: '2', found: '1' });
    const alone = change(state, FIVE, { by: [owner], requestKey: key(2) });
    expect(alone).toMatchObject({ code: 'APPROVALS_TOO_FEW' });
    const stranger = change(state, FIVE, { by: [owner, third], requestKey: key(3) });
    expect(stranger).toMatchObject({ code: 'APPROVAL_UNKNOWN_OWNER' });
    const both = change(state, FIVE, { by: [owner, second], requestKey: key(4) });
    expect(both).toMatchObject({ kind: 'slots-changed' });
  });
});

describe('slots', () => {
  it.each([
    [[], 'SLOTS_COUNT_REFUSED'],
    [['witan-0', 'witan-1'], 'SLOTS_COUNT_REFUSED'],
    [[...THREE, 'witan-3'], 'SLOTS_COUNT_REFUSED'],
    [[...FIVE, 'witan-5', 'witan-6', 'witan-7', 'witan-8'], 'SLOTS_COUNT_REFUSED'],
    [THREE, 'SLOTS_CHANGE_MIXED'],
    [['witan-9'], 'SLOTS_CHANGE_MIXED'],
    [['witan-0', 'witan-1', 'witan-2', 'witan-3', 'witan-3'], 'SLOTS_CHANGE_MIXED'],
    [['witan-0', 'witan-1', 'witan-3', 'witan-4', 'witan-5'], 'SLOTS_CHANGE_MIXED'],
    [['witan-4', 'witan-3', 'witan-2', 'witan-1', 'witan-0'], 'SLOTS_CHANGE_MIXED'],
  ])('%j are refused with %s', (names, code) => {
    const state = foundedState();
    expect(change(state, names)).toMatchObject({ kind: 'refused', code });
    expect(state.slotChanges).toEqual([]);
  });

  it('are not changed before the first manifest', () => {
    expect(change(newState(), FIVE)).toMatchObject({ code: 'SLOTS_NEED_MANIFEST' });
  });

  it('that no recorded change gave are refused in a snapshot (I10)', () => {
    const state = foundedState();
    change(state, FIVE);
    const bytes = state.encodeSnapshot();
    const at = Buffer.from(bytes).indexOf('witan-4');
    const altered = bytes.with(at + 6, '5'.charCodeAt(0));
    expect(() => StateMachine.decodeSnapshot(altered, reading)).toThrow(
      expect.objectContaining({ code: 'SNAPSHOT_MALFORMED' }),
    );
  });
});
