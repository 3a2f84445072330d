import { describe, expect, it } from 'vitest';
import {
  clusterId,
  epoch,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  unixMillis,
} from '@witan/core';
import {
  approvalBytes,
  checkApprovalsOfHistory,
  compareRecoveriesToFloor,
  nextTransition,
  NO_TRANSITION,
  recoveryBytes,
  transitionBytes,
  transitionHash,
  verifyHistory,
  verifyRecoveriesOf,
  type Approvers,
  type Recovery,
  type SignedTransition,
  type VerifiedHistory,
} from '../src/index.ts';
import {
  approvalOf,
  digest,
  nodeCrypto,
  refusalOf,
  signWith,
  testKey,
  type TestKey,
} from './support.ts';

const historyKey = testKey();
const cluster = clusterId('ab'.repeat(32));
const [alice, bob] = [testKey(), testKey()];

/** A history with one transition for each pair of an epoch and who approves. */
function historyOf(steps: readonly (readonly [number, readonly TestKey[]])[]): VerifiedHistory {
  const links: SignedTransition[] = [];
  let previous = NO_TRANSITION;
  for (const [at, [era, approvers]] of steps.entries()) {
    const manifestDigest = digest(Uint8Array.of(at));
    const data = approvalBytes({
      clusterId: cluster,
      previousTransition: previous,
      manifestDigest,
    });
    const transition = nextTransition({
      clusterId: cluster,
      epoch: epoch(era),
      previousGeneration: generation(at),
      previous,
      manifestDigest,
      approvals: approvers.map((key) => approvalOf(key, data)),
      timeMs: unixMillis(at),
    });
    previous = transitionHash(transition, nodeCrypto);
    const signature = signWith(historyKey, transitionBytes(transition));
    links.push({ transition, signature });
  }
  return verifyHistory(links, historyKey.spki, nodeCrypto);
}

/** Three generations; the cluster was recovered behind the second. */
const history = historyOf([
  [1, [alice]],
  [1, [alice]],
  [2, [alice]],
]);

function recovery(change: Partial<Recovery> = {}): Recovery {
  return {
    clusterId: cluster,
    epoch: epoch(2),
    previous: NO_TRANSITION,
    from: {
      epoch: epoch(1),
      term: 3,
      index: 40,
      generation: generation(2),
      transitionHash: history.hashes[1] ?? NO_TRANSITION,
    },
    key: 'shares',
    owners: [],
    participants: [{ slot: slotName('witan-0'), incarnation: incarnationId('41'.repeat(32)) }],
    acceptedMissing: [],
    timeMs: unixMillis(1),
    ...change,
  };
}

function verify(recoveries: readonly Recovery[], current = 2, of = history) {
  const signed = recoveries.map((one) => ({
    recovery: one,
    signature: signWith(historyKey, recoveryBytes(one)),
  }));
  const mark = { clusterId: cluster, epoch: epoch(current) };
  return verifyRecoveriesOf(of, signed, mark, historyKey.spki, nodeCrypto);
}

const { from } = recovery();

describe('recoveries of a history (I7)', () => {
  it('are each at their place, with their hashes', () => {
    expect(verify([recovery()]).hashes).toHaveLength(1);
    expect(verify([], 1, historyOf([[1, [alice]]])).hashes).toEqual([]);
  });

  it.each([
    ['from another transition', { transitionHash: sha256Hex('11'.repeat(32)) }],
    ['from a generation that is not there', { generation: generation(9) }],
    ['from before a transition of its old epoch', onto(1)],
    ['from behind a transition of its new epoch', onto(3)],
  ])('are refused %s', (_name, change) => {
    expect(() => verify([recovery({ from: { ...from, ...change } })])).toThrow(
      expect.objectContaining({ code: 'RECOVERY_OFF_HISTORY' }),
    );
  });

  it.each([
    ['is cut off', [], 2],
    ['leads to another epoch', [recovery()], 3],
  ])('are refused when their list %s', (_name, list, current) => {
    expect(() => verify(list, current)).toThrow(
      expect.objectContaining({ code: 'RECOVERY_EPOCH_DIFFERS' }),
    );
  });

  function onto(number: number) {
    const transitionHash = history.hashes[number - 1] ?? NO_TRANSITION;
    return { generation: generation(number), transitionHash };
  }
});

