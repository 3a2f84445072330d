import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CanonicalReader, CanonicalWriter, generation, sha256Hex, unixMillis } from '@witan/core';
import { encodeCommand, ISSUED_WITNESSES } from '../src/index.ts';
import { IssuedTable } from '../src/issued-table.ts';
import { RequestTable } from '../src/request-table.ts';
import type { IssuedIdentity } from '../src/results.ts';
import {
  applyNext,
  DAY_MS,
  foundedState,
  issue,
  key,
  manifestBytes,
  newState,
  restored,
  setManifest,
} from '../testing/support.ts';

function serial(number: number): string {
  return number.toString(16).padStart(32, '0');
}

describe('issuing a certificate', () => {
  it('records it under its serial with the index of the command', () => {
    const state = foundedState();
    const command = issue(state);
    const { result, index } = applyNext(state, command);
    const { kind: _, requestKey: __, ...content } = command;
    expect(result).toEqual({ kind: 'issued', record: { ...content, index } });
    expect(state.issuedCount).toBe(1);
    expect(state.issuedBySerial(command.serial)).toEqual({ ...content, index });
    expect([...state.issued()]).toHaveLength(1);
  });

  it('needs evidence that was judged by the manifest in force', () => {
    const fresh = newState();
    expect(applyNext(fresh, issue(fresh, { generation: generation(1) })).result).toEqual({
      kind: 'stale-generation',
      expected: 0,
      found: 1,
    });
    const state = foundedState();
    const judgedBefore = issue(state);
    applyNext(state, setManifest(state, manifestBytes({ 'workloads/db': undefined })));
    expect(applyNext(state, judgedBefore).result).toEqual({
      kind: 'stale-generation',
      expected: 2,
      found: 1,
    });
    expect(applyNext(state, issue(state, { generation: generation(3) })).result.kind).toBe(
      'stale-generation',
    );
    expect(applyNext(state, issue(state, { workload: 'db' })).result).toEqual({
      kind: 'unknown-workload',
      workload: 'db',
    });
    expect(state.issuedCount).toBe(0);
  });

  it('before the first manifest finds no workload, even for generation 0', () => {
    const state = newState();
    expect(applyNext(state, issue(state)).result.kind).toBe('unknown-workload');
  });

  it('retried with fresh evidence, time and serial gives the first certificate', () => {
    const state = foundedState();
    const command = issue(state);
    const first = applyNext(state, command);
    const retry = {
      ...command,
      serial: serial(7),
      evidenceSha256: sha256Hex('e2'.repeat(32)),
      notAfterMs: unixMillis(105 * DAY_MS),
    };
    expect(applyNext(state, retry)).toMatchObject({ repeated: true, result: first.result });
    expect(state.issuedCount).toBe(1);
  });

  it.each([
    ['key', { spkiSha256: sha256Hex('52'.repeat(32)) }],
    ['workload', { workload: 'db' }],
  ])('for another %s under a used request key is refused', (_name, change) => {
    const state = foundedState();
    applyNext(state, issue(state));
    const other = issue(state, { serial: serial(7), ...change });
    expect(applyNext(state, other).result.kind).toBe('key-reused');
    expect(state.issuedCount).toBe(1);
  });

  it('may be tried again under its key once the evidence was judged anew', () => {
    const state = foundedState();
    const stale = issue(state);
    applyNext(state, setManifest(state, manifestBytes({ 'workloads/db': undefined })));
    expect(applyNext(state, stale).result.kind).toBe('stale-generation');
    expect(applyNext(state, issue(state)).result.kind).toBe('issued');
  });

  it('under a serial that exists asks for another one', () => {
    const state = foundedState();
    applyNext(state, issue(state));
    const other = issue(state, { requestKey: key(200) });
    expect(applyNext(state, other).result).toEqual({
      kind: 'serial-taken',
      serial: other.serial,
    });
    expect(applyNext(state, { ...other, serial: serial(7) }).result.kind).toBe('issued');
  });

  it('with a validity that ends before it starts is no command', () => {
    const state = foundedState();
    const bytes = encodeCommand(issue(state, { notAfterMs: unixMillis(100 * DAY_MS) }));
    expect(applyNext(state, bytes).result.kind).toBe('malformed');
  });
});

