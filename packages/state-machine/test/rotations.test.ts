/** Rotations, one approved step after the other, and certificates that end before their time. */
import { describe, expect, it } from 'vitest';
import { clusterId, epoch, sha256Hex, unixMillis } from '@witan/core';
import { rotationOfText, rotationText } from '@witan/manifest';
import {
  decodeCommand,
  encodeCommand,
  heldSinceBefore,
  type CommandResult,
  type IssuedIdentity,
} from '../src/index.ts';
import { testKey } from '../testing/keys.ts';
import {
  applyNext,
  DAY_MS,
  foundedState,
  issue,
  key,
  manifestBytes,
  meshCaCertificate,
  newState,
  nodeCrypto,
  owner,
  reopened,
  restored,
  rootCertificate,
  rotate,
  setManifest,
  type State,
} from '../testing/support.ts';

function take(state: State, words: string, how: Parameters<typeof rotate>[2] = {}): CommandResult {
  const requestKey = key(30_000 + state.appliedIndex);
  return applyNext(state, rotate(state, words, { requestKey, ...how })).result;
}

const isRevoked = (state: State, record: IssuedIdentity): boolean =>
  state.revocationOf(record) !== undefined;

let issues = 0;

/** Issues a certificate for a key. */
function certify(state: State, spki: string, workload = 'web'): IssuedIdentity {
  issues += 1;
  const serial = issues.toString(16).padStart(32, '1');
  const spkiSha256 = sha256Hex(spki.repeat(32));
  const command = issue(state, { requestKey: key(10_000 + issues), serial, spkiSha256, workload });
  const { result } = applyNext(state, command);
  return result.kind === 'issued' ? result.record : expect.fail(JSON.stringify(result));
}

function update(state: State, manifest: Uint8Array): CommandResult {
  const change = { requestKey: key(20_000 + state.generation), timeMs: unixMillis(100 * DAY_MS) };
  return applyNext(state, setManifest(state, manifest, change)).result;
}

describe('a step of a rotation', () => {
  it('is recorded with who approved it, and survives snapshots and recoveries (I8)', () => {
    const state = foundedState();
    expect(take(state, 'secret database')).toEqual({ kind: 'rotated', number: 1, version: 2 });
    expect(take(state, 'mesh-ca prepare')).toEqual({ kind: 'rotated', number: 2, version: 1 });
    expect(take(state, 'sealing')).toEqual({ kind: 'rotated', number: 3, version: 0 });
    const [first] = state.rotations.records;
    expect(first?.approvals.map(({ ownerFingerprint }) => ownerFingerprint)).toEqual([
      owner.fingerprint,
    ]);
    for (const copy of [restored(state), reopened(state)]) {
      expect(copy.rotations.records).toEqual(state.rotations.records);
      expect(copy.rotations.meshCa).toEqual(state.rotations.meshCa);
      expect(copy.rotations.secretVersion('database')).toBe(2);
    }
    expect(restored(state).encodeSnapshot()).toEqual(state.encodeSnapshot());
  });

  it('asks for new sealing keys once, and not again in a retry', () => {
    const state = foundedState();
    const command = rotate(state, 'sealing');
    expect(applyNext(state, command)).toMatchObject({ rekeys: true, repeated: false });
    expect(applyNext(state, command)).toMatchObject({ rekeys: false, repeated: true });
    expect(applyNext(state, rotate(state, 'secret database')).rekeys).toBe(false);
  });

  it.each<[string, Parameters<typeof rotate>[2], string]>([
    [
      'another cluster',
      { subject: { clusterId: clusterId('c2'.repeat(32)) } },
      'SIGNATURE_INVALID',
    ],
    ['another epoch', { subject: { epoch: epoch(2) } }, 'SIGNATURE_INVALID'],
    ['another step', { subject: { step: { target: 'sealing' } } }, 'SIGNATURE_INVALID'],
    ['an earlier place', { subject: { number: 7 } }, 'SIGNATURE_INVALID'],
    ['a stranger', { by: [testKey()] }, 'UNKNOWN_OWNER'],
    ['nobody', { by: [] }, 'TOO_FEW'],
  ])('is refused with the approval of %s', (_what, how, code) => {
    const state = foundedState();
    const before = state.rotations.records.length;
    const result = take(state, 'secret database', how);
    expect(result).toMatchObject({
      kind: 'refused',
      code: expect.stringContaining(code) as string,
    });
    expect(state.rotations.records).toHaveLength(before);
  });

  it('is good for one place: a replayed approval does nothing', () => {
    const state = foundedState();
    const command = rotate(state, 'secret database');
    applyNext(state, command);
    const replayed = { ...command, requestKey: key(42) };
    expect(applyNext(state, replayed).result).toMatchObject({ code: 'ROTATION_NUMBER_STALE' });
    const moved = { ...replayed, requestKey: key(43), number: 1 };
    expect(applyNext(state, moved).result).toMatchObject({ code: 'APPROVAL_SIGNATURE_INVALID' });
    update(state, manifestBytes({ 'workloads/db': undefined }));
    expect(applyNext(state, { ...command, requestKey: key(44) }).result).toMatchObject({
      kind: 'conflict',
    });
  });

  it('needs a manifest, and a secret that it lists', () => {
    expect(take(newState(), 'sealing')).toMatchObject({ code: 'ROTATION_NEEDS_MANIFEST' });
    const state = foundedState();
    expect(take(state, 'secret other')).toMatchObject({ code: 'ROTATION_SECRET_UNKNOWN' });
  });

  it('goes above the version that a manifest declares', () => {
    const state = foundedState();
    const secrets = [{ name: 'database', version: 6, kind: 'shared' }];
    update(state, manifestBytes({ 'workloads/web/secrets': secrets }));
    expect(take(state, 'secret database')).toMatchObject({ version: 7 });
  });

  it('travels as one line of text, and no other text is one', () => {
    const lines = ['secret db', 'sealing', 'root prepare', 'mesh-ca activate force', 'root retire'];
    for (const line of lines) {
      const step = rotationOfText(line);
      expect(step && rotationText(step)).toBe(line);
    }
    const others = ['', 'secret', 'secret A', 'secret db force', 'root', 'root undo', 'seed'];
    for (const line of [...others, 'root prepare now', 'root prepare force x', 'sealing force']) {
      expect(rotationOfText(line)).toBeUndefined();
    }
    const command = rotate(foundedState(), 'root prepare');
    expect(decodeCommand(encodeCommand(command))).toEqual(command);
  });
});

