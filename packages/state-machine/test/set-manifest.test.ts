import { describe, expect, it } from 'vitest';
import { generation, unixMillis, utf8 } from '@witan/core';
import { NO_TRANSITION, verifyHistory, type SignedTransition } from '@witan/manifest';
import { encodeCommand, MANIFESTS_KEPT_MAX } from '../src/index.ts';
import { signWith, testKey } from '../testing/keys.ts';
import {
  applyNext,
  approvalFor,
  foundedState,
  historyKey,
  key,
  manifestBytes,
  meshCaCertificate,
  newState,
  nodeCrypto,
  restored,
  rootCertificate,
  setManifest,
} from '../testing/support.ts';

const second = manifestBytes({ 'workloads/web/dnsNames': ['second'] });
const third = manifestBytes({ 'workloads/web/dnsNames': ['third'] });

describe('the first manifest', () => {
  it('sets generation 1 with root certificate, mesh CA and a verifiable history (I6)', () => {
    const state = newState();
    expect(state).toMatchObject({ generation: 0, head: NO_TRANSITION, manifest: undefined });
    const { result } = applyNext(state, setManifest(state));
    expect(result).toEqual({ kind: 'manifest-set', generation: 1, transitionHash: state.head });
    expect(state.generation).toBe(1);
    expect(state.rootCertificate).toEqual(rootCertificate);
    expect(state.meshCaCertificate).toEqual(meshCaCertificate);
    expect(state.historyPublicKey).toEqual(historyKey.spki);
    expect(verifyHistory(state.transitions, historyKey.spki, nodeCrypto).head).toBe(state.head);
    expect(state.floor()).toMatchObject({ commitIndex: 1, generation: 1 });
    expect(state.floor().transitionHash).toBe(state.head);
  });

  it('needs the approval of its own owners', () => {
    const state = newState();
    const { result } = applyNext(state, setManifest(state, manifestBytes(), { approvals: [] }));
    expect(result).toMatchObject({ kind: 'refused', code: 'APPROVALS_TOO_FEW', expected: '1' });
    expect(state.manifest).toBeUndefined();
  });

  it.each([
    ['root certificate', { rootCertificate: undefined }, 'rootCertificate'],
    ['history key', { historyPublicKey: undefined }, 'historyPublicKey'],
  ])('is refused without a %s', (_name, change, path) => {
    const state = newState();
    expect(applyNext(state, setManifest(state, manifestBytes(), change)).result).toMatchObject({
      kind: 'refused',
      code: 'FOUNDING_FIELDS_MISSING',
      path,
    });
  });
});

