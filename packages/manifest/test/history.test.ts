import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { clusterId, epoch, generation, sha256Hex, unixMillis } from '@witan/core';
import {
  compareHistoryToFloor,
  decodeSignedTransition,
  encodeSignedTransition,
  ManifestError,
  nextTransition,
  NO_TRANSITION,
  SIGNED_TRANSITION_BYTES_MAX,
  transitionBytes,
  transitionHash,
  TRANSITIONS_MAX,
  verifyHistory,
  type Approval,
  type Floor,
  type SignedTransition,
  type Transition,
} from '../src/index.ts';
import { approvalOf, codeOf, digest, nodeCrypto, refusalOf, signWith, testKey } from './support.ts';

const history = testKey();
const cluster = clusterId('ab'.repeat(32));
const owners = [testKey(), testKey()];

function signed(transition: Transition): SignedTransition {
  return { transition, signature: signWith(history, transitionBytes(transition)) };
}

function chain(length: number): SignedTransition[] {
  const links: SignedTransition[] = [];
  let previous = NO_TRANSITION;
  for (let number = 1; number <= length; number += 1) {
    const transition = nextTransition({
      clusterId: cluster,
      epoch: epoch(1),
      previousGeneration: generation(number - 1),
      previous,
      manifestDigest: digest(Uint8Array.of(number)),
      approvals: owners.map((key) => approvalOf(key, Uint8Array.of(number))),
      timeMs: unixMillis(1000 * number),
    });
    previous = transitionHash(transition, nodeCrypto);
    links.push(signed(transition));
  }
  return links;
}

let links: SignedTransition[];
beforeAll(() => {
  links = chain(4);
});

const verify = (transitions: readonly SignedTransition[]) =>
  verifyHistory(transitions, history.spki, nodeCrypto);

/** The chain with one transition changed and signed again by the true key. */
function forged(at: number, change: Partial<Transition>): SignedTransition[] {
  return links.map((link, index) =>
    index === at ? signed({ ...link.transition, ...change }) : link,
  );
}

describe('a history', () => {
  it('verifies from the first transition to its head, and an empty one has no head', () => {
    const verified = verify(links);
    expect(verified.transitions).toHaveLength(4);
    expect(verified.head).toBe(verified.hashes[3]);
    expect(verify([]).head).toBe(NO_TRANSITION);
  });

  it.each([
    ['of another cluster', { clusterId: clusterId('cd'.repeat(32)) }, 'HISTORY_CLUSTER_DIFFERS'],
    ['with a generation left out', { generation: generation(4) }, 'HISTORY_GENERATION_GAP'],
    ['with a generation repeated', { generation: generation(2) }, 'HISTORY_GENERATION_GAP'],
    ['on another transition', { previous: sha256Hex('ef'.repeat(32)) }, 'HISTORY_LINK_BROKEN'],
  ])('with a transition %s is refused, well signed or not (I6)', (_name, change, code) => {
    const error = refusalOf(() => verify(forged(2, change)));
    expect(error).toMatchObject({ code, fields: { path: 'transitions[2]' } });
  });

  it('with a changed transition breaks at the next link, even if signed again (I6)', () => {
    const error = refusalOf(() => verify(forged(1, { timeMs: unixMillis(1) })));
    expect(error).toMatchObject({
      code: 'HISTORY_LINK_BROKEN',
      fields: { path: 'transitions[2]' },
    });
  });

  it('that goes back an epoch is refused (I7)', () => {
    const first = forged(0, { epoch: epoch(2) })[0];
    if (first === undefined) throw new Error('no transition');
    const second = signed({
      ...(links[1]?.transition as Transition),
      previous: transitionHash(first.transition, nodeCrypto),
    });
    expect(codeOf(() => verify([first, second]))).toBe('HISTORY_EPOCH_DECREASES');
  });

  it('that does not start at generation 1 or misses a link is refused', () => {
    expect(codeOf(() => verify(links.slice(1)))).toBe('HISTORY_GENERATION_GAP');
    expect(codeOf(() => verify([...links.slice(0, 1), ...links.slice(2)]))).toBe(
      'HISTORY_GENERATION_GAP',
    );
    expect(codeOf(() => verify(links.toReversed()))).toBe('HISTORY_GENERATION_GAP');
  });

  it('under another key or with a signature of another transition is refused', () => {
    expect(codeOf(() => verifyHistory(links, testKey().spki, nodeCrypto))).toBe(
      'HISTORY_SIGNATURE_INVALID',
    );
    const swapped = links.map((link, index) => ({
      ...link,
      signature: links[(index + 1) % links.length]?.signature ?? link.signature,
    }));
    expect(codeOf(() => verify(swapped))).toBe('HISTORY_SIGNATURE_INVALID');
  });

  it('above the limit is refused before any signature is checked (I10)', () => {
    const [link] = links;
    if (link === undefined) throw new Error('no transition');
    const long = Array.from({ length: TRANSITIONS_MAX + 1 }, () => link);
    expect(codeOf(() => verify(long))).toBe('HISTORY_TOO_LONG');
  });

  it('is compared with a floor, which finds a fork below the head (I6)', () => {
    const verified = verify(links);
    const floor = (number: number, hash: string): Floor => ({
      clusterId: cluster,
      epoch: epoch(1),
      commitIndex: 9,
      generation: generation(number),
      transitionHash: sha256Hex(hash),
    });
    const second = verified.hashes[1] ?? NO_TRANSITION;
    expect(compareHistoryToFloor(verified, floor(2, second)).kind).toBe('ok');
    expect(compareHistoryToFloor(verified, floor(3, second)).kind).toBe('fork');
    expect(compareHistoryToFloor(verified, floor(5, second)).kind).toBe('lower-generation');
    expect(compareHistoryToFloor(verify([]), floor(1, second)).kind).toBe('lower-generation');
    expect(compareHistoryToFloor(verified, floor(0, NO_TRANSITION)).kind).toBe('ok');
    const foreign = { ...floor(2, second), clusterId: clusterId('cd'.repeat(32)) };
    expect(compareHistoryToFloor(verified, foreign).kind).toBe('other-cluster');
  });
});

