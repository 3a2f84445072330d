/**
 * Steps of rotations whose approvals are collected one by one, from owners and through hosts that
 * may be hostile: each approval is good for one step at one place in one history (I6).
 */
import { describe, expect, it } from 'vitest';
import { epoch, slotName, unixMillis, type UnixMillis } from '@witan/core';
import {
  decodeLeaf,
  manifestDigest,
  rotationBytes,
  rotationOfText,
  type Approval,
  type LogLeaf,
  type RotationStep,
} from '@witan/manifest';
import {
  contentOf,
  PROPOSALS_PER_OWNER_MAX,
  proposalId,
  type CommandResult,
  type ProposedAction,
} from '../src/index.ts';
import { CLOCK_MS, jwsApproval, useVersion, withdrawal } from '../testing/approvals.ts';
import { bytesOf, draftManifest, testKey, type TestKey } from '../testing/keys.ts';
import {
  applyNext,
  cluster,
  incarnationOf,
  key,
  newState,
  nodeCrypto,
  owner,
  reopened,
  restored,
  rotate,
  setManifest,
  type State,
} from '../testing/support.ts';

const [bob, carol] = [testKey(), testKey()];
const owners = [owner, bob, carol];
const DAY_MS = 86_400_000;
let keys = 0;

function stepOf(words: string): RotationStep {
  return rotationOfText(words) ?? expect.fail(`no step: ${words}`);
}

function founded(threshold = 2): State {
  const state = newState();
  const manifest = bytesOf(draftManifest(owners, threshold));
  setOn(state, manifest);
  useVersion(state);
  return state;
}

function setOn(state: State, manifest: Uint8Array): void {
  const content = contentOf(state, { kind: 'manifest', manifest }, nodeCrypto);
  const approvals = owners.map((by) => jwsApproval(by, content));
  keys += 1;
  const how = { requestKey: key(keys), approvals, timeMs: CLOCK_MS };
  expect(applyNext(state, setManifest(state, manifest, how)).result.kind).toBe('manifest-set');
}

function action(state: State, words: string): ProposedAction {
  return { kind: 'rotation', number: state.rotations.records.length, step: stepOf(words) };
}

function approvalOf(state: State, by: TestKey, words: string, seconds = 86_400): Approval {
  return jwsApproval(by, contentOf(state, action(state, words), nodeCrypto), seconds);
}

interface How {
  readonly approval?: Approval;
  readonly timeMs?: UnixMillis;
  readonly action?: ProposedAction;
}

function approve(state: State, by: TestKey, words: string, how: How = {}): CommandResult {
  return applyNext(state, {
    kind: 'approve',
    previousTransition: state.head,
    action: how.action ?? action(state, words),
    approval: how.approval ?? approvalOf(state, by, words),
    timeMs: how.timeMs ?? CLOCK_MS,
  }).result;
}

function leavesFrom({ log }: State, from: number): readonly LogLeaf[] {
  return Array.from({ length: log.size - from }, (_, at) =>
    decodeLeaf(log.leafBytes(from + at) ?? expect.fail()),
  );
}

/** The step itself, with approvals from wherever. */
function take(state: State, words: string, approvals: readonly Approval[], timeMs = CLOCK_MS) {
  keys += 1;
  const command = rotate(state, words, { requestKey: key(keys) });
  return applyNext(state, { ...command, approvals, timeMs }).result;
}

const idOf = (state: State, words: string) =>
  proposalId(contentOf(state, action(state, words), nodeCrypto), nodeCrypto);

const refusal = (code: string) => ({ kind: 'refused', code });

