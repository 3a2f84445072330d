import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterId, sha256Hex, toHex } from '@witan/core';
import {
  approvalBytes,
  checkApprovals,
  NO_TRANSITION,
  type Approval,
  type ApprovalCheck,
  type ApprovalSubject,
} from '../src/index.ts';
import {
  approvalOf,
  bytesOf,
  codeOf,
  draftManifest,
  nodeCrypto,
  parse,
  refusalOf,
  testKey,
} from './support.ts';

const keys = [testKey(), testKey(), testKey()];
const stranger = testKey();
const inForce = parse(bytesOf(draftManifest(keys, 2)));
const subject: ApprovalSubject = {
  clusterId: clusterId('11'.repeat(32)),
  previousTransition: sha256Hex('22'.repeat(32)),
  manifestDigest: sha256Hex('33'.repeat(32)),
};
const good = keys.map((key) => approvalOf(key, approvalBytes(subject)));

function check(approvals: readonly Approval[], more: Partial<ApprovalCheck> = {}) {
  return checkApprovals({
    inForce,
    isFirst: false,
    subject,
    approvals,
    crypto: nodeCrypto,
    ...more,
  });
}

const pick = (...at: readonly number[]): Approval[] => at.flatMap((index) => good[index] ?? []);

describe('approvals', () => {
  it('have bytes that bind cluster, previous transition and manifest, under a label', () => {
    expect(toHex(approvalBytes(subject))).toBe(
      `00000011${Buffer.from('witan/approval/v1').toString('hex')}` +
        `${'11'.repeat(32)}${'22'.repeat(32)}${'33'.repeat(32)}`,
    );
  });

  it('suffice from as many distinct owners as the threshold, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { maxLength: 8 }), (chosen) => {
        const distinct = new Set(chosen);
        if (distinct.size < 2) {
          const error = refusalOf(() => check(pick(...chosen)));
          expect(error.code).toBe('APPROVALS_TOO_FEW');
          expect(error.fields).toMatchObject({ expected: 2, found: distinct.size });
          return;
        }
        const accepted = check(pick(...chosen)).map((approval) => approval.ownerFingerprint);
        expect(accepted).toEqual(accepted.toSorted());
        expect(new Set(accepted)).toEqual(
          new Set([...distinct].map((at) => keys[at]?.fingerprint)),
        );
      }),
    );
  });

  it('of one owner with two different signatures count once', () => {
    const [first] = keys;
    if (first === undefined) throw new Error('no key');
    const again = approvalOf(first, approvalBytes(subject));
    expect(codeOf(() => check([...pick(0), again]))).toBe('APPROVALS_TOO_FEW');
  });

  it('are refused as a whole where one signature is bad, even above the threshold', () => {
    const [a, b, c] = pick(0, 1, 2);
    if (a === undefined || b === undefined || c === undefined) throw new Error('no approvals');
    const flipped = { ...c, signature: c.signature.with(5, (c.signature[5] ?? 0) ^ 1) };
    expect(codeOf(() => check([a, b, flipped]))).toBe('APPROVAL_SIGNATURE_INVALID');
    expect(codeOf(() => check([flipped, a, b]))).toBe('APPROVAL_SIGNATURE_INVALID');
    const borrowed = { ...c, signature: a.signature };
    expect(codeOf(() => check([a, b, borrowed]))).toBe('APPROVAL_SIGNATURE_INVALID');
    const short = { ...c, signature: c.signature.subarray(0, 63) };
    expect(codeOf(() => check([a, b, short]))).toBe('APPROVAL_MALFORMED');
  });

  it.each([
    ['cluster', { clusterId: clusterId('44'.repeat(32)) }],
    ['place in the history', { previousTransition: sha256Hex('44'.repeat(32)) }],
    ['manifest', { manifestDigest: sha256Hex('44'.repeat(32)) }],
  ])('cannot be replayed for another %s (I6)', (_name, other) => {
    const replayed = () => check(pick(0, 1), { subject: { ...subject, ...other } });
    expect(codeOf(replayed)).toBe('APPROVAL_SIGNATURE_INVALID');
  });

  it('of strangers are refused, whatever else is there', () => {
    const foreign = approvalOf(stranger, approvalBytes(subject));
    const error = refusalOf(() => check([...pick(0, 1), foreign]));
    expect(error.code).toBe('APPROVAL_UNKNOWN_OWNER');
    expect(error.fields).toMatchObject({ path: 'approvals[2]', found: stranger.fingerprint });
  });

  it('of owners without the role update do not count', () => {
    const owners = inForce.owners.map((owner) => ({ ...owner, roles: ['recovery'] as const }));
    const stripped = { owners, updateThreshold: 1 };
    expect(codeOf(() => check(pick(0), { inForce: stripped }))).toBe('APPROVAL_ROLE_MISSING');
  });

  it('are limited in number before any signature is checked (I10)', () => {
    const flood = Array.from({ length: 65 }, () => pick(0)).flat();
    expect(codeOf(() => check(flood))).toBe('APPROVALS_TOO_MANY');
  });

  it('cannot change a manifest that allows no updates, which needs none to be set first', () => {
    const { updateThreshold: _, ...draft } = draftManifest([]);
    const final = parse(bytesOf({ ...draft, allowNoUpdates: true }));
    expect(codeOf(() => check([], { inForce: final }))).toBe('UPDATES_NOT_ALLOWED');
    const first = { ...subject, previousTransition: NO_TRANSITION };
    expect(check([], { inForce: final, isFirst: true, subject: first })).toEqual([]);
  });
});
