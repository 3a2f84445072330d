/** Links from one seed to the next: who signs, who approves, and which key counts when. */
import { createHash, generateKeyPairSync, sign, verify, createPublicKey } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterId, epoch, generation, sha256Hex, unixMillis, type Crypto } from '@witan/core';
import {
  HistoryKeys,
  ManifestError,
  SEEDS_MAX,
  checkSeedApprovals,
  decodeSeedLink,
  encodeSeedLink,
  rotationBytes,
  rotationOfText,
  rotationText,
  seedCommitment,
  seedLinkBytes,
  type ApprovalRules,
  type SeedLink,
  type SignedSeedLink,
} from '@witan/manifest';

const crypto: Crypto = {
  hash: (algorithm, ...parts) => {
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  },
  verify: ({ publicKey, data, signature }) =>
    verify(
      'sha256',
      data,
      {
        key: createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }),
        dsaEncoding: 'ieee-p1363',
      },
      signature,
    ),
};

function makeKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  const signed = (data: Uint8Array): Uint8Array =>
    new Uint8Array(sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' }));
  const fingerprint = sha256Hex(createHash('sha256').update(spki).digest('hex'));
  return { spki, signed, fingerprint };
}

const CLUSTER = clusterId('c1'.repeat(32));
const [FIRST, SECOND, THIRD, ALICE] = [makeKey(), makeKey(), makeKey(), makeKey()];
const HASHES = [1, 2, 3].map((fill) => sha256Hex(`${fill}`.repeat(64)));
const RULES = {
  owners: [
    {
      name: 'alice',
      fingerprint: ALICE.fingerprint,
      publicKey: ALICE.spki,
      keyKind: 'p256',
      roles: ['update'],
    },
  ],
  updateThreshold: 1,
} as unknown as ApprovalRules;

type Key = ReturnType<typeof makeKey>;

function linkTo(key: Key, number: number, by: Key, change: Partial<SeedLink> = {}): SignedSeedLink {
  const plain: SeedLink = {
    clusterId: CLUSTER,
    number,
    seedDigest: sha256Hex(`d${number}`.repeat(32)),
    historyPublicKey: key.spki,
    epoch: epoch(number - 1),
    generation: generation(number - 1),
    previousTransition: HASHES[number - 2] ?? expect.fail(),
    steps: number * 3,
    approvals: [],
    timeMs: unixMillis(5),
    ...change,
  };
  const commitment = seedCommitment(plain, crypto);
  const content = rotationBytes({
    clusterId: CLUSTER,
    epoch: plain.epoch,
    previousTransition: plain.previousTransition,
    number: plain.steps,
    step: { target: 'seed', step: 'activate', commitment },
  });
  const approval = { ownerFingerprint: ALICE.fingerprint, signature: ALICE.signed(content) };
  const link = { ...plain, approvals: change.approvals ?? [approval] };
  return { link, signature: by.signed(seedLinkBytes(link)) };
}

const LINKS = [linkTo(SECOND, 2, FIRST), linkTo(THIRD, 3, SECOND)];
const keysOf = (links: readonly SignedSeedLink[]) =>
  HistoryKeys.verified(FIRST.spki, links, CLUSTER, crypto);
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

describe('the commitment to a seed', () => {
  it('is the known answer, computed with Python', () => {
    const identity = {
      clusterId: CLUSTER,
      number: 2,
      seedDigest: sha256Hex('d1'.repeat(32)),
      historyPublicKey: new Uint8Array(91).fill(7),
    };
    expect(seedCommitment(identity, crypto)).toBe(
      'ae3c77b021c8f220583a8f2c7efb22a1cfeaa695f50ca084ec299803b5c5247f',
    );
  });

  it('is part of the words that owners approve, and nothing else fits there', () => {
    const text = `seed activate ${'ab'.repeat(32)}`;
    const step = rotationOfText(text) ?? expect.fail();
    expect(rotationText(step)).toBe(text);
    for (const words of ['seed prepare', 'seed retire']) {
      expect(rotationText(rotationOfText(words) ?? expect.fail())).toBe(words);
    }
    for (const wrong of [
      'seed',
      'seed activate',
      'seed activate AB',
      'seed retire force',
      'seed x',
    ]) {
      expect(rotationOfText(wrong)).toBeUndefined();
    }
  });
});

