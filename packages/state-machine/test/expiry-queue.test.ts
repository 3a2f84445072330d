import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExpiryQueue } from '../src/expiry-queue.ts';
import { IssuedTable } from '../src/issued-table.ts';
import * as limits from '../src/limits.ts';
import type { IssuedIdentity } from '../src/results.ts';

const record = (index: number, notBeforeMs: number, notAfterMs: number): IssuedIdentity =>
  ({ serial: `s${index}`, workload: `w${index % 3}`, index, notBeforeMs, notAfterMs }) as never;

describe('the queue of expiries', () => {
  it('gives what a sorted list would, in any order of additions', () => {
    const steps = fc.array(fc.option(fc.nat(50), { nil: undefined }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (all) => {
        const queue = new ExpiryQueue<number>((item) => item);
        let reference: number[] = [];
        for (const step of all) {
          if (step === undefined) {
            const [first, ...rest] = reference.toSorted((a, b) => a - b);
            reference = rest;
            expect(queue.take()).toBe(first);
          } else {
            reference.push(step);
            queue.add(step);
          }
          expect(queue.size).toBe(reference.length);
          expect(queue.peek()).toBe(reference.toSorted((a, b) => a - b)[0]);
        }
      }),
    );
  });

  it('looks at few of many items when one goes and one comes (I10)', () => {
    let looks = 0;
    const queue = new ExpiryQueue<number>((item) => {
      looks += 1;
      return item;
    });
    const count = 2 ** 16;
    for (let item = 0; item < count; item += 1) queue.add(item);
    looks = 0;
    for (let item = count; item < count + 100; item += 1) {
      expect(queue.take()).toBe(item - count);
      queue.add(item);
    }
    expect(looks).toBeLessThan(100 * 16 * 4);
  });
});

describe('the table of certificates', () => {
  it('keeps those, and gives up those, that a walk over all of them would', () => {
    const day = limits.ISSUED_GRACE_MS;
    const lives = fc.array(fc.tuple(fc.nat(3 * day), fc.nat(3 * day)), { maxLength: 60 });
    fc.assert(
      fc.property(lives, fc.integer({ min: 1, max: 4 }), (all, witnesses) => {
        const table = new IssuedTable(1_000, witnesses);
        const clocks: number[] = [];
        let reference: readonly IssuedIdentity[] = [];
        for (const [at, [stepMs, lifeMs]] of all.entries()) {
          // A clock that jumps, as those of successive leaders may.
          const notBeforeMs = at * 1000 + stepMs;
          const added = record(at + 1, notBeforeMs, notBeforeMs + lifeMs);
          const newest = clocks.slice(-witnesses);
          const byMs =
            newest.length < witnesses ? -Infinity : Math.min(...newest, notBeforeMs) - day;
          const dropped = reference.filter((one) => one.notAfterMs < byMs);
          reference = [...reference.filter((one) => one.notAfterMs >= byMs), added];
          expect(table.add(added)).toEqual(dropped);
          expect([...table.values()]).toEqual(reference);
          clocks.push(notBeforeMs);
        }
      }),
    );
  });
});
