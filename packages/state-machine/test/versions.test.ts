/** The state version in use: decided from the log alone, so that all replicas do the same. */
import { describe, expect, it } from 'vitest';
import { rotationOfText, type RotationStep } from '@witan/manifest';
import {
  decodeCommand,
  encodeCommand,
  STATE_VERSION,
  STATE_VERSION_MAX,
  StateMachine,
  versionNeeded,
  type Command,
  type CommandResult,
} from '../src/index.ts';
import {
  applyNext,
  foundedState,
  incarnationOf,
  key,
  nodeCrypto,
  options,
  reading,
  reopened,
  restored,
  rotate,
  type State,
} from '../testing/support.ts';

function use(state: State, version = STATE_VERSION, change: object = {}): CommandResult {
  const members = state.members.map(({ incarnation }) => ({ incarnation, version }));
  const command = { kind: 'use-version', version, members, ...change } as Command;
  expect(decodeCommand(encodeCommand(command))).toEqual(command);
  return applyNext(state, command).result;
}

describe('a state version', () => {
  it('is in use from its place in the log on, and in snapshots and recoveries', () => {
    const state = foundedState();
    expect(state.versions.inUse).toBe(0);
    expect(state.encodeSnapshot()[0]).toBe(7);
    expect(use(state)).toEqual({ kind: 'version-in-use', version: STATE_VERSION });
    expect(state.encodeSnapshot()[0]).toBe(8);
    const [member] = state.members;
    for (const copy of [state, restored(state)]) {
      expect(copy.versions.inUse).toBe(STATE_VERSION);
      expect(member && copy.versions.of(member.incarnation)).toBe(STATE_VERSION);
    }
    expect(restored(state).encodeSnapshot()).toEqual(state.encodeSnapshot());
    // The version stays; who has it is asked of the new members.
    const opened = reopened(state, [incarnationOf(0, 1)]);
    expect(opened.versions.inUse).toBe(STATE_VERSION);
    expect(opened.versions.of(incarnationOf(0, 1).incarnation)).toBeUndefined();
    // It never goes down, also where a later leader says less.
    const less = use(state, 0);
    expect(less).toMatchObject({ kind: 'refused', code: 'MEMBER_VERSION_TOO_OLD' });
    expect(state.versions.inUse).toBe(STATE_VERSION);
  });

  it('needs the word of all members of that very place, and of nobody else', () => {
    const state = foundedState();
    const all = state.members.map(({ incarnation }) => ({ incarnation, version: STATE_VERSION }));
    const stranger = { incarnation: incarnationOf(0, 9).incarnation, version: STATE_VERSION };
    const differ = { kind: 'refused', code: 'VERSION_MEMBERS_DIFFER' };
    expect(use(state, STATE_VERSION, { members: all.slice(1) })).toMatchObject(differ);
    expect(use(state, STATE_VERSION, { members: [...all.slice(1), stranger] })).toMatchObject(
      differ,
    );
    expect(use(state, STATE_VERSION, { members: [...all, ...all.slice(0, 1)] })).toMatchObject(
      differ,
    );
    const [first, ...others] = all;
    const old = { ...first, version: STATE_VERSION - 1 };
    expect(use(state, STATE_VERSION, { members: [...others, old] })).toMatchObject({
      kind: 'refused',
      code: 'MEMBER_VERSION_TOO_OLD',
      found: String(STATE_VERSION - 1),
    });
    expect(state.versions.inUse).toBe(0);
  });

  it('that a build does not apply makes the snapshot no state of its own', () => {
    const state = foundedState();
    use(state);
    const bytes = state.encodeSnapshot();
    const older = { ...reading, stateVersion: STATE_VERSION - 1 };
    expect(() => StateMachine.decodeSnapshot(bytes, older)).toThrow(
      expect.objectContaining({ code: 'STATE_VERSION_UNKNOWN' }),
    );
    // A number that no build announces is no command, and no part of a snapshot.
    const far = encodeCommand({ kind: 'use-version', version: STATE_VERSION_MAX + 1, members: [] });
    expect(() => decodeCommand(far)).toThrow(
      expect.objectContaining({ code: 'COMMAND_MALFORMED' }),
    );
    const tail = bytes.length - state.members.length * 40 - 4 - 8;
    const none = bytes.with(tail + 7, 0);
    expect(() => StateMachine.decodeSnapshot(none, { ...options, crypto: nodeCrypto })).toThrow(
      expect.objectContaining({ code: 'SNAPSHOT_MALFORMED' }),
    );
  });

  it('changes nothing in a build that does not know the command', () => {
    const state = foundedState();
    const before = state.encodeSnapshot();
    const unknown = encodeCommand({ kind: 'noop' });
    const { result } = state.apply(
      state.appliedIndex + 1,
      unknown.with(unknown.length - 1, 0xee),
      nodeCrypto,
    );
    expect(result).toMatchObject({ kind: 'malformed' });
    const after = state.encodeSnapshot();
    // Only the index has moved on.
    expect(after.length).toBe(before.length);
    expect([...after].filter((byte, at) => byte !== before[at])).toHaveLength(1);
  });
});

describe('the table of what is applied since when', () => {
  const step = (words: string): RotationStep => rotationOfText(words) ?? expect.fail(words);

  it('has manifests and certificates for every member, the rest from 1 on', () => {
    for (const kind of ['noop', 'set-manifest', 'issue-certificate'] as const) {
      expect(versionNeeded({ kind })).toBe(0);
    }
    for (const kind of ['change-slots', 'rotate', 'approve', 'withdraw'] as const) {
      expect(versionNeeded({ kind })).toBe(1);
    }
    expect(versionNeeded({ kind: 'rotate', step: step('root prepare') })).toBe(1);
  });

  it('demands for a proposal what the change itself demands', () => {
    const action = { kind: 'rotation', number: 0, step: step('sealing') } as const;
    expect(versionNeeded({ kind: 'approve', action })).toBe(
      Math.max(
        versionNeeded({ kind: 'approve' }),
        versionNeeded({ kind: 'rotate', step: action.step }),
      ),
    );
  });

  it('never demands more than this build has', () => {
    const state = foundedState();
    for (const words of ['sealing', 'secret database', 'mesh-ca prepare', 'root retire force']) {
      expect(versionNeeded(rotate(state, words, { requestKey: key(1) }))).toBeLessThanOrEqual(
        STATE_VERSION,
      );
    }
  });
});
