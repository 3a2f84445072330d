import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CanonicalWriter, describeError, sha256Hex, unixMillis } from '@witan/core';
import {
  COMMAND_BYTES_MAX,
  decodeCommand,
  encodeCommand,
  requestKey,
  StateMachine,
  StateMachineError,
  type Command,
  type StateMachineErrorCode,
} from '../src/index.ts';
import { testKey } from '../testing/keys.ts';
import {
  applyNext,
  foundedState,
  foundedWithShares,
  HOLDER,
  issue,
  key,
  manifestBytes,
  nodeCrypto,
  options,
  setManifest,
  type State,
} from '../testing/support.ts';

const snapshotOptions = { ...options, crypto: nodeCrypto };
const decode = (bytes: Uint8Array): State => StateMachine.decodeSnapshot(bytes, snapshotOptions);

function busyState(): State {
  const state = foundedWithShares();
  applyNext(state, issue(state));
  applyNext(state, setManifest(state, manifestBytes({ ...HOLDER, 'workloads/db': undefined })));
  applyNext(state, setManifest(state, manifestBytes(), { requestKey: key(2), approvals: [] }));
  const stale = { previousTransition: sha256Hex('99'.repeat(32)), requestKey: key(3) };
  applyNext(state, setManifest(state, manifestBytes(), stale));
  return state;
}

const edits = fc.array(
  fc.record({ at: fc.double({ min: 0, max: 0.999_999, noNaN: true }), byte: fc.nat(255) }),
  { maxLength: 4 },
);

function mangled(
  bytes: Uint8Array,
  changes: readonly { readonly at: number; readonly byte: number }[],
  cut: number,
): Uint8Array {
  const hostile = bytes.slice(0, bytes.length - cut);
  for (const { at, byte } of changes) hostile[Math.floor(at * hostile.length)] = byte;
  return hostile;
}

