/** Which recovery shares a leader may deal, and when: decided alike by every replica. */
import { describe, expect, it } from 'vitest';
import { clusterId, concatBytes } from '@witan/core';
import { decodeRecoveryHeaderUnverified, RECOVERY_HEADER_BYTES_MAX } from '@witan/manifest';
import { decodeCommand, encodeCommand, StateMachine, StateMachineError } from '../src/index.ts';
import { testKey, type Edits, type TestKey } from '../testing/keys.ts';
import {
  applyNext,
  approvalFor,
  foundedState,
  foundedWithShares,
  headerFor,
  HOLDER,
  key,
  manifestBytes,
  newState,
  owner,
  reading,
  reopened,
  restored,
  setManifest,
  type State,
} from '../testing/support.ts';

const bob = testKey();
const carol = testKey('P-384');

/** The owner holds a share, and so do `others`. */
function holders(others: readonly TestKey[], threshold = 1): Edits {
  const entries = others.map((other, at) => [
    `owners/${at + 1}`,
    { name: `holder-${at}`, publicKey: other.pem, roles: ['recovery'] },
  ]);
  const added = Object.fromEntries(entries) as Edits;
  return { ...HOLDER, ...added, recoveryThreshold: threshold };
}

let requests = 10;

/** What an update gives, with this header or none. */
function update(state: State, edits: Edits, recoveryHeader?: Uint8Array): unknown {
  requests += 1;
  const change = { requestKey: key(requests), recoveryHeader };
  return applyNext(state, setManifest(state, manifestBytes(edits), change)).result;
}

const set = expect.objectContaining({ kind: 'manifest-set' }) as unknown;
const refusal = (code: string, path = 'recoveryHeader'): unknown =>
  expect.objectContaining({ kind: 'refused', code, path });

describe('shares for the first recovery owners', () => {
  it('come with the first manifest, and are in the state and its snapshot', () => {
    const state = foundedWithShares();
    const bytes = headerFor([owner]);
    expect(state.shares).toEqual({
      resharing: 1,
      header: decodeRecoveryHeaderUnverified(bytes),
    });
    expect(restored(state).shares).toEqual(state.shares);
    expect(restored(state).encodeSnapshot()).toEqual(state.encodeSnapshot());
  });

  it('are demanded, and may come with a later manifest too', () => {
    const fresh = newState();
    expect(update(fresh, HOLDER)).toEqual(refusal('RECOVERY_HEADER_MISSING'));
    const state = foundedState();
    expect(update(state, HOLDER)).toEqual(refusal('RECOVERY_HEADER_MISSING'));
    expect(update(state, HOLDER, headerFor([owner]))).toEqual(set);
  });

  it('are refused where nobody is to hold one', () => {
    const state = newState();
    expect(update(state, {}, headerFor([owner]))).toEqual(refusal('RECOVERY_HEADER_UNDUE'));
    expect(state.shares).toEqual({ resharing: 0, header: undefined });
  });
});

describe('shares in force', () => {
  it('stay while owners and threshold do, also under other names and in another order', () => {
    const state = foundedState();
    update(state, holders([bob, carol], 2), headerFor([owner, bob, carol], { threshold: 2 }));
    const { shares } = state;
    expect(update(state, { ...holders([bob, carol], 2), 'workloads/db': undefined })).toEqual(set);
    expect(update(state, holders([carol, bob], 2))).toEqual(set);
    expect(state.shares).toEqual(shares);
    const again = headerFor([owner, bob, carol], { threshold: 2, resharing: 2 });
    const undue = update(state, holders([bob, carol], 2), again);
    expect(undue).toEqual(refusal('RECOVERY_HEADER_UNDUE'));
  });

  it('are replaced by the next number with other owners or another threshold', () => {
    const state = foundedWithShares();
    expect(update(state, holders([bob]))).toEqual(refusal('RECOVERY_HEADER_MISSING'));
    expect(update(state, holders([bob]), headerFor([owner, bob], { resharing: 2 }))).toEqual(set);
    expect(update(state, holders([bob], 2))).toEqual(refusal('RECOVERY_HEADER_MISSING'));
    const next = headerFor([owner, bob], { resharing: 3, threshold: 2 });
    expect(update(state, holders([bob], 2), next)).toEqual(set);
    expect(state.shares.resharing).toBe(3);
    expect(update(state, HOLDER, headerFor([owner], { resharing: 4 }))).toEqual(set);
    expect(state.shares.header?.shares).toHaveLength(1);
  });

  it('go with the last recovery owner, and their number is not used again', () => {
    const state = foundedWithShares();
    expect(update(state, {})).toEqual(set);
    expect(state.shares).toEqual({ resharing: 1, header: undefined });
    expect(restored(state).shares).toEqual(state.shares);
    const path = 'recoveryHeader.resharing';
    expect(update(state, HOLDER, headerFor([owner]))).toEqual(
      refusal('RECOVERY_HEADER_UNFIT', path),
    );
    expect(update(state, HOLDER, headerFor([owner], { resharing: 2 }))).toEqual(set);
  });

  it('survive a full recovery (I8)', () => {
    const state = foundedWithShares();
    expect(reopened(state).shares).toEqual(state.shares);
    expect(restored(reopened(state)).shares).toEqual(state.shares);
  });
});