describe('an update', () => {
  it('builds on the newest transition and keeps root and history key (I8)', () => {
    const state = foundedState();
    const before = state.head;
    applyNext(state, setManifest(state, second));
    expect(state.generation).toBe(2);
    expect(state.transitions[1]?.transition.previous).toBe(before);
    expect(state.rootCertificate).toEqual(rootCertificate);
    expect(state.manifestBytes(generation(1))).toEqual(manifestBytes());
    expect(state.manifestBytes(generation(2))).toEqual(second);
    expect(state.manifestBytes(generation(3))).toBeUndefined();
  });

  it('in a race has exactly one winner and one clear conflict, in either order', () => {
    for (const order of [0, 1]) {
      const state = foundedState();
      const base = state.head;
      const one = setManifest(state, second, { requestKey: key(1) });
      const two = setManifest(state, third, { requestKey: key(2) });
      const results = (order === 0 ? [one, two] : [two, one]).map(
        (command) => applyNext(state, command).result,
      );
      expect(results[0]).toMatchObject({ kind: 'manifest-set', generation: 2 });
      expect(results[1]).toEqual({ kind: 'conflict', expected: state.head, found: base });
      expect(state.generation).toBe(2);
    }
  });

  it('with the same content under another key loses the race too', () => {
    const state = foundedState();
    const again = setManifest(state, second, { requestKey: key(2) });
    applyNext(state, setManifest(state, second, { requestKey: key(1) }));
    expect(applyNext(state, again).result.kind).toBe('conflict');
    expect(state.generation).toBe(2);
  });

  it('retried through another leader gets the first result and has no second effect', () => {
    const state = foundedState();
    const command = setManifest(state, second);
    const retry = { ...command, timeMs: unixMillis(9_999), meshCaCertificate: Uint8Array.of(9) };
    const first = applyNext(state, command);
    const head = state.head;
    const repeated = applyNext(state, retry);
    expect(repeated).toMatchObject({ repeated: true, result: first.result });
    expect(first.repeated).toBe(false);
    expect(state).toMatchObject({ generation: 2, head });
    expect(state.meshCaCertificate).toEqual(meshCaCertificate);
    expect(state.resultOf(command.requestKey)).toEqual(first.result);
  });

  it('retried after it lost keeps its conflict, and so do refusals', () => {
    const state = foundedState();
    const loser = setManifest(state, third, { requestKey: key(2) });
    applyNext(state, setManifest(state, second, { requestKey: key(1) }));
    const conflict = applyNext(state, loser).result;
    const bad = setManifest(state, utf8('{}'), { requestKey: key(3) });
    const refusal = applyNext(state, bad).result;
    applyNext(state, setManifest(state, third, { requestKey: key(4) }));
    expect(applyNext(state, loser)).toMatchObject({ repeated: true, result: conflict });
    expect(applyNext(state, bad)).toMatchObject({ repeated: true, result: refusal });
  });

  it('with other content under a used key is refused and does not replace the first result', () => {
    const state = foundedState();
    const command = setManifest(state, second);
    applyNext(state, command);
    const other = setManifest(state, third);
    expect(other.requestKey).toBe(command.requestKey);
    expect(applyNext(state, other)).toMatchObject({
      repeated: false,
      result: { kind: 'key-reused' },
    });
    expect(state.resultOf(command.requestKey)).toMatchObject({ generation: 2 });
  });

  it('needs the owners in force, and not those that it would bring', () => {
    const state = foundedState();
    const usurper = testKey();
    const manifest = manifestBytes({ 'owners/0/publicKey': usurper.pem });
    const approvals = [approvalFor(state, manifest, usurper)];
    expect(applyNext(state, setManifest(state, manifest, { approvals })).result).toMatchObject({
      kind: 'refused',
      code: 'APPROVAL_UNKNOWN_OWNER',
    });
    applyNext(state, setManifest(state, manifest, { requestKey: key(2) }));
    expect(state.generation).toBe(2);
    expect(applyNext(state, setManifest(state, second, { requestKey: key(3) })).result).toEqual(
      expect.objectContaining({ code: 'APPROVAL_UNKNOWN_OWNER' }),
    );
  });

  it('cannot reuse an approval from an earlier place in the history (I6)', () => {
    const state = foundedState();
    const approvals = [approvalFor(state, second)];
    applyNext(state, setManifest(state, second, { approvals }));
    applyNext(state, setManifest(state, third, { requestKey: key(2) }));
    const replay = setManifest(state, second, { requestKey: key(3), approvals });
    expect(applyNext(state, replay).result).toMatchObject({
      code: 'APPROVAL_SIGNATURE_INVALID',
    });
  });

  it('is refused without the signature of the history key over this very transition', () => {
    const state = foundedState();
    const good = setManifest(state, second);
    const stray = { ...good, transitionSignature: signWith(historyKey, utf8('other')) };
    const foreign = { ...good, transitionSignature: signWith(testKey(), utf8('other')) };
    const later = { ...good, timeMs: unixMillis(2) };
    for (const [at, command] of [stray, foreign, later].entries()) {
      const { result } = applyNext(state, { ...command, requestKey: key(10 + at) });
      expect(result).toMatchObject({ code: 'TRANSITION_SIGNATURE_INVALID' });
    }
    expect(state.generation).toBe(1);
  });

  it('that the leader prepared on an older state may be retried under its key', () => {
    const state = foundedState();
    const good = setManifest(state, second);
    const badly = [
      { ...good, transitionSignature: signWith(historyKey, utf8('older')) },
      { ...good, rootCertificate },
    ];
    for (const command of badly) {
      expect(applyNext(state, command).result.kind).toBe('refused');
      expect(state.resultOf(good.requestKey)).toBeUndefined();
    }
    expect(applyNext(state, good).result).toMatchObject({ kind: 'manifest-set' });
  });

  it.each([
    ['root certificate', { rootCertificate }, 'rootCertificate'],
    ['history key', { historyPublicKey: testKey().spki }, 'historyPublicKey'],
  ])('cannot bring another %s (I8)', (_name, change, path) => {
    const state = foundedState();
    expect(applyNext(state, setManifest(state, second, change)).result).toMatchObject({
      code: 'FOUNDING_FIELDS_REPEATED',
      path,
    });
    expect(state.rootCertificate).toEqual(rootCertificate);
  });

  it('that is no manifest is refused with the place in it, cut to a limit (I10)', () => {
    const state = foundedState();
    const manifest = manifestBytes({ ['x'.repeat(1_000)]: 1 });
    const { result } = applyNext(state, setManifest(state, manifest));
    expect(result).toMatchObject({ kind: 'refused', code: 'MANIFEST_UNKNOWN_FIELD' });
    expect(JSON.stringify(result).length).toBeLessThan(700);
    expect(state.generation).toBe(1);
  });

  it('can be previewed without changing anything', () => {
    const state = foundedState();
    const before = state.encodeSnapshot();
    const bytes = encodeCommand(setManifest(state, second));
    const preview = state.preview(bytes, nodeCrypto);
    expect(state.encodeSnapshot()).toEqual(before);
    expect(applyNext(state, bytes).result).toEqual(preview);
  });
});

describe('a long history', () => {
  it('keeps every transition and the bytes of the newest manifests, also in a snapshot', () => {
    const state = foundedState();
    const last = MANIFESTS_KEPT_MAX + 2;
    for (let number = 2; number <= last; number += 1) {
      const manifest = manifestBytes({ 'workloads/web/dnsNames': [`v${number}.example`] });
      applyNext(state, setManifest(state, manifest, { requestKey: key(number) }));
    }
    for (const view of [state, restored(state)]) {
      const transitions: readonly SignedTransition[] = view.transitions;
      expect(verifyHistory(transitions, historyKey.spki, nodeCrypto).head).toBe(state.head);
      expect(view.generation).toBe(last);
      expect(view.manifestBytes(generation(2))).toBeUndefined();
      expect(view.manifestBytes(generation(3))).toBeDefined();
      expect(view.manifestBytes(generation(last))).toEqual(view.manifest?.bytes);
    }
  });
});
