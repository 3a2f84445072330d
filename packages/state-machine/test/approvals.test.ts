/** Approvals that are collected one by one, from owners who may be hostile (I6, I10). */
import { describe, expect, it } from 'vitest';
import { fromHex, sha256Hex, slotName, unixMillis, type UnixMillis } from '@witan/core';
import {
  detachedJws,
  revocationBytes,
  signingInput,
  type Approval,
  type ApprovalUse,
} from '@witan/manifest';
import {
  contentOf,
  decodeCommand,
  encodeCommand,
  liveApprovals,
  proposalId,
  PROPOSALS_PER_OWNER_MAX,
  StateMachine,
  WITHDRAWALS_PER_OWNER_MAX,
  type ApproveCommand,
  type CommandResult,
  type ProposedAction,
  type WithdrawCommand,
} from '../src/index.ts';
import {
  bytesOf,
  draftManifest,
  edited,
  signWith,
  testKey,
  type TestKey,
} from '../testing/keys.ts';
import {
  applyNext,
  changeSlots,
  cluster,
  headerFor,
  incarnationOf,
  key,
  newState,
  nodeCrypto,
  owner,
  reading,
  reopened,
  restored,
  setManifest,
  type State,
} from '../testing/support.ts';

const NOW = unixMillis(1_800_000_000_000);
const DAY_S = 86_400;
const bob = testKey();
const carol = testKey();
const owners = [owner, bob, carol];

function manifestOf(note = 'a', threshold = 2, of: readonly TestKey[] = owners): Uint8Array {
  const draft = draftManifest(of, threshold);
  return bytesOf(edited(draft, { coordinators: [{ measurement: note }] }));
}

function founded(threshold = 2): State {
  const state = newState();
  const manifest = manifestOf('first', threshold);
  const action = { kind: 'manifest', manifest } as const;
  const approvals = owners.map((by) => jws(by, contentOf(state, action, nodeCrypto)));
  const command = setManifest(state, manifest, { requestKey: key(0), approvals, timeMs: NOW });
  expect(applyNext(state, command).result.kind).toBe('manifest-set');
  return state;
}

interface Signing {
  readonly afterSeconds?: number;
  readonly use?: ApprovalUse;
}

function jws(by: TestKey, content: Uint8Array, how: Signing = {}): Approval {
  const { afterSeconds = DAY_S, use = 'witan-approval+jws' } = how;
  const expiresSeconds = NOW / 1000 + afterSeconds;
  const header = { algorithm: 'ES256', expiresSeconds, owner: by.fingerprint, use } as const;
  const signature = detachedJws(header, signWith(by, signingInput(header, content)));
  return { ownerFingerprint: by.fingerprint, signature };
}

const manifestAction = (manifest = manifestOf()): ProposedAction => ({
  kind: 'manifest',
  manifest,
});

function approve(
  state: State,
  by: TestKey,
  action = manifestAction(),
  how: Signing & { readonly timeMs?: UnixMillis; readonly approval?: Approval } = {},
): CommandResult {
  const command: ApproveCommand = {
    kind: 'approve',
    previousTransition: state.head,
    action,
    approval: how.approval ?? jws(by, contentOf(state, action, nodeCrypto), how),
    timeMs: how.timeMs ?? NOW,
  };
  expect(decodeCommand(encodeCommand(command))).toEqual(command);
  return applyNext(state, command).result;
}

const idOf = (state: State, action = manifestAction()) =>
  proposalId(contentOf(state, action, nodeCrypto), nodeCrypto);

function withdraw(
  state: State,
  by: TestKey,
  proposal = idOf(state),
  how: Signing = {},
): CommandResult {
  const content = revocationBytes({ clusterId: cluster, previousTransition: state.head, proposal });
  const revocation = jws(by, content, { afterSeconds: 600, use: 'witan-revocation+jws', ...how });
  const command: WithdrawCommand = { kind: 'withdraw', proposal, revocation, timeMs: NOW };
  expect(decodeCommand(encodeCommand(command))).toEqual(command);
  return applyNext(state, command).result;
}

const refusal = (code: string) => ({ kind: 'refused', code });