function codeOf(act: () => unknown): StateMachineErrorCode {
  try {
    act();
  } catch (error) {
    if (error instanceof StateMachineError) return error.code;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a command', () => {
  const state = foundedState();
  const commands: readonly Command[] = [
    setManifest(state),
    setManifest(state, manifestBytes(), { approvals: [] }),
    setManifest(state, manifestBytes(), { recoveryHeader: Uint8Array.of(1, 2, 3) }),
    issue(state),
    { kind: 'noop' },
  ];

  it('reads back as it was written', () => {
    for (const command of commands) {
      expect(decodeCommand(encodeCommand(command))).toEqual(command);
    }
  });

  it('of hostile bytes has one encoding or is malformed, and never throws (I10)', () => {
    const target = foundedState();
    fc.assert(
      fc.property(fc.constantFrom(...commands), edits, fc.nat(3), (command, changes, cut) => {
        const hostile = mangled(encodeCommand(command), changes, cut);
        const { result } = applyNext(target, hostile);
        if (result.kind === 'malformed') {
          expect(result.code).toBe('COMMAND_MALFORMED');
          expect(result.reason).not.toBe('');
        } else {
          expect(encodeCommand(decodeCommand(hostile))).toEqual(hostile);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('of random bytes is malformed and moves nothing but the index (I10)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const one = foundedState();
        const two = StateMachine.decodeSnapshot(one.encodeSnapshot(), snapshotOptions);
        expect(applyNext(one, bytes)).toMatchObject({
          requestKey: undefined,
          result: { kind: 'malformed' },
        });
        two.advance(two.appliedIndex + 1);
        expect(one.encodeSnapshot()).toEqual(two.encodeSnapshot());
      }),
      { numRuns: 20 },
    );
  });

  it('above the limit is malformed, unread', () => {
    const bytes = new Uint8Array(COMMAND_BYTES_MAX + 1);
    expect(applyNext(state, bytes).result.kind).toBe('malformed');
    expect(codeOf(() => decodeCommand(bytes))).toBe('COMMAND_MALFORMED');
  });

  it('with a manifest of the largest size fits', () => {
    const padded = new Uint8Array(1024 * 1024).fill(0x20);
    padded.set(manifestBytes());
    const fresh = foundedState();
    const command = setManifest(fresh, padded, {
      meshCaCertificate: new Uint8Array(16 * 1024),
      timeMs: unixMillis(5),
    });
    expect(applyNext(fresh, command).result.kind).toBe('manifest-set');
  });

  it('has a key of 16 bytes', () => {
    expect(codeOf(() => requestKey(new Uint8Array(15)))).toBe('REQUEST_KEY_MALFORMED');
    expect(codeOf(() => requestKey(new Uint8Array(17)))).toBe('REQUEST_KEY_MALFORMED');
  });
});

describe('a snapshot', () => {
  const bytes = busyState().encodeSnapshot();

  it('reads back to the same bytes and the same answers', () => {
    const state = decode(bytes);
    const original = busyState();
    expect(state.encodeSnapshot()).toEqual(bytes);
    expect(state.generation).toBe(original.generation);
    expect(state.manifest?.digest).toBe(original.manifest?.digest);
    expect([...state.issued()]).toHaveLength(1);
    expect(state.resultOf(key(3))?.kind).toBe('conflict');
    expect(state.configuration).toEqual(original.configuration);
  });

  it('of hostile bytes is refused, or is the one encoding of another state (I4, I10)', () => {
    let refusals = 0;
    fc.assert(
      fc.property(edits, fc.nat(2), (changes, cut) => {
        const hostile = mangled(bytes, changes, cut);
        try {
          expect(decode(hostile).encodeSnapshot()).toEqual(hostile);
        } catch (error) {
          if (!(error instanceof StateMachineError)) throw error;
          refusals += 1;
        }
      }),
      { numRuns: 400 },
    );
    expect(refusals).toBeGreaterThan(200);
  });

  it('cut anywhere is refused', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (length) => {
        expect(codeOf(() => decode(bytes.subarray(0, length)))).toBe('SNAPSHOT_MALFORMED');
      }),
      { numRuns: 200 },
    );
  });

  it('of another version or size is refused with its own code', () => {
    for (const version of [0, 9]) {
      expect(codeOf(() => decode(bytes.with(0, version)))).toBe('SNAPSHOT_VERSION_UNKNOWN');
    }
    const small = { ...snapshotOptions, bytesMax: bytes.length - 1 };
    expect(codeOf(() => StateMachine.decodeSnapshot(bytes, small))).toBe('SNAPSHOT_TOO_LARGE');
  });

  it('with any byte of its history changed does not verify (I6)', () => {
    const find = (label: string, from = 0): number => {
      const at = Buffer.from(bytes).indexOf(label, from);
      if (at < 0) throw new Error('label not found');
      return at;
    };
    const start = find('witan/transition/v1');
    const end = find('witan/transition/v1', start + 1);
    for (let at = start; at < end; at += 7) {
      const hostile = bytes.with(at, (bytes[at] ?? 0) ^ 0x10);
      expect(codeOf(() => decode(hostile))).toBe('SNAPSHOT_MALFORMED');
    }
  });

  it('with another manifest, history key or cluster id in it does not verify (I6)', () => {
    const replaced = (from: Uint8Array, to: Uint8Array): Uint8Array => {
      const at = Buffer.from(bytes).indexOf(from);
      if (at < 0) throw new Error('part not found');
      const hostile = Uint8Array.from(bytes);
      hostile.set(to, at);
      return hostile;
    };
    const state = decode(bytes);
    const historyPublicKey = state.historyPublicKey ?? new Uint8Array();
    const otherKey = replaced(historyPublicKey, testKey().spki);
    const manifest = state.manifest?.bytes ?? new Uint8Array();
    const inside = Buffer.from(manifest).indexOf('"measurement":"aa"') + 15;
    const otherManifest = replaced(manifest, manifest.with(inside, 0x62));
    const id = new CanonicalWriter().fixed(bytes.subarray(1, 33)).finish();
    const otherCluster = replaced(id, id.with(0, 0));
    for (const hostile of [otherKey, otherManifest, otherCluster]) {
      expect(codeOf(() => decode(hostile))).toBe('SNAPSHOT_MALFORMED');
    }
  });

  it('that is refused says why', () => {
    try {
      decode(bytes.with(33, 0xff));
    } catch (error) {
      expect(describeError(error)).toContain('SNAPSHOT_MALFORMED');
    }
    expect.assertions(1);
  });
});

describe('error codes', () => {
  it('are each documented in errors.json, and nothing else is', () => {
    const source = readFileSync(new URL('../src/errors.ts', import.meta.url), 'utf8');
    const union = /StateMachineErrorCode =([^;]*);/.exec(source)?.[1] ?? '';
    const codes = [...union.matchAll(/'([A-Z_]+)'/g)].map((match) => match[1]);
    const documented = JSON.parse(
      readFileSync(new URL('../errors.json', import.meta.url), 'utf8'),
    ) as Record<string, string>;
    expect(codes.length).toBeGreaterThan(0);
    expect(new Set(Object.keys(documented))).toEqual(new Set(codes));
  });
});