describe('the rotation of a CA', () => {
  it('goes from prepare over activate to retire, and no other way', () => {
    const state = foundedState();
    for (const target of ['mesh-ca', 'root']) {
      expect(take(state, `${target} activate`)).toMatchObject({ code: 'ROTATION_STEP_REFUSED' });
      expect(take(state, `${target} retire`)).toMatchObject({ code: 'ROTATION_STEP_REFUSED' });
      expect(take(state, `${target} prepare`)).toMatchObject({ kind: 'rotated' });
      expect(take(state, `${target} prepare`)).toMatchObject({ code: 'ROTATION_STEP_REFUSED' });
      const other = target === 'root' ? 'mesh-ca' : 'root';
      expect(take(state, `${other} prepare`)).toMatchObject({ code: 'ROTATION_STEP_REFUSED' });
      expect(take(state, `${target} activate`)).toMatchObject({ kind: 'rotated' });
      expect(take(state, `${target} retire`)).toMatchObject({ kind: 'rotated' });
    }
  });

  it('gives both mesh CAs out in between', () => {
    const state = foundedState();
    take(state, 'mesh-ca prepare');
    const { beside: next } = state.rotations.meshCa;
    expect(next).toBeDefined();
    expect(state.meshCaCertificate).toEqual(meshCaCertificate);
    take(state, 'mesh-ca activate');
    expect(state.meshCaCertificate).toEqual(next);
    expect(state.rotations.meshCa).toMatchObject({ active: 1, beside: meshCaCertificate });
    take(state, 'mesh-ca retire');
    expect(state.meshCaCertificate).toEqual(next);
    expect(restored(state).rotations.meshCa).toMatchObject({ phase: 'idle', beside: undefined });
  });

  it('ends with a manifest, which brings a mesh CA of its own', () => {
    const state = foundedState();
    take(state, 'mesh-ca prepare');
    take(state, 'mesh-ca activate');
    update(state, manifestBytes({ 'workloads/db': undefined }));
    expect(state.rotations.meshCa).toMatchObject({ phase: 'idle', active: 0, newest: 1 });
    expect(state.meshCaCertificate).toEqual(meshCaCertificate);
    // A number is never given twice.
    expect(take(state, 'mesh-ca prepare')).toMatchObject({ version: 2 });
  });

  it('signs the mesh CA anew under the next root, and keeps the link for ever', () => {
    const state = foundedState();
    take(state, 'root prepare');
    expect(state.rootCertificate).toEqual(rootCertificate);
    const [link] = state.rotations.rootLinks;
    const resigned = Uint8Array.of(48, 9, 9);
    take(state, 'root activate', { certificates: [resigned] });
    expect(state.rootCertificate).toEqual(link?.certificate);
    expect(state.meshCaCertificate).toEqual(resigned);
    expect(state.rotations.root.beside).toEqual(rootCertificate);
    take(state, 'root retire');
    expect(state.rotations.rootLinks).toEqual([link]);
    update(state, manifestBytes({ 'workloads/db': undefined }));
    expect(state.rootCertificate).toEqual(link?.certificate);
  });

  it('takes the certificates that the step brings, and is tried again with others', () => {
    const state = foundedState();
    const result = take(state, 'root prepare', { certificates: [] });
    expect(result).toMatchObject({ code: 'ROTATION_CERTIFICATES_UNFIT', found: '0' });
    expect(take(state, 'root prepare')).toMatchObject({ kind: 'rotated' });
  });

  it('waits for everybody who has not renewed, unless owners force it', () => {
    const state = foundedState();
    certify(state, 'a1');
    certify(state, 'a2');
    take(state, 'mesh-ca prepare');
    const activate = (words = 'mesh-ca activate', at = 100): CommandResult =>
      take(state, words, {
        requestKey: key(900 + state.appliedIndex),
        timeMs: unixMillis(at * DAY_MS),
      });
    expect(activate()).toMatchObject({ code: 'ROTATION_HOLDERS_LEFT', path: 'web', found: '2' });
    certify(state, 'a1');
    expect(activate()).toMatchObject({ code: 'ROTATION_HOLDERS_LEFT', found: '1' });
    expect(heldSinceBefore(state, state.rotations.meshCa.sinceIndex, 100 * DAY_MS)).toHaveLength(1);
    const forced = restored(state);
    expect(take(forced, 'mesh-ca activate force')).toMatchObject({ kind: 'rotated' });
    // Expiry ends the wait as well.
    expect(activate('mesh-ca activate', 101)).toMatchObject({ kind: 'rotated' });
  });
});

