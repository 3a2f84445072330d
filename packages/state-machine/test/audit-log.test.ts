/** The audit log of the state: which leaves there are, and that every replica has the same. */
import { describe, expect, it } from 'vitest';
import { CanonicalReader, CanonicalWriter, toHex, unixMillis } from '@witan/core';
import {
  decodeLeaf,
  leafHash,
  recoveryHash,
  verifyConsistency,
  verifyInclusion,
  type LogLeaf,
} from '@witan/manifest';
import { StateMachine } from '../src/index.ts';
import { LeafWindow } from '../src/leaf-window.ts';
import {
  applyNext,
  DAY_MS,
  foundedState,
  incarnationOf,
  issue,
  key,
  manifestBytes,
  newState,
  nodeCrypto,
  owner,
  reading,
  recoveryOf,
  restored,
  setManifest,
  successors,
  type State,
} from '../testing/support.ts';

function leavesOf({ log }: State): readonly LogLeaf[] {
  return Array.from({ length: log.size }, (_, at) => {
    const bytes = log.leafBytes(at);
    if (bytes === undefined) throw new Error('a short log is kept whole');
    return decodeLeaf(bytes);
  });
}

const SECRETS = { 'workloads/web/secrets': ['token', 'db'] };
const recorded = { timeMs: unixMillis(100 * DAY_MS + 7), measurement: 'ab'.repeat(48) };

function founded(): State {
  const state = newState();
  applyNext(state, setManifest(state, manifestBytes(SECRETS), { requestKey: key(0) }));
  return state;
}

describe('leaves', () => {
  it('of an update: each approval, then the transition', () => {
    const state = founded();
    const place = { index: 1, epoch: 1, generation: 1, timeMs: 1_000 };
    expect(leavesOf(state)).toEqual([
      { ...place, kind: 'approval', owner: owner.fingerprint, action: 'generation 1' },
      {
        ...place,
        kind: 'update',
        transitionHash: state.head,
        manifestDigest: state.manifest?.digest,
      },
    ]);
  });

  it('of an update that takes a workload away: which one, behind the transition', () => {
    const state = founded();
    const change = { requestKey: key(1), timeMs: unixMillis(2_000) };
    applyNext(state, setManifest(state, manifestBytes({ 'workloads/web': undefined }), change));
    const kinds = leavesOf(state).map(({ kind }) => kind);
    expect(kinds.slice(-3)).toEqual(['approval', 'update', 'revocation']);
    expect(leavesOf(state).at(-1)).toMatchObject({ index: 2, workloads: ['web'] });
  });

  it('of a certificate: what was certified, then which secrets go with it, once', () => {
    const state = founded();
    const command = issue(state, { recorded });
    applyNext(state, command);
    applyNext(state, command);
    const { serial, workload, spkiSha256, evidenceSha256, notBeforeMs, notAfterMs } = command;
    const place = { index: 2, epoch: 1, generation: 1, timeMs: recorded.timeMs };
    const { measurement } = recorded;
    const what = { serial, workload, spkiSha256, evidenceSha256, notBeforeMs, notAfterMs };
    expect(leavesOf(state).slice(2)).toEqual([
      { ...place, kind: 'issuance', ...what, measurement, servedBy: 'witan-1' },
      {
        ...place,
        kind: 'release',
        serial,
        workload,
        secrets: ['token', 'db'].map((name) => ({ name, version: 1 })),
      },
    ]);
  });

  it('of refusals and empty entries: none', () => {
    const state = foundedState();
    const { size } = state.log;
    applyNext(state, { kind: 'noop' });
    applyNext(state, issue(state, { workload: 'nobody' }));
    applyNext(state, Uint8Array.of(1, 2, 3));
    applyNext(state, setManifest(state, manifestBytes(), { approvals: [], requestKey: key(9) }));
    expect(state.log.size).toBe(size);
  });

  it('of a membership change: who came, who left, who votes', () => {
    const state = founded();
    const next = incarnationOf(2, 1);
    const learners = [next.nodeId];
    state.applyMembership(7, { ...state.configuration, learners, added: [next] });
    const { slot, incarnation } = next;
    expect(leavesOf(state).at(-1)).toEqual({
      kind: 'membership',
      index: 7,
      epoch: 1,
      generation: 1,
      // There is no clock in such an entry.
      timeMs: 1_000,
      added: [{ slot, incarnation }],
      removed: [],
      voters: ['witan-0', 'witan-1', 'witan-2'],
    });
  });

  it('of a recovery, behind all leaves of the epoch before (I7)', () => {
    const state = founded();
    applyNext(state, issue(state));
    const before = state.log.head();
    const signed = recoveryOf(state);
    const opened = state.reopened(signed, successors, reading);
    expect(leavesOf(opened).slice(0, -1)).toEqual(leavesOf(state));
    const { key: from, owners, participants, acceptedMissing } = signed.recovery;
    expect(leavesOf(opened).at(-1)).toMatchObject({
      kind: 'recovery',
      epoch: 2,
      index: opened.appliedIndex,
      recoveryHash: recoveryHash(signed.recovery, nodeCrypto),
      key: from,
      owners,
      participants,
      acceptedMissing,
    });
    const proof = opened.log.consistencyProof(before.size, opened.log.size);
    verifyConsistency(before, opened.log.head(), proof, nodeCrypto);
    expect(state.log.head()).toEqual(before);
  });
});

