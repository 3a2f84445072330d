/** Snapshots that are well-formed in every byte and still describe no state that could arise. */
import { describe, expect, it } from 'vitest';
import {
  CanonicalError,
  CanonicalReader,
  CanonicalWriter,
  concatBytes,
  sha256Hex,
} from '@witan/core';
import { StateMachine, StateMachineError, type MemberInfo } from '../src/index.ts';
import { IssuedTable } from '../src/issued-table.ts';
import { writeMember } from '../src/members.ts';
import { Membership } from '../src/membership.ts';
import { RequestTable } from '../src/request-table.ts';
import { writeIssued, writeResult, type IssuedIdentity } from '../src/results.ts';
import {
  applyNext,
  foundedState,
  incarnationOf,
  issue,
  key,
  manifestBytes,
  nodeCrypto,
  options,
  reopened,
  setManifest,
  slots,
} from '../testing/support.ts';

function decode(bytes: Uint8Array): unknown {
  return StateMachine.decodeSnapshot(bytes, { ...options, crypto: nodeCrypto });
}

function replaceText(bytes: Uint8Array, from: string, to: string, after = 0): Uint8Array {
  const at = Buffer.from(bytes).indexOf(from, after);
  if (at < 0 || from.length !== to.length) throw new Error('no such text');
  const changed = Uint8Array.from(bytes);
  changed.set(Buffer.from(to), at);
  return changed;
}

describe('a snapshot that no replica could have written', () => {
  it('because two voters share a slot is refused with an error, not a crash (I2, I10)', () => {
    const bytes = foundedState().encodeSnapshot();
    const members = Buffer.from(bytes).indexOf('witan-2') + 7;
    expect(() => decode(replaceText(bytes, 'witan-1', 'witan-0', members))).toThrow(
      StateMachineError,
    );
  });

  it('because its history is of a later epoch is refused (I7)', () => {
    const members = [incarnationOf(0, 1)];
    const state = reopened(foundedState(), members);
    applyNext(state, setManifest(state, manifestBytes(), { requestKey: key(7) }));
    const bytes = state.encodeSnapshot();
    expect(decode(bytes)).toMatchObject({ epoch: 2, generation: 2 });
    expect(bytes[40]).toBe(2);
    expect(() => decode(bytes.with(40, 1))).toThrow(StateMachineError);
  });

  it('because the newest manifest is left out is refused (I6)', () => {
    const state = foundedState();
    const newest = manifestBytes({ 'workloads/db': undefined });
    applyNext(state, setManifest(state, newest));
    const bytes = state.encodeSnapshot();
    const count = Buffer.from(bytes).indexOf(manifestBytes()) - 8;
    expect([...bytes.subarray(count, count + 4)]).toEqual([0, 0, 0, 2]);
    const at = Buffer.from(bytes).indexOf(newest, count + 8 + manifestBytes().length);
    const cut = concatBytes(bytes.subarray(0, at - 4), bytes.subarray(at + newest.length));
    expect(() => decode(cut.with(count + 3, 1))).toThrow(StateMachineError);
  });

  it('because a refusal has no code of ours is refused', () => {
    const state = foundedState();
    applyNext(state, setManifest(state, manifestBytes(), { approvals: [] }));
    const bytes = state.encodeSnapshot();
    const shouted = replaceText(bytes, 'APPROVALS_TOO_FEW', 'APPROVALS_TOO_old');
    expect(() => decode(shouted)).toThrow(StateMachineError);
  });
});

describe('a membership in a snapshot', () => {
  const founders = [0, 1, 2].map((slot) => incarnationOf(slot));
  const ascending = founders.map(({ nodeId }) => nodeId).toSorted((left, right) => left - right);

  function read(members: readonly MemberInfo[], voters: readonly number[]): Membership {
    const writer = new CanonicalWriter().list(slots, (to, slot) => to.text(slot));
    writer.list(members, writeMember);
    for (const ids of [voters, [], []]) writer.list(ids, (to, id) => to.u64(id));
    return Membership.read(new CanonicalReader(writer.finish()), false);
  }

  const inOrder = founders.toSorted((left, right) => left.nodeId - right.nodeId);

  it('lists exactly the members of its configuration, in one order', () => {
    expect(read(inOrder, ascending).members).toHaveLength(3);
    expect(() => read([...inOrder, incarnationOf(0, 1)], ascending)).toThrow(CanonicalError);
    expect(() => read(inOrder.toReversed(), ascending)).toThrow(CanonicalError);
    expect(() => read(inOrder, ascending.toReversed())).toThrow(CanonicalError);
    expect(() => read(inOrder.slice(1), ascending)).toThrow(CanonicalError);
  });
});

describe('tables in a snapshot', () => {
  const { kind: _, requestKey: __, ...content } = issue(foundedState());
  const record = (serial: string, index: number): IssuedIdentity => ({
    ...content,
    serial: serial.repeat(32),
    index,
  });

  it('hold certificates in the order of the log, each once, none from the future', () => {
    const read = (records: readonly IssuedIdentity[]) =>
      IssuedTable.read(
        new CanonicalReader(new CanonicalWriter().list(records, writeIssued).finish()),
        9,
      );
    expect(read([record('1', 3), record('2', 9)]).size).toBe(2);
    expect(() => read([record('1', 3), record('2', 3)])).toThrow(CanonicalError);
    expect(() => read([record('1', 4), record('2', 3)])).toThrow(CanonicalError);
    expect(() => read([record('1', 3), record('1', 4)])).toThrow(CanonicalError);
    expect(() => read([record('1', 10)])).toThrow(CanonicalError);
  });

  it('hold results in the order of the log, each key once, none from the future', () => {
    const digest = sha256Hex('00'.repeat(32));
    const result = { kind: 'conflict', expected: digest, found: digest } as const;
    const read = (entries: readonly (readonly [number, number])[]) => {
      const writer = new CanonicalWriter().list(entries, (to, [number, index]) => {
        to.fixed(Buffer.from(key(number), 'hex'))
          .u64(index)
          .fixed(new Uint8Array(32));
        writeResult(to, result);
      });
      return RequestTable.read(new CanonicalReader(writer.finish()), 9);
    };
    expect(
      read([
        [2, 3],
        [1, 9],
      ]).size,
    ).toBe(2);
    expect(() =>
      read([
        [1, 3],
        [2, 3],
      ]),
    ).toThrow(CanonicalError);
    expect(() =>
      read([
        [1, 4],
        [2, 3],
      ]),
    ).toThrow(CanonicalError);
    expect(() =>
      read([
        [1, 3],
        [1, 4],
      ]),
    ).toThrow(CanonicalError);
    expect(() => read([[1, 10]])).toThrow(CanonicalError);
  });
});