describe('a manifest that takes something away', () => {
  const narrowed = { 'workloads/web/referenceValues': [{ measurement: 'ab' }] };

  it.each<[string, Parameters<typeof manifestBytes>[0], readonly string[]]>([
    ['a workload', { 'workloads/web': undefined }, ['web']],
    ['a measurement', narrowed, ['web']],
    [
      'nothing, but adds a measurement',
      { 'workloads/web/referenceValues': [{ measurement: 'ab' }, { measurement: 'aa' }] },
      [],
    ],
    ['nothing of these', { 'workloads/web/dnsNames': ['other'] }, []],
  ])('revokes what was issued: %s', (_what, edits, expected) => {
    const state = foundedState();
    const [web, db] = [certify(state, 'a1'), certify(state, 'b1', 'db')];
    const { revocationNumber } = state;
    update(state, manifestBytes(edits));
    const revoked = [web, db].filter((record) => isRevoked(state, record));
    expect(revoked.map(({ workload }) => workload)).toEqual(expected);
    expect(state.revocationNumber).toBe(revocationNumber + expected.length);
    expect(isRevoked(restored(state), web)).toBe(expected.length > 0);
    expect(restored(state).encodeSnapshot()).toEqual(state.encodeSnapshot());
  });

  it('revokes nothing that is issued afterwards, and waits for no revoked holder', () => {
    const state = foundedState();
    const before = certify(state, 'a1');
    update(state, manifestBytes(narrowed));
    const after = certify(state, 'a2');
    expect([before, after].map((record) => isRevoked(state, record))).toEqual([true, false]);
    expect(state.revocationOf(before)?.timeMs).toBe(100 * DAY_MS);
    take(state, 'mesh-ca prepare');
    certify(state, 'a2');
    expect(take(state, 'mesh-ca activate')).toMatchObject({ kind: 'rotated' });
  });

  it('stops issuance under the former one wherever that is still applied (I3, I5)', () => {
    // Both replicas hold generation 1; the update is acknowledged by one of them.
    const behind = foundedState();
    const asked = issue(behind, { requestKey: key(77) });
    const ahead = restored(behind);
    update(ahead, manifestBytes({ 'workloads/web': undefined }));
    // The one behind would still say yes by itself: so its word must never be enough.
    expect(restored(behind).preview(encodeCommand(asked), nodeCrypto)).toMatchObject({
      kind: 'issued',
    });
    // In the log the request comes behind the update, whoever has proposed it.
    update(behind, manifestBytes({ 'workloads/web': undefined }));
    for (const state of [ahead, behind]) {
      expect(applyNext(state, asked).result).toMatchObject({ kind: 'stale-generation' });
      expect(state.issuedCount).toBe(0);
    }
  });

  it('forgets workloads of which nothing is left', () => {
    const state = foundedState();
    update(state, manifestBytes({ 'workloads/web': undefined }));
    expect(state.revocationNumber).toBe(1);
    const record = { ...certify(state, 'b1', 'db'), workload: 'web', index: 1 };
    expect(isRevoked(state, record)).toBe(false);
  });
});
