/**
 * Random histories against a dumb model of what may happen, and against themselves through a
 * snapshot. The model knows nothing about encodings, hashes or signatures.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generation, sha256Hex, unixMillis, type Sha256Hex } from '@witan/core';
import { NO_TRANSITION, type Approval } from '@witan/manifest';
import {
  encodeCommand,
  type ApplyResult,
  type CommandResult,
  type IssueCertificateCommand,
  type SetManifestCommand,
} from '../src/index.ts';
import {
  applyNext,
  approvalFor,
  issue,
  key,
  manifestBytes,
  newState,
  restored,
  setManifest,
  type State,
} from '../testing/support.ts';

interface Step {
  readonly what: 'set' | 'issue' | 'noop' | 'garbage';
  readonly key: number;
  readonly variant: number;
  readonly isStale: boolean;
  readonly isApproved: boolean;
  readonly serial: number;
  readonly timeMs: number;
}

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    what: fc.constantFrom('set', 'set', 'issue', 'issue', 'noop', 'garbage'),
    key: fc.nat(9),
    variant: fc.nat(1),
    isStale: fc.nat(4).map((value) => value === 0),
    isApproved: fc.nat(4).map((value) => value > 0),
    serial: fc.nat(6),
    timeMs: fc.nat(3),
  }),
  { minLength: 1, maxLength: 25 },
);

const MANIFESTS = [manifestBytes(), manifestBytes({ 'workloads/db': undefined })];
const WORKLOADS = ['web', 'db'];

/** What the client asked for, as the model compares it; approvals are cached to stay the same. */
interface Asked {
  readonly command: SetManifestCommand | IssueCertificateCommand;
  readonly content: string;
}

function ask(state: State, step: Step, approvals: Map<string, Approval>): Asked {
  if (step.what === 'issue') {
    const workload = WORKLOADS[step.variant] ?? 'web';
    const spki = step.isApproved ? '51' : '52';
    const command = issue(state, {
      requestKey: key(step.key),
      workload,
      spkiSha256: sha256Hex(spki.repeat(32)),
      serial: step.serial.toString().padStart(32, '0'),
      generation: generation(Math.max(0, state.generation - (step.isStale ? 1 : 0))),
      notBeforeMs: unixMillis(step.timeMs),
    });
    return { command, content: `issue ${workload} ${spki}` };
  }
  const manifest = MANIFESTS[step.variant] ?? manifestBytes();
  const place = `${state.head} ${step.variant}`;
  const approval = approvals.get(place) ?? approvalFor(state, manifest);
  approvals.set(place, approval);
  const good = setManifest(state, manifest, {
    requestKey: key(step.key),
    approvals: step.isApproved ? [approval] : [],
    timeMs: unixMillis(step.timeMs),
  });
  const previousTransition = step.isStale ? sha256Hex('ff'.repeat(32)) : state.head;
  const content = `set ${step.variant} ${previousTransition} ${step.isApproved ? place : 'none'}`;
  return { command: { ...good, previousTransition }, content };
}

/** The dumb reference: a list of generations, a map of keys, a set of serials. */
class Model {
  readonly heads: Sha256Hex[] = [NO_TRANSITION];
  readonly serials: Set<string> = new Set();
  readonly #known: Map<string, { content: string; result: CommandResult }> = new Map();
  #variant: number | undefined;

  expects(step: Step, asked: Asked): { kind: CommandResult['kind']; repeated: boolean } {
    const known = this.#known.get(asked.command.requestKey);
    if (known !== undefined) {
      const same = known.content === asked.content;
      return { kind: same ? known.result.kind : 'key-reused', repeated: same };
    }
    return { kind: this.#fresh(step, asked), repeated: false };
  }

  #fresh(step: Step, { command }: Asked): CommandResult['kind'] {
    if (command.kind === 'set-manifest') {
      if (command.previousTransition !== this.heads.at(-1)) return 'conflict';
      return step.isApproved ? 'manifest-set' : 'refused';
    }
    if (command.generation !== this.heads.length - 1) return 'stale-generation';
    const listed = this.#variant === 0 ? ['web', 'db'] : this.#variant === 1 ? ['web'] : [];
    if (!listed.includes(command.workload)) return 'unknown-workload';
    return this.serials.has(command.serial) ? 'serial-taken' : 'issued';
  }

  known(asked: Asked): CommandResult | undefined {
    return this.#known.get(asked.command.requestKey)?.result;
  }

  learn(step: Step, asked: Asked, { result, repeated }: ApplyResult): void {
    if (repeated) return;
    if (result.kind === 'manifest-set') {
      this.heads.push(result.transitionHash);
      this.#variant = step.variant;
    }
    if (result.kind === 'issued') this.serials.add(result.record.serial);
    if (['manifest-set', 'issued', 'conflict', 'refused'].includes(result.kind)) {
      this.#known.set(asked.command.requestKey, { content: asked.content, result });
    }
  }
}

function runWithModel(all: readonly Step[]): { state: State; log: readonly Uint8Array[] } {
  const state = newState();
  const model = new Model();
  const approvals = new Map<string, Approval>();
  const log: Uint8Array[] = [];
  for (const step of all) {
    if (step.what === 'noop' || step.what === 'garbage') {
      const bytes =
        step.what === 'noop' ? encodeCommand({ kind: 'noop' }) : new Uint8Array(step.serial);
      log.push(bytes);
      const expected = step.what === 'noop' ? 'noop' : 'malformed';
      expect(applyNext(state, bytes).result.kind).toBe(expected);
      continue;
    }
    const asked = ask(state, step, approvals);
    log.push(encodeCommand(asked.command));
    const expected = model.expects(step, asked);
    const applied = applyNext(state, asked.command);
    expect({ kind: applied.result.kind, repeated: applied.repeated }).toEqual(expected);
    if (applied.repeated) expect(applied.result).toEqual(model.known(asked));
    model.learn(step, asked, applied);
    expect(new Set(model.heads).size).toBe(model.heads.length);
    expect(state.head).toBe(model.heads.at(-1));
    expect(state.generation).toBe(model.heads.length - 1);
    expect(state.issuedCount).toBe(model.serials.size);
  }
  return { state, log };
}

describe('the state machine', () => {
  it('answers every command as the model does: one winner, one effect per key (I3, I6)', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(steps, (all) => {
        const { state } = runWithModel(all);
        for (let number = 0; number < 10; number += 1) {
          const result = state.resultOf(key(number));
          if (result !== undefined) seen.add(result.kind);
        }
      }),
      { numRuns: 150 },
    );
    // The generator reaches every remembered result, or the property would say little.
    expect([...seen].toSorted()).toEqual(['conflict', 'issued', 'manifest-set', 'refused']);
  });

  it('ends in the same bytes through a snapshot at any point as without one (I4)', () => {
    fc.assert(
      fc.property(steps, fc.nat(25), (all, cut) => {
        const { state, log } = runWithModel(all);
        const replica = newState();
        for (const bytes of log.slice(0, cut)) applyNext(replica, bytes);
        const successor = restored(replica);
        expect(successor.encodeSnapshot()).toEqual(replica.encodeSnapshot());
        const rest = log.slice(cut);
        const results = rest.map((bytes) => applyNext(replica, bytes));
        expect(rest.map((bytes) => applyNext(successor, bytes))).toEqual(results);
        expect(successor.encodeSnapshot()).toEqual(state.encodeSnapshot());
      }),
      { numRuns: 60 },
    );
  });
});
