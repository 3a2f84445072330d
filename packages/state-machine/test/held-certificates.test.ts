/** Answers that are kept as certificates come and go, beside a look at all records. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generation, sha256Hex, slotName, unixMillis } from '@witan/core';
import { rotationText } from '@witan/manifest';
import { HeldCertificates } from '../src/held-certificates.ts';
import { heldSinceBefore, ISSUED_WITNESSES } from '../src/index.ts';
import { IssuedTable } from '../src/issued-table.ts';
import {
  applyNext,
  DAY_MS,
  foundedState,
  issue,
  key,
  manifestBytes,
  restored,
  rotate,
  setManifest,
  type State,
} from '../testing/support.ts';

const HOUR_MS = DAY_MS / 24;
const WORKLOADS = ['web', 'db'] as const;
const MANIFESTS = [
  manifestBytes(),
  manifestBytes({ 'workloads/web/referenceValues': [{ measurement: 'ab' }] }),
  manifestBytes({ 'workloads/db/referenceValues': [{ measurement: 'bc' }] }),
];
const STEPS = ['prepare', 'activate force', 'retire force'];

type Act =
  | {
      readonly what: 'issue';
      readonly holder: number;
      readonly workload: number;
      readonly lifetimeHours: number;
    }
  | { readonly what: 'step' | 'snapshot' }
  | { readonly what: 'manifest'; readonly variant: number }
  | { readonly what: 'wait'; readonly hours: number }
  | { readonly what: 'ask'; readonly hours: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('issue' as const),
      holder: fc.nat(5),
      workload: fc.nat(1),
      // Some outlive those that come after them.
      lifetimeHours: fc.constantFrom(1, 2, 24, 60, 200),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('step' as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('snapshot' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('manifest' as const), variant: fc.nat(2) }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('wait' as const), hours: fc.nat(30) }) },
  // Clocks of replicas differ, and may go back.
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('ask' as const),
      hours: fc.integer({ min: -60, max: 60 }),
    }),
  },
);

/** The state under test, and what time it is. */
class Story {
  state: State = foundedState();
  nowMs = 100 * DAY_MS;
  #count = 0;
  #step = 0;