describe('a header that does not fit is refused, and changes nothing', () => {
  const good = { resharing: 2 };
  const other = clusterId('0f'.repeat(32));
  it.each<[string, Uint8Array, string]>([
    ['the number in force', headerFor([owner, bob], { resharing: 1 }), 'resharing'],
    ['a number that skips one', headerFor([owner, bob], { resharing: 3 }), 'resharing'],
    ['another cluster', headerFor([owner, bob], { ...good, clusterId: other }), 'clusterId'],
    ['another threshold', headerFor([owner, bob], { ...good, threshold: 2 }), 'shares'],
    ['fewer owners', headerFor([owner], good), 'shares'],
    ['more owners', headerFor([owner, bob, carol], good), 'shares'],
    ['another owner', headerFor([owner, carol], good), 'shares'],
    ['an empty text', new Uint8Array(0), 'encoding'],
    ['a cut text', headerFor([owner, bob], good).subarray(0, -1), 'encoding'],
    ['a byte behind it', concatBytes(headerFor([owner, bob], good), Uint8Array.of(0)), 'encoding'],
  ])('with %s', (_name, header, part) => {
    const state = foundedWithShares();
    const { shares, generation } = state;
    const result = update(state, holders([bob]), header);
    expect(result).toEqual(refusal('RECOVERY_HEADER_UNFIT', `recoveryHeader.${part}`));
    expect(state).toMatchObject({ shares, generation });
  });

  it('above the limit, unread (I10)', () => {
    const state = foundedWithShares();
    const huge = new Uint8Array(RECOVERY_HEADER_BYTES_MAX + 1);
    expect(update(state, holders([bob]), huge)).toMatchObject({ kind: 'malformed' });
  });

  it('and the leader may deal again under the same request key', () => {
    const state = foundedWithShares();
    const command = setManifest(state, manifestBytes(holders([bob])), { requestKey: key(1) });
    const stale = { ...command, recoveryHeader: headerFor([owner, bob]) };
    expect(applyNext(state, stale).result).toEqual(
      refusal('RECOVERY_HEADER_UNFIT', 'recoveryHeader.resharing'),
    );
    const next = { ...command, recoveryHeader: headerFor([owner, bob], { resharing: 2 }) };
    expect(applyNext(state, next)).toMatchObject({ repeated: false, result: { generation: 2 } });
  });
});

describe('owners whom nobody approved', () => {
  it('never reach the question of shares, so that a leader deals none to them', () => {
    const state = foundedWithShares();
    const { shares } = state;
    const hostile = manifestBytes({ ...HOLDER, 'owners/0/publicKey': bob.pem });
    for (const approvals of [[], [approvalFor(state, hostile, bob)]]) {
      const command = setManifest(state, hostile, { approvals });
      const plain = state.preview(encodeCommand(command), reading.crypto);
      expect(plain).toMatchObject({ kind: 'refused' });
      expect(plain).not.toMatchObject({ code: 'RECOVERY_HEADER_MISSING' });
      const recoveryHeader = headerFor([bob], { resharing: 2 });
      requests += 1;
      const requestKey = key(requests);
      applyNext(state, { ...command, recoveryHeader, requestKey });
      expect(state.shares).toEqual(shares);
    }
  });
});

describe('encodings', () => {
  it('of a command without a header are what they were before there were any', () => {
    const state = newState();
    const plain = encodeCommand(setManifest(state));
    const recoveryHeader = headerFor([owner]);
    const whole = encodeCommand(setManifest(state, manifestBytes(), { recoveryHeader }));
    // Behind the signature of 64 bytes, whose value differs: the header and its length.
    expect(whole.byteLength).toBe(plain.byteLength + 4 + recoveryHeader.byteLength);
    expect(decodeCommand(whole)).toMatchObject({ recoveryHeader });
    expect(decodeCommand(plain)).toMatchObject({ recoveryHeader: undefined });
  });

  it('of a snapshot with shares for others than the manifest names are refused', () => {
    const state = foundedWithShares();
    const bytes = state.encodeSnapshot();
    const good = headerFor([owner]);
    const at = Buffer.from(bytes).indexOf(good);
    const decode = (header: Uint8Array, resharing = 1): State =>
      StateMachine.decodeSnapshot(
        concatBytes(
          bytes.subarray(0, at - 9),
          Uint8Array.of(0, 0, 0, resharing),
          bytes.subarray(at - 5, at),
          header,
          bytes.subarray(at + good.byteLength),
        ),
        reading,
      );
    expect(decode(good).shares).toEqual(state.shares);
    const foreign = headerFor([owner], { clusterId: clusterId('0f'.repeat(32)) });
    for (const header of [headerFor([bob]), headerFor([owner], { resharing: 2 }), foreign]) {
      expect(header.byteLength).toBe(good.byteLength);
      expect(() => decode(header)).toThrow(StateMachineError);
    }
    expect(() => decode(good, 2)).toThrow(StateMachineError);
  });
});