describe('a transition', () => {
  it('is built with one approval per owner, ordered, whatever order they came in', () => {
    const approvals = owners.map((key) => approvalOf(key, Uint8Array.of(1)));
    const build = (list: readonly Approval[]): Transition =>
      nextTransition({
        clusterId: cluster,
        epoch: epoch(1),
        previousGeneration: generation(0),
        previous: NO_TRANSITION,
        manifestDigest: digest(Uint8Array.of(1)),
        approvals: list,
        timeMs: unixMillis(0),
      });
    const plain = transitionBytes(build(approvals));
    expect(transitionBytes(build([...approvals.toReversed(), ...approvals]))).toEqual(plain);
  });

  it('has one encoding: whatever decodes encodes to the same bytes (I10)', () => {
    const bytes = links.map((link) => encodeSignedTransition(link));
    for (const [index, encoded] of bytes.entries()) {
      expect(decodeSignedTransition(encoded)).toEqual(links[index]);
    }
    const valid = bytes[1] ?? new Uint8Array();
    const mutation = fc.record({ at: fc.nat(valid.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 3 }), fc.nat(3), (changes, cut) => {
        const hostile = valid.slice(0, valid.length - cut);
        for (const { at, byte } of changes) hostile[at] = byte;
        try {
          expect(encodeSignedTransition(decodeSignedTransition(hostile))).toEqual(hostile);
        } catch (error) {
          if (!(error instanceof ManifestError)) throw error;
          expect(error.code).toBe('RECORD_MALFORMED');
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('with approvals out of order or twice does not decode', () => {
    const [first, second] = links.slice(0, 2).map((link) => encodeSignedTransition(link));
    if (first === undefined || second === undefined) throw new Error('no transition');
    // Label 23 bytes, ids and numbers 112, count 4: the approvals of 100 bytes each follow.
    const at = 4 + 19 + 32 + 16 + 64 + 4;
    const swapped = Uint8Array.from(first);
    swapped.set(first.subarray(at + 100, at + 200), at);
    swapped.set(first.subarray(at, at + 100), at + 100);
    const path = 'transition.approvals';
    expect(refusalOf(() => decodeSignedTransition(swapped)).fields).toMatchObject({ path });
    const twice = Uint8Array.from(first);
    twice.set(first.subarray(at, at + 100), at + 100);
    expect(refusalOf(() => decodeSignedTransition(twice)).fields).toMatchObject({ path });
  });

  it('is refused above its limit in bytes, unread', () => {
    const large = new Uint8Array(SIGNED_TRANSITION_BYTES_MAX + 1);
    expect(codeOf(() => decodeSignedTransition(large))).toBe('RECORD_MALFORMED');
  });
});