describe('approvals one by one', () => {
  it('are recorded, known again, and kept in snapshots', () => {
    const state = founded(3);
    const proposal = idOf(state);
    const first = { kind: 'approval-recorded', proposal, isNew: true, count: 1, needed: 3 };
    expect(approve(state, owner)).toEqual(first);
    expect(approve(state, owner)).toEqual({ ...first, isNew: false });
    expect(approve(state, bob)).toEqual({ ...first, count: 2 });
    const [kept] = restored(state).proposals;
    expect(kept).toEqual(state.proposals[0]);
    expect(kept).toMatchObject({ id: proposal, opener: owner.fingerprint });
    expect(restored(state).encodeSnapshot()).toEqual(state.encodeSnapshot());
    // Whoever saw a signature and makes another of it gains no second voice.
    const again = jws(owner, contentOf(state, manifestAction(), nodeCrypto));
    expect(approve(state, owner, manifestAction(), { approval: again })).toMatchObject({
      count: 2,
    });
  });

  it('that complete a change leave it to the change itself, which happens once (I6)', () => {
    const state = founded();
    expect(approve(state, owner)).toMatchObject({ count: 1, needed: 2 });
    expect(approve(state, bob)).toMatchObject(refusal('APPROVALS_COMPLETE'));
    expect(state.proposals[0]?.approvals).toHaveLength(1);
    const content = contentOf(state, manifestAction(), nodeCrypto);
    const approvals = [...(state.proposals[0]?.approvals ?? []), jws(bob, content)];
    const command = setManifest(state, manifestOf(), {
      requestKey: key(7),
      approvals,
      timeMs: NOW,
    });
    expect(applyNext(state, command).result).toMatchObject({ kind: 'manifest-set', generation: 2 });
    expect(state.proposals).toEqual([]);
    const second = { ...command, requestKey: key(8) };
    expect(applyNext(state, second).result).toMatchObject({ kind: 'conflict' });
    expect(state.generation).toBe(2);
  });

  it('count no longer once another manifest is in force, even by owners who stay (I6)', () => {
    const state = founded();
    const action = manifestAction();
    const old = jws(bob, contentOf(state, action, nodeCrypto));
    approve(state, owner);
    const onlyCarol = manifestOf('new owners', 1, [carol, bob]);
    const content = contentOf(state, manifestAction(onlyCarol), nodeCrypto);
    const approvals = [jws(owner, content), jws(bob, content)];
    applyNext(state, setManifest(state, onlyCarol, { requestKey: key(7), approvals, timeMs: NOW }));
    expect(state.generation).toBe(2);
    expect(state.proposals).toEqual([]);
    expect(approve(state, owner, action)).toMatchObject(refusal('APPROVAL_UNKNOWN_OWNER'));
    const replayed = approve(state, bob, action, { approval: old });
    expect(replayed).toMatchObject(refusal('APPROVAL_SIGNATURE_INVALID'));
    const stale: ApproveCommand = {
      kind: 'approve',
      previousTransition: sha256Hex('ee'.repeat(32)),
      action,
      approval: old,
      timeMs: NOW,
    };
    expect(applyNext(state, stale).result).toMatchObject({ kind: 'conflict' });
  });

  it('expire by the time in the log, and make room (I5)', () => {
    const state = founded(3);
    const later = unixMillis(NOW + 2 * DAY_S * 1000);
    approve(state, owner);
    const [proposal] = state.proposals;
    if (proposal === undefined) throw new Error('nothing was proposed');
    expect(liveApprovals(proposal, NOW)).toHaveLength(1);
    expect(liveApprovals(proposal, later)).toHaveLength(0);
    const late = approve(state, bob, manifestAction(), { timeMs: later, afterSeconds: DAY_S });
    expect(late).toMatchObject(refusal('APPROVAL_EXPIRED'));
    const far = approve(state, bob, manifestAction(), { afterSeconds: 31 * DAY_S });
    expect(far).toMatchObject(refusal('APPROVAL_EXPIRY_TOO_FAR'));
    const fresh = approve(state, bob, manifestAction(), { timeMs: later, afterSeconds: 3 * DAY_S });
    expect(fresh).toMatchObject({ count: 1, needed: 3 });
    expect(state.proposals).toMatchObject([{ opener: bob.fingerprint }]);
  });

  it('are withdrawn for good, but not against a later one', () => {
    const state = founded();
    const content = contentOf(state, manifestAction(), nodeCrypto);
    const seen = jws(owner, content);
    approve(state, owner, manifestAction(), { approval: seen });
    const proposal = idOf(state);
    expect(withdraw(state, owner)).toEqual({ kind: 'approval-withdrawn', proposal, isNew: true });
    expect(state.proposals).toEqual([]);
    expect(withdraw(state, owner)).toMatchObject({ isNew: false });
    const replay = approve(state, owner, manifestAction(), { approval: seen });
    expect(replay).toMatchObject(refusal('APPROVAL_WITHDRAWN'));
    // Not in one step either, nor after a snapshot.
    const approvals = [seen, jws(bob, content)];
    const command = setManifest(state, manifestOf(), {
      requestKey: key(7),
      approvals,
      timeMs: NOW,
    });
    expect(applyNext(restored(state), command).result).toMatchObject(refusal('APPROVAL_WITHDRAWN'));
    const later = approve(state, owner, manifestAction(), { afterSeconds: DAY_S + 1 });
    expect(later).toMatchObject({ count: 1 });
    // The old withdrawal, sent again by whoever saw it, does nothing.
    expect(withdraw(state, owner)).toMatchObject({ isNew: false });
    expect(state.proposals).toHaveLength(1);
  });

  it('are withdrawn by their owner alone, and by nothing but a withdrawal', () => {
    const state = founded();
    approve(state, owner);
    const stranger = testKey();
    expect(withdraw(state, stranger)).toMatchObject(refusal('APPROVAL_UNKNOWN_OWNER'));
    const asApproval = withdraw(state, owner, idOf(state), { use: 'witan-approval+jws' });
    expect(asApproval).toMatchObject(refusal('APPROVAL_MALFORMED'));
    expect(withdraw(state, bob)).toMatchObject({ isNew: true });
    expect(state.proposals[0]?.approvals).toHaveLength(1);
  });

  it('are not withdrawn by who approves nothing: an auditor, a holder of a share', () => {
    const state = newState();
    const roles = { 'owners/1/roles': ['auditor'], 'owners/2/roles': ['recovery'] };
    const manifest = bytesOf(edited(draftManifest(owners, 1), { ...roles, recoveryThreshold: 1 }));
    const content = contentOf(state, { kind: 'manifest', manifest }, nodeCrypto);
    const change = { requestKey: key(0), approvals: [jws(owner, content)], timeMs: NOW };
    const recoveryHeader = headerFor([carol]);
    applyNext(state, setManifest(state, manifest, { ...change, recoveryHeader }));
    expect(state.generation).toBe(1);
    for (const by of [bob, carol]) {
      expect(withdraw(state, by)).toMatchObject(refusal('APPROVAL_ROLE_MISSING'));
    }
    expect(state.withdrawals).toEqual([]);
    expect(withdraw(state, owner)).toMatchObject({ isNew: true });
  });

  it('take places of their own owner alone, so that a hostile one fills none (I10)', () => {
    const state = founded(3);
    for (let at = 0; at < PROPOSALS_PER_OWNER_MAX; at += 1) {
      expect(approve(state, bob, manifestAction(manifestOf(`b${at}`)))).toMatchObject({ count: 1 });
    }
    const flood = approve(state, bob, manifestAction(manifestOf('one more')));
    expect(flood).toMatchObject(refusal('PROPOSALS_FULL'));
    expect(approve(state, owner, manifestAction(manifestOf('mine')))).toMatchObject({ count: 1 });
    // Approving what others opened takes no place.
    expect(approve(state, bob, manifestAction(manifestOf('mine')))).toMatchObject({ count: 2 });
    for (let at = 0; at < WITHDRAWALS_PER_OWNER_MAX; at += 1) {
      withdraw(state, bob, sha256Hex(String(at).padStart(64, '0')));
    }
    const full = withdraw(state, bob, sha256Hex('ab'.repeat(32)));
    expect(full).toMatchObject(refusal('WITHDRAWALS_FULL'));
    expect(withdraw(state, owner, idOf(state, manifestAction(manifestOf('mine'))))).toMatchObject({
      isNew: true,
    });
    expect(restored(state).encodeSnapshot()).toEqual(state.encodeSnapshot());
  });

  it('of others do not keep the places of an owner who withdraws, or whose own expire', () => {
    const state = founded(3);
    const changes = ['one', 'two', 'three', 'four', 'five'].map((note) =>
      manifestAction(manifestOf(note)),
    );
    const [one, two, three, four, five] = changes;
    for (const change of [one, two]) {
      expect(approve(state, owner, change)).toMatchObject({ count: 1 });
      expect(approve(state, bob, change, { afterSeconds: 20 * DAY_S })).toMatchObject({ count: 2 });
    }
    for (const change of [one, two]) withdraw(state, owner, idOf(state, change));
    expect(state.proposals.map(({ opener }) => opener)).toEqual([bob.fingerprint, bob.fingerprint]);
    // They are bob's now, so that no owner has more than his places in any way.
    expect(approve(state, bob, five)).toMatchObject(refusal('PROPOSALS_FULL'));
    for (const change of [three, four]) {
      expect(approve(state, owner, change)).toMatchObject({ count: 1 });
      expect(approve(state, bob, change, { afterSeconds: 20 * DAY_S })).toMatchObject({ count: 2 });
    }
    expect(approve(state, owner, five)).toMatchObject(refusal('PROPOSALS_FULL'));
    // A day later the owner's have expired. Bob has no place for them, so they are gone.
    const later = { timeMs: unixMillis(NOW + 2 * DAY_S * 1000), afterSeconds: 3 * DAY_S };
    expect(approve(state, owner, five, later)).toMatchObject({ count: 1 });
    expect(state.proposals.map(({ opener }) => opener).toSorted()).toEqual(
      [bob.fingerprint, bob.fingerprint, owner.fingerprint].toSorted(),
    );
    expect(restored(state).encodeSnapshot()).toEqual(state.encodeSnapshot());
  });

  it('need a manifest in force, a good one to follow, and a JWS', () => {
    expect(approve(newState(), owner)).toMatchObject(refusal('PROPOSAL_NEEDS_MANIFEST'));
    const state = founded();
    const bad = manifestAction(bytesOf({ apiVersion: 'witan.dev/v1' }));
    expect(approve(state, owner, bad)).toMatchObject(refusal('MANIFEST_MISSING_FIELD'));
    const { updateThreshold: _, ...draft } = draftManifest([]);
    const lockout = manifestAction(bytesOf({ ...draft, owners: [] }));
    expect(approve(state, owner, lockout)).toMatchObject(refusal('MANIFEST_NO_UPDATE_OWNER'));
    const content = contentOf(state, manifestAction(), nodeCrypto);
    const raw = { ownerFingerprint: owner.fingerprint, signature: signWith(owner, content) };
    const endless = approve(state, owner, manifestAction(), { approval: raw });
    expect(endless).toMatchObject(refusal('APPROVAL_MALFORMED'));
    expect(state.proposals).toEqual([]);
  });

  it('of slots are collected alike, and are gone with the list that they build on', () => {
    const five = ['witan-0', 'witan-1', 'witan-2', 'witan-3', 'witan-4'].map(slotName);
    const action: ProposedAction = { kind: 'slots', number: 0, slots: five };
    const state = founded();
    expect(approve(state, owner, action)).toMatchObject({ count: 1, needed: 2 });
    approve(state, owner);
    const even: ProposedAction = { ...action, slots: five.slice(0, 4) };
    expect(approve(state, owner, even)).toMatchObject(refusal('SLOTS_COUNT_REFUSED'));
    const content = contentOf(state, action, nodeCrypto);
    const approvals = [...(state.proposals[0]?.approvals ?? []), jws(carol, content)];
    const command = changeSlots(state, five, { approvals, timeMs: NOW });
    const withdrawn = restored(state);
    withdraw(withdrawn, carol, idOf(state, action), { afterSeconds: DAY_S });
    expect(applyNext(withdrawn, command).result).toMatchObject(refusal('APPROVAL_WITHDRAWN'));
    expect(applyNext(state, command).result).toMatchObject({ kind: 'slots-changed' });
    expect(state.proposals).toMatchObject([{ action: { kind: 'manifest' } }]);
    expect(approve(state, owner, action)).toMatchObject(refusal('SLOTS_NUMBER_STALE'));
  });

  it('do not outlive a full recovery', () => {
    const state = founded();
    approve(state, owner);
    expect(reopened(state, [incarnationOf(0, 1), incarnationOf(1, 1)]).proposals).toEqual([]);
  });

  it('that were withdrawn stay void after a full recovery, whoever kept them (I6)', () => {
    const state = founded();
    const content = contentOf(state, manifestAction(), nodeCrypto);
    const seen = jws(owner, content);
    approve(state, owner, manifestAction(), { approval: seen });
    withdraw(state, owner);
    const recovered = restored(reopened(state, [incarnationOf(0, 1), incarnationOf(1, 1)]));
    expect(contentOf(recovered, manifestAction(), nodeCrypto)).toEqual(content);
    expect(approve(recovered, owner, manifestAction(), { approval: seen })).toMatchObject(
      refusal('APPROVAL_WITHDRAWN'),
    );
    const approvals = [seen, jws(bob, content)];
    const command = setManifest(recovered, manifestOf(), {
      requestKey: key(8),
      approvals,
      timeMs: NOW,
    });
    expect(applyNext(recovered, command).result).toMatchObject(refusal('APPROVAL_WITHDRAWN'));
  });

  it('in a snapshot for another transition are no snapshot', () => {
    const state = founded();
    approve(state, owner);
    const bytes = state.encodeSnapshot();
    const at = Buffer.from(bytes).lastIndexOf(Buffer.from(fromHex(state.head)));
    const changed = bytes.with(at, bytes[at] === 0 ? 1 : 0);
    expect(() => StateMachine.decodeSnapshot(changed, reading)).toThrow(
      expect.objectContaining({ code: 'SNAPSHOT_MALFORMED' }),
    );
  });
});