describe('bounded tables', () => {
  const record = (number: number, notBefore: number, notAfter: number): IssuedIdentity => {
    const { kind: _, requestKey: __, ...content } = issue(newState());
    return {
      ...content,
      serial: serial(number),
      notBeforeMs: unixMillis(notBefore),
      notAfterMs: unixMillis(notAfter),
      index: number,
    };
  };

  it('of certificates are full until some could be dropped', () => {
    const table = new IssuedTable(2);
    table.add(record(1, 0, 5));
    expect(table.isFullAt(0)).toBe(false);
    table.add(record(2, 0, 9));
    expect(table.isFullAt(DAY_MS + 5)).toBe(true);
    expect(() => table.add(record(3, 0, 9))).toThrow(/room/);
    expect(table.isFullAt(DAY_MS + 6)).toBe(false);
    table.add(record(3, DAY_MS + 6, DAY_MS + 7));
    expect([...table.values()].map((kept) => kept.serial)).toEqual([serial(2), serial(3)]);
  });

  it('of certificates drop them a day after they expired, by all of the newest clocks', () => {
    const table = new IssuedTable(100, 3);
    const kept = (): readonly string[] => [...table.values()].map((one) => one.serial);
    table.add(record(1, 0, 10 * DAY_MS));
    table.add(record(2, 0, 20 * DAY_MS));
    for (const number of [3, 4, 5]) table.add(record(number, 11 * DAY_MS, 30 * DAY_MS));
    table.add(record(6, 11 * DAY_MS + 1, 30 * DAY_MS));
    expect(kept()).toEqual([1, 2, 3, 4, 5, 6].map(serial));
    for (const number of [7, 8]) table.add(record(number, 11 * DAY_MS + 1, 30 * DAY_MS));
    expect(kept()).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map(serial));
    table.add(record(9, 11 * DAY_MS + 1, 30 * DAY_MS));
    expect(kept()).toEqual([2, 3, 4, 5, 6, 7, 8, 9].map(serial));
    // A clock that goes back brings nothing back.
    table.add(record(10, 0, 1));
    expect(kept()).toHaveLength(9);
  });

  it('of certificates forget the same where they were read back in between (I3)', () => {
    const steps = fc.array(fc.tuple(fc.nat(40), fc.nat(4), fc.boolean()), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (all) => {
        let table = new IssuedTable(6, 3);
        const never = new IssuedTable(6, 3);
        for (const [at, [start, length, isReadBack]] of all.entries()) {
          const next = record(at + 1, start * DAY_MS, (start + length + 1) * DAY_MS);
          expect(table.isFullAt(next.notBeforeMs)).toBe(never.isFullAt(next.notBeforeMs));
          if (never.isFullAt(next.notBeforeMs)) continue;
          expect(table.add(next)).toEqual(never.add(next));
          if (!isReadBack) continue;
          const writer = new CanonicalWriter();
          table.write(writer);
          const reader = new CanonicalReader(writer.finish());
          table = IssuedTable.read(reader, at + 1, new IssuedTable(6, 3));
        }
        expect([...table.values()]).toEqual([...never.values()]);
      }),
      { numRuns: 500 },
    );
  });

  it('of certificates forget nothing for a clock that is turned ahead for a while (I5)', () => {
    const state = foundedState();
    const at = (number: number, startMs: number) =>
      applyNext(
        state,
        issue(state, {
          requestKey: key(300 + number),
          serial: serial(number),
          notBeforeMs: unixMillis(startMs),
          notAfterMs: unixMillis(startMs + DAY_MS),
        }),
      );
    at(0, 100 * DAY_MS);
    for (let number = 1; number < ISSUED_WITNESSES; number += 1) at(number, 9000 * DAY_MS);
    expect(state.issuedBySerial(serial(0))).toBeDefined();
    // Also not where a replica has read the state meanwhile.
    const copy = restored(state);
    for (const one of [state, copy]) {
      const late = issue(one, {
        requestKey: key(9_999_999),
        serial: serial(9_999_999),
        notBeforeMs: unixMillis(9000 * DAY_MS),
        notAfterMs: unixMillis(9001 * DAY_MS),
      });
      applyNext(one, late);
      expect(one.issuedBySerial(serial(0))).toBeDefined();
      applyNext(one, { ...late, requestKey: key(9_999_998), serial: serial(9_999_998) });
      expect(one.issuedBySerial(serial(0))).toBeUndefined();
    }
    expect(copy.encodeSnapshot()).toEqual(state.encodeSnapshot());
  });

  it('of results forget the oldest by log index', () => {
    const table = new RequestTable(2);
    const digest = sha256Hex('00'.repeat(32));
    for (const index of [1, 2, 3]) {
      const result = { kind: 'conflict', expected: digest, found: digest } as const;
      table.add({ key: key(index), index, digest, result });
    }
    expect(table.size).toBe(2);
    expect(table.get(key(1))).toBeUndefined();
    expect(table.get(key(2))).toBeDefined();
    expect(table.get(key(3))).toBeDefined();
  });
});