describe('steps of rotations that owners approve one by one', () => {
  it('wait in the state and in snapshots, and are taken once (I6)', () => {
    const state = founded();
    const first = approve(state, owner, 'root prepare');
    expect(first).toMatchObject({ kind: 'approval-recorded', count: 1, needed: 2, isNew: true });
    expect(restored(state).proposals).toEqual(state.proposals);
    expect(restored(state).encodeSnapshot()).toEqual(state.encodeSnapshot());
    expect(approve(state, owner, 'root prepare')).toMatchObject({ count: 1, isNew: false });
    expect(approve(state, bob, 'root prepare')).toMatchObject(refusal('APPROVALS_COMPLETE'));
    const all = [...(state.proposals[0]?.approvals ?? []), approvalOf(state, bob, 'root prepare')];
    expect(take(state, 'root prepare', all)).toMatchObject({ kind: 'rotated', number: 1 });
    expect(state.proposals).toEqual([]);
    // The same approvals again: neither as a change, nor one by one after it took effect.
    expect(take(state, 'root prepare', all)).toMatchObject(refusal('ROTATION_STEP_REFUSED'));
    const late: ProposedAction = { kind: 'rotation', number: 0, step: stepOf('root prepare') };
    const [approval] = all;
    const arrived = approve(state, owner, '', { action: late, ...(approval && { approval }) });
    expect(arrived).toMatchObject(refusal('ROTATION_NUMBER_STALE'));
    expect(state.rotations.records).toHaveLength(1);
  });

  it('are leaves of the audit log one by one, also those that are withdrawn', () => {
    const state = founded();
    const before = state.log.size;
    approve(state, owner, 'root prepare');
    // Known already, or refused: nothing happened.
    approve(state, owner, 'root prepare');
    approve(state, bob, 'root prepare');
    const id = idOf(state, 'root prepare');
    const taken = withdrawal(state, owner, id);
    for (let times = 0; times < 2; times += 1) applyNext(state, taken);
    const five = ['witan-0', 'witan-1', 'witan-2', 'witan-3', 'witan-4'].map(slotName);
    const slots: ProposedAction = { kind: 'slots', number: 0, slots: five };
    const manifest: ProposedAction = {
      kind: 'manifest',
      manifest: bytesOf(draftManifest(owners, 3)),
    };
    for (const one of [slots, manifest]) {
      const approval = jwsApproval(carol, contentOf(state, one, nodeCrypto));
      approve(state, carol, '', { action: one, approval });
    }
    const [first, second, ...others] = leavesFrom(state, before);
    const { fingerprint } = owner;
    const action = `proposal ${id} rotation 1: root prepare`;
    expect(first).toMatchObject({ kind: 'approval', owner: fingerprint, action });
    expect(second).toMatchObject({ kind: 'withdrawal', owner: fingerprint, proposal: id });
    const digest = manifestDigest(bytesOf(draftManifest(owners, 3)), nodeCrypto);
    expect(others.map((leaf) => (leaf.kind === 'approval' ? leaf.action.slice(74) : ''))).toEqual([
      'slots 1',
      `manifest ${digest}`,
    ]);
    expect(restored(state).log.head()).toEqual(state.log.head());
  });

  it('leave no leaf while a member of before would leave none: heads stay the same (I6)', () => {
    const state = newState();
    setOn(state, bytesOf(draftManifest(owners, 2)));
    const before = state.log.head();
    approve(state, owner, 'sealing');
    applyNext(state, withdrawal(state, owner, idOf(state, 'sealing')));
    expect(state.log.head()).toEqual(before);
  });

  it('drop what else waited for the same place: of two that race one is taken', () => {
    const state = founded();
    approve(state, owner, 'sealing');
    approve(state, bob, 'mesh-ca prepare');
    expect(state.proposals).toHaveLength(2);
    const other = approvalOf(state, carol, 'mesh-ca prepare');
    const lost = [...(state.proposals[1]?.approvals ?? []), other];
    const won = [...(state.proposals[0]?.approvals ?? []), approvalOf(state, bob, 'sealing')];
    expect(take(state, 'sealing', won)).toMatchObject({ kind: 'rotated', number: 1 });
    expect(state.proposals).toEqual([]);
    expect(take(state, 'mesh-ca prepare', lost)).toMatchObject(
      refusal('APPROVAL_SIGNATURE_INVALID'),
    );
    // A manifest that waits is not touched by a step.
    const manifest = bytesOf(draftManifest(owners, 1));
    const waiting = { kind: 'manifest', manifest } as const;
    const content = contentOf(state, waiting, nodeCrypto);
    approve(state, owner, '', { action: waiting, approval: jwsApproval(owner, content) });
    take(state, 'sealing', [
      approvalOf(state, owner, 'sealing'),
      approvalOf(state, carol, 'sealing'),
    ]);
    expect(state.proposals).toMatchObject([{ action: { kind: 'manifest' } }]);
  });

  it('take no approval of another step, epoch, place, transition or cluster (I6)', () => {
    const state = founded();
    const { epoch: era, head: previousTransition } = state;
    const subject = { clusterId: cluster, epoch: era, previousTransition, number: 0 };
    const step = stepOf('sealing');
    const others = [
      { ...subject, step: stepOf('root prepare') },
      { ...subject, step: stepOf('root prepare force') },
      { ...subject, step, epoch: epoch(era + 1) },
      { ...subject, step, number: 1 },
      { ...subject, step, previousTransition: idOf(state, 'sealing') },
      { ...subject, step, clusterId: 'ee'.repeat(32) as typeof cluster },
    ];
    for (const other of others) {
      const approval = jwsApproval(owner, rotationBytes(other));
      expect(approve(state, owner, 'sealing', { approval })).toMatchObject(
        refusal('APPROVAL_SIGNATURE_INVALID'),
      );
    }
    expect(state.proposals).toEqual([]);
    expect(approve(state, testKey(), 'sealing')).toMatchObject(refusal('APPROVAL_UNKNOWN_OWNER'));
    const early = approve(state, owner, 'root retire');
    expect(early).toMatchObject(refusal('ROTATION_STEP_REFUSED'));
    const unknown = approve(state, owner, 'secret nobody-lists-it');
    expect(unknown).toMatchObject(refusal('ROTATION_SECRET_UNKNOWN'));
    expect(approve(newState(), owner, 'sealing')).toMatchObject(refusal('PROPOSAL_NEEDS_MANIFEST'));
  });

  it('are void after another manifest and after a full recovery', () => {
    const state = founded();
    const seen = approvalOf(state, owner, 'sealing');
    approve(state, owner, 'sealing', { approval: seen });
    const opened = reopened(state, [incarnationOf(0, 1), incarnationOf(1, 1)]);
    expect(opened.proposals).toEqual([]);
    expect(approve(opened, owner, 'sealing', { approval: seen })).toMatchObject(
      refusal('APPROVAL_SIGNATURE_INVALID'),
    );
    setOn(state, bytesOf(draftManifest(owners, 3)));
    expect(state.proposals).toEqual([]);
    expect(approve(state, owner, 'sealing', { approval: seen })).toMatchObject(
      refusal('APPROVAL_SIGNATURE_INVALID'),
    );
  });

  it('do not count what its owner withdrew, one by one or all at once', () => {
    const state = founded();
    const seen = approvalOf(state, owner, 'sealing');
    approve(state, owner, 'sealing', { approval: seen });
    const proposal = idOf(state, 'sealing');
    const taken = applyNext(state, withdrawal(state, owner, proposal)).result;
    expect(taken).toMatchObject({ kind: 'approval-withdrawn', isNew: true });
    const copy = restored(state);
    for (const one of [state, copy]) {
      const again = approve(one, owner, 'sealing', { approval: seen });
      expect(again).toMatchObject(refusal('APPROVAL_WITHDRAWN'));
      const both = [seen, approvalOf(one, bob, 'sealing')];
      expect(take(one, 'sealing', both)).toMatchObject(refusal('APPROVAL_WITHDRAWN'));
    }
    const anew = approvalOf(state, owner, 'sealing', 2 * 86_400);
    expect(approve(state, owner, 'sealing', { approval: anew })).toMatchObject({ count: 1 });
  });

  it('that were withdrawn count as before while a member of before may apply the step', () => {
    const state = newState();
    setOn(state, bytesOf(draftManifest(owners, 2)));
    applyNext(state, withdrawal(state, owner, idOf(state, 'sealing')));
    const both = [approvalOf(state, owner, 'sealing', 60), approvalOf(state, bob, 'sealing')];
    expect(take(state, 'sealing', both)).toMatchObject({ kind: 'rotated' });
  });

  it('expire by the time that the leader stamps, and by no other (I5)', () => {
    const state = founded();
    const seen = approvalOf(state, owner, 'sealing');
    approve(state, owner, 'sealing', { approval: seen });
    const later = unixMillis(CLOCK_MS + 2 * DAY_MS);
    const fresh = approvalOf(state, bob, 'sealing', 3 * 86_400);
    expect(take(restored(state), 'sealing', [seen, fresh], later)).toMatchObject(
      refusal('APPROVAL_EXPIRED'),
    );
    const late = approve(state, bob, 'sealing', { approval: fresh, timeMs: later });
    expect(late).toMatchObject({ kind: 'approval-recorded', count: 1, needed: 2 });
    expect(state.proposals).toMatchObject([{ opener: bob.fingerprint }]);
  });

  it('fill no more places than each owner has, together with all other changes (I10)', () => {
    const state = founded(3);
    const words = ['sealing', 'root prepare', 'mesh-ca prepare'];
    for (const one of words.slice(0, PROPOSALS_PER_OWNER_MAX)) {
      expect(approve(state, bob, one)).toMatchObject({ count: 1 });
    }
    const flood = approve(state, bob, words[PROPOSALS_PER_OWNER_MAX] ?? '');
    expect(flood).toMatchObject(refusal('PROPOSALS_FULL'));
    expect(approve(state, owner, 'mesh-ca prepare')).toMatchObject({ count: 1 });
    expect(approve(state, bob, 'mesh-ca prepare')).toMatchObject({ count: 2 });
  });
});