describe('a floor (I6)', () => {
  const verified = verify([recovery()]);
  const [hash = NO_TRANSITION] = verified.hashes;
  const floor = (era: number, commitIndex: number) => ({
    clusterId: cluster,
    epoch: epoch(era),
    commitIndex,
    generation: generation(2),
    transitionHash: from.transitionHash,
  });

  it.each([
    ['at the recovered state is kept', floor(1, 40), undefined, 'ok'],
    ['of the new epoch is kept', floor(2, 90), { epoch: epoch(2), hash }, 'ok'],
    ['above the recovered state shows what was lost', floor(1, 41), undefined, 'lower-index'],
    [
      'with another recovery of the same epoch shows a fork',
      floor(2, 90),
      { epoch: epoch(2), hash: sha256Hex('77'.repeat(32)) },
      'fork',
    ],
  ])('%s', (_name, lowest, seen, kind) => {
    expect(compareRecoveriesToFloor(verified, lowest, seen).kind).toBe(kind);
  });

  it('of an epoch that a later recovery passed over shows a lower epoch', () => {
    const short = historyOf([
      [1, [alice]],
      [1, [alice]],
    ]);
    const transitionHash = short.head;
    const late = recovery({ epoch: epoch(3), from: { ...from, transitionHash } });
    const skipping = verify([late], 3, short);
    expect(compareRecoveriesToFloor(skipping, floor(2, 10), undefined)).toEqual({
      kind: 'lower-epoch',
      expected: 2,
      found: 1,
    });
  });
});

describe('approvals of a history', () => {
  const owner = (key: TestKey, name: string) => ({
    name,
    keyKind: 'p256' as const,
    publicKey: key.spki,
    fingerprint: key.fingerprint,
    roles: ['update' as const],
  });
  const manifests: readonly Approvers[] = [
    { owners: [owner(alice, 'alice')], updateThreshold: 1 },
    { owners: [owner(bob, 'bob')], updateThreshold: 1 },
    { owners: [owner(bob, 'bob')], updateThreshold: 0 },
  ];
  const check = (of: VerifiedHistory, kept = manifests) =>
    checkApprovalsOfHistory(of, (number) => kept[number - 1], nodeCrypto);

  it('are judged by the owners of the manifest before', () => {
    expect(
      check(
        historyOf([
          [1, [alice]],
          [1, [alice]],
          [1, [bob]],
        ]),
      ),
    ).toEqual([]);
  });

  it.each([
    [
      'by an owner who was one only before',
      [
        [1, [alice]],
        [1, [alice]],
        [1, [alice]],
      ],
      2,
    ],
    [
      'by an owner who is one only afterwards',
      [
        [1, [alice]],
        [1, [bob]],
      ],
      1,
    ],
    [
      'by nobody',
      [
        [1, [alice]],
        [1, []],
      ],
      1,
    ],
    [
      'where none is allowed',
      [
        [1, [alice]],
        [1, [alice]],
        [1, [bob]],
        [1, [bob]],
      ],
      3,
    ],
  ] as const)('are refused %s, and the place is named', (_name, steps, at) => {
    const { fields } = refusalOf(() => check(historyOf(steps)));
    expect(fields['path']).toContain(`transitions[${at}].`);
  });

  it('are left to the replicas where the manifest before is not kept, and that is said', () => {
    const long = historyOf([
      [1, [alice]],
      [1, [bob]],
      [1, [bob]],
    ]);
    const kept = [undefined, ...manifests.slice(1)] as readonly Approvers[];
    expect(check(long, kept)).toEqual([1, 2]);
  });
});