describe('the log', () => {
  it('is the same on every replica, also through a snapshot (I3, I6)', () => {
    const one = founded();
    let two = restored(one);
    for (let at = 0; at < 20; at += 1) {
      const serial = String(at).padStart(32, '0');
      const command = issue(one, { requestKey: key(100 + at), serial, recorded });
      applyNext(one, command);
      applyNext(two, command);
      if (at % 5 === 0) two = restored(two);
      expect(two.log.head()).toEqual(one.log.head());
    }
    expect(two.encodeSnapshot()).toEqual(one.encodeSnapshot());
    expect(one.log.head().size).toBe(42);
  });

  it('finds leaves by their place, and proves them', () => {
    const state = founded();
    applyNext(state, issue(state));
    expect(state.log.firstFrom('index', 2)).toBe(2);
    expect(state.log.firstFrom('generation', 1)).toBe(0);
    expect(state.log.firstFrom('epoch', 2)).toBe(state.log.size);
    const leaf = state.log.leafBytes(2) ?? new Uint8Array();
    const path = state.log.inclusionProof(2, state.log.size);
    verifyInclusion(leafHash(leaf, nodeCrypto), 2, state.log.head(), path, nodeCrypto);
    expect(state.log.leafBytes(state.log.size)).toBeUndefined();
  });

  it('is empty in a state of version 5, which is still read', () => {
    const state = founded();
    const bytes = state.encodeSnapshot();
    // Two empty lists of what waits for approvals stand behind the log.
    const log = 8 + 8 + 4 + leavesBytes(state) + 8;
    const old = bytes.slice(0, -log).with(0, 5);
    const read = StateMachine.decodeSnapshot(old, reading);
    expect(read.log.size).toBe(0);
    expect(toHex(read.log.head().root)).toBe(toHex(newState().log.head().root));
    expect(read.head).toBe(state.head);
  });

  it('with a leaf of another hash is refused in a snapshot', () => {
    const state = founded();
    const bytes = state.encodeSnapshot();
    for (const back of [8 + 1, 8 + 20, 8 + leavesBytes(state) + 12 - 1]) {
      const changed = bytes.with(bytes.length - back, (bytes.at(-back) ?? 0) ^ 1);
      expect(() => StateMachine.decodeSnapshot(changed, reading)).toThrow(
        expect.objectContaining({ code: 'SNAPSHOT_MALFORMED' }),
      );
    }
  });
});

function leavesBytes({ log }: State): number {
  const lengths = Array.from({ length: log.size }, (_, at) => log.leafBytes(at)?.byteLength ?? 0);
  return lengths.reduce((sum, length) => sum + 32 + 4 + length, 0);
}

describe('the window of leaves', () => {
  const leaf = (number: number): Uint8Array => Uint8Array.of(number >> 8, number & 255);

  it('drops whole pages from the old end, by number and by bytes', () => {
    for (const windowLimits of [
      { leavesMax: 600, bytesMax: 1_000_000 },
      { leavesMax: 1_000_000, bytesMax: 1_200 },
    ]) {
      const window = new LeafWindow(0, windowLimits);
      for (let at = 0; at < 1_000; at += 1) window.append(leaf(at));
      expect([window.first, window.end]).toEqual([512, 1_000]);
      expect(window.get(511)).toBeUndefined();
      expect(window.get(1_000)).toBeUndefined();
      for (const at of [512, 700, 767, 768, 999]) expect(window.get(at)).toEqual(leaf(at));
    }
  });

  it('reads what it wrote, and refuses another place', () => {
    const window = new LeafWindow();
    for (let at = 0; at < 300; at += 1) window.append(leaf(at));
    const writer = new CanonicalWriter();
    window.write(writer);
    const read = LeafWindow.read(new CanonicalReader(writer.finish()), 300);
    expect(read.get(299)).toEqual(leaf(299));
    expect(() => LeafWindow.read(new CanonicalReader(writer.finish()), 301)).toThrow('no writer');
  });
});