describe('links between seeds', () => {
  it('give each record the key of its time (I6)', () => {
    const keys = keysOf(LINKS);
    expect(keys.all).toEqual([FIRST.spki, SECOND.spki, THIRD.spki]);
    expect(keys.newest).toBe(THIRD.spki);
    const by = [1, 2, 3, 4].map((number) => keys.ofGeneration(number));
    expect(by).toEqual([FIRST.spki, SECOND.spki, THIRD.spki, THIRD.spki]);
    // A recovery is signed by the key in force in the epoch that was lost.
    expect([2, 3].map((begun) => keys.ofRecovery(epoch(begun)))).toEqual([SECOND.spki, THIRD.spki]);
    expect(checkSeedApprovals(keys.links, { hashes: HASHES }, () => RULES, crypto)).toEqual([]);
    expect(checkSeedApprovals(keys.links, { hashes: HASHES }, () => undefined, crypto)).toEqual([
      2, 3,
    ]);
  });

  it.each([
    ['SEED_LINK_SIGNATURE_INVALID', [linkTo(SECOND, 2, THIRD)]],
    ['SEED_LINK_BROKEN', [linkTo(THIRD, 3, FIRST)]],
    ['SEED_LINK_BROKEN', [linkTo(SECOND, 2, FIRST, { clusterId: clusterId('c2'.repeat(32)) })]],
    ['SEED_LINK_BROKEN', [LINKS[0], linkTo(THIRD, 3, SECOND, { generation: generation(0) })]],
    ['SEED_LINK_BROKEN', [LINKS[0], linkTo(THIRD, 3, SECOND, { steps: 6 })]],
    ['SEED_LINKS_TOO_MANY', Array.from({ length: SEEDS_MAX + 1 }, () => LINKS[0])],
  ])('are refused with %s where they do not follow each other', (expected, links) => {
    expect(() => keysOf(links as SignedSeedLink[])).toThrow(code(expected));
  });

  it('are refused away from their transition, or with approvals of something else (I6)', () => {
    const [first] = LINKS;
    const of = (link: SignedSeedLink | undefined) => (link === undefined ? [] : [link.link]);
    const moved = { hashes: HASHES.toReversed() };
    expect(() => checkSeedApprovals(of(first), moved, () => RULES, crypto)).toThrow(
      code('SEED_LINK_OFF_HISTORY'),
    );
    // What a thief of the first seed can make: a link of his own with the owners’ true approvals.
    const { approvals } = first?.link ?? expect.fail();
    for (const change of [
      { approvals, historyPublicKey: THIRD.spki },
      { approvals, seedDigest: sha256Hex('ee'.repeat(32)) },
    ]) {
      const forged = linkTo(SECOND, 2, FIRST, change);
      expect(keysOf([forged]).links).toHaveLength(1);
      expect(() => checkSeedApprovals(of(forged), { hashes: HASHES }, () => RULES, crypto)).toThrow(
        code('APPROVAL_SIGNATURE_INVALID'),
      );
    }
  });

  it('are read as they were written, and in no other form (I10)', () => {
    const [signed = expect.fail()] = LINKS;
    const bytes = encodeSeedLink(signed);
    expect(encodeSeedLink(decodeSeedLink(bytes))).toEqual(bytes);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.boolean(), (at, value, cuts) => {
        const changed = cuts ? bytes.slice(0, at) : bytes.with(at, value);
        try {
          expect(encodeSeedLink(decodeSeedLink(changed))).toEqual(changed);
        } catch (error) {
          if (!(error instanceof ManifestError)) throw error;
          expect(error.code).toBe('RECORD_MALFORMED');
        }
      }),
      { numRuns: 500 },
    );
  });
});