  play(one: Act): void {
    this.#count += 1;
    const requestKey = key(50_000 + this.#count);
    const timeMs = unixMillis(this.nowMs);
    switch (one.what) {
      case 'issue':
        applyNext(
          this.state,
          issue(this.state, {
            requestKey,
            serial: this.#count.toString(16).padStart(32, '0'),
            spkiSha256: sha256Hex(String(one.holder).repeat(64)),
            workload: WORKLOADS[one.workload] ?? 'web',
            notBeforeMs: timeMs,
            notAfterMs: unixMillis(this.nowMs + one.lifetimeHours * HOUR_MS),
          }),
        );
        return;
      case 'step': {
        const words = `mesh-ca ${STEPS[this.#step % 3] ?? ''}`;
        const { result } = applyNext(this.state, rotate(this.state, words, { requestKey, timeMs }));
        if (result.kind !== 'rotated') throw new Error(JSON.stringify(result));
        this.#step += 1;
        return;
      }
      case 'manifest': {
        const bytes = MANIFESTS[one.variant] ?? manifestBytes();
        applyNext(this.state, setManifest(this.state, bytes, { requestKey, timeMs }));
        // It brings a CA of its own, and ends the rotation of the one before.
        this.#step = 0;
        return;
      }
      case 'snapshot':
        this.state = restored(this.state);
        return;
      case 'wait':
        this.nowMs += one.hours * HOUR_MS;
        return;
      case 'ask':
        compare(this, this.nowMs + one.hours * HOUR_MS);
    }
  }
}

function recordOf(one: Act & { readonly what: 'issue' }, index: number, nowMs: number) {
  const hash = sha256Hex(String(one.holder).repeat(64));
  return {
    serial: index.toString(16).padStart(32, '0'),
    workload: WORKLOADS[one.workload] ?? 'web',
    spkiSha256: hash,
    evidenceSha256: hash,
    generation: generation(1),
    notBeforeMs: unixMillis(nowMs),
    notAfterMs: unixMillis(nowMs + one.lifetimeHours * HOUR_MS),
    servedBy: slotName('witan-0'),
    index,
  };
}

/** Whether the answer is what a look at all records says. */
function compare({ state }: Story, nowMs: number): void {
  const { sinceIndex } = state.rotations.meshCa;
  const left = heldSinceBefore(state, sinceIndex, nowMs);
  expect(state.held.holdersLeft(sinceIndex, nowMs)).toEqual({
    count: left.length,
    workloads: [...new Set(left.map(({ workload }) => workload))].toSorted(),
  });
}

describe('held certificates', () => {
  it('are counted as a look at all records counts them, whatever happens', () => {
    let [left, fewer, steps] = [0, 0, 0];
    fc.assert(
      fc.property(fc.array(act, { minLength: 20, maxLength: 60, size: 'max' }), (acts) => {
        const story = new Story();
        for (const one of acts) {
          story.play(one);
          const { rotations, held } = story.state;
          left += held.holdersLeft(rotations.meshCa.sinceIndex, story.nowMs).count > 0 ? 1 : 0;
          fewer += story.state.revocationNumber;
          compare(story, story.nowMs);
        }
        steps += story.state.rotations.records.length;
        for (const { step } of story.state.rotations.records) {
          expect(rotationText(step)).toContain('mesh-ca');
        }
      }),
      { numRuns: 60 },
    );
    // So that the property is not vacuous.
    expect(Math.min(left, fewer, steps)).toBeGreaterThan(10);
  });

  it('are counted as well where records go all the time', () => {
    let dropped = 0;
    const acts = fc.array(act, { minLength: 20, maxLength: 60, size: 'max' });
    fc.assert(
      fc.property(acts, (all) => {
        // One witness in the place of as many as a cluster has, so that each clock counts.
        const table = new IssuedTable(1_000, 1);
        const view = { issued: () => table.values(), revocationOf: () => undefined };
        const held = new HeldCertificates(view);
        let [nowMs, index, since] = [100 * DAY_MS, 0, 0];
        for (const one of all) {
          if (one.what === 'wait') nowMs += one.hours * HOUR_MS;
          if (one.what === 'step') {
            index += 1;
            since = index;
          }
          if (one.what === 'issue') {
            index += 1;
            const before = table.size;
            held.add(recordOf(one, index, nowMs), table);
            dropped += before + 1 - table.size;
          }
          const atMs = one.what === 'ask' ? nowMs + one.hours * HOUR_MS : nowMs;
          const left = heldSinceBefore(view, since, atMs);
          expect(held.holdersLeft(since, atMs)).toEqual({
            count: left.length,
            workloads: [...new Set(left.map(({ workload }) => workload))].toSorted(),
          });
        }
      }),
      { numRuns: 60 },
    );
    expect(dropped).toBeGreaterThan(10);
  });

  it('come back where a newest record goes before an older one that lives longer', () => {
    const story = new Story();
    const certify = (lifetimeHours: number) => {
      story.play({ what: 'issue', holder: 1, workload: 0, lifetimeHours });
    };
    certify(200);
    certify(1);
    story.play({ what: 'step' });
    compare(story, story.nowMs);
    expect(story.state.held.holdersLeft(Infinity, story.nowMs).count).toBe(1);
    // The short one has expired: its key counts no longer, as long as its record is there.
    story.nowMs += 3 * HOUR_MS;
    compare(story, story.nowMs);
    story.nowMs += 24 * HOUR_MS;
    expect(story.state.issuedCount).toBe(2);
    // As many as have to agree on the time before a record goes.
    for (let at = 0; at <= ISSUED_WITNESSES; at += 1) {
      story.play({ what: 'issue', holder: 2, workload: 1, lifetimeHours: 24 });
    }
    expect(story.state.issuedCount).toBe(2 + ISSUED_WITNESSES);
    compare(story, story.nowMs);
    const { sinceIndex } = story.state.rotations.meshCa;
    expect(story.state.held.holdersLeft(sinceIndex, story.nowMs)).toEqual({
      count: 1,
      workloads: ['web'],
    });
  });

  it('take no look at all records for each question', () => {
    const story = new Story();
    for (let at = 0; at < 20; at += 1) {
      story.play({ what: 'issue', holder: at % 6, workload: 0, lifetimeHours: 24 });
    }
    story.play({ what: 'step' });
    const { state } = story;
    let looks = 0;
    const all = state.issued.bind(state);
    state.issued = () => {
      looks += 1;
      return all();
    };
    const { sinceIndex } = state.rotations.meshCa;
    for (let at = 0; at < 100; at += 1) {
      state.held.holdersLeft(sinceIndex, story.nowMs + at);
      if (at % 20 === 0) {
        story.play({ what: 'issue', holder: at / 20, workload: 0, lifetimeHours: 24 });
      }
    }
    expect(looks).toBe(1);
    expect(state.held.holdersLeft(sinceIndex, story.nowMs + 100).count).toBe(1);
  });

  it('take no look at all records for each that is dropped', () => {
    const table = new IssuedTable(1_000, 1);
    let looks = 0;
    const issued = () => {
      looks += 1;
      return table.values();
    };
    const held = new HeldCertificates({ issued, revocationOf: () => undefined });
    let [nowMs, dropped] = [100 * DAY_MS, 0];
    // Holders that renew, as in a mesh: each issue drops a record, and its key has a newer one.
    for (let index = 1; index <= 100; index += 1) {
      const before = table.size;
      const one = { what: 'issue', holder: index % 5, workload: 0, lifetimeHours: 24 } as const;
      held.add(recordOf(one, index, nowMs), table);
      dropped += before + 1 - table.size;
      held.holdersLeft(3, nowMs);
      nowMs += 6 * HOUR_MS;
    }
    expect(dropped).toBeGreaterThan(50);
    expect(looks).toBe(1);
  });
});
