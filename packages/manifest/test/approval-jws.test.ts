import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterId, sha256Hex, unixMillis, utf8 } from '@witan/core';
import {
  approvalBytes,
  APPROVAL_BYTES_MAX,
  APPROVAL_LIFETIME_MS_MAX,
  approvalHeaderText,
  checkApprovals,
  checkApprovalsOf,
  detachedJws,
  jwsAlgorithmOf,
  parseDetachedJws,
  parseSigningInput,
  signingInput,
  slotChangeBytes,
  type Approval,
  type ApprovalCheck,
  type ApprovalHeader,
  type OwnerKeyKind,
} from '../src/index.ts';
import {
  bytesOf,
  codeOf,
  draftManifest,
  edKey,
  edited,
  nodeCrypto,
  parse,
  refusalOf,
  rsaKey,
  signAs,
  signWith,
  testKey,
  type TestKey,
} from './support.ts';

const KINDS: readonly OwnerKeyKind[] = ['p256', 'p384', 'rsa', 'ed25519'];
const keys: Readonly<Record<OwnerKeyKind, TestKey>> = {
  p256: testKey(),
  p384: testKey('P-384'),
  rsa: rsaKey(),
  ed25519: edKey(),
};
const inForce = parse(bytesOf(draftManifest(Object.values(keys), 1)));
const nowMs = unixMillis(1_800_000_000_000);
const subject = {
  clusterId: clusterId('11'.repeat(32)),
  previousTransition: sha256Hex('22'.repeat(32)),
  manifestDigest: sha256Hex('33'.repeat(32)),
};
const content = approvalBytes(subject);

function headerOf(kind: OwnerKeyKind, more: Partial<ApprovalHeader> = {}): ApprovalHeader {
  return {
    algorithm: jwsAlgorithmOf(kind),
    expiresSeconds: nowMs / 1000 + 60,
    owner: keys[kind].fingerprint,
    use: 'witan-approval+jws',
    ...more,
  };
}

/** @param by the key that really signs */
function jws(header: ApprovalHeader, data: Uint8Array, by: OwnerKeyKind): Approval {
  const signature = detachedJws(header, signAs(by, keys[by], signingInput(header, data)));
  return { ownerFingerprint: header.owner, signature };
}

function check(approvals: readonly Approval[], more: Partial<ApprovalCheck> = {}) {
  return checkApprovals({
    inForce,
    isFirst: false,
    subject,
    approvals,
    timeMs: nowMs,
    crypto: nodeCrypto,
    ...more,
  });
}

describe('an approval as JWS', () => {
  it.each(KINDS)('by a key of %s counts', (kind) => {
    const approval = jws(headerOf(kind), content, kind);
    expect(check([approval])).toEqual([approval]);
    expect(approval.signature.byteLength).toBeLessThan(APPROVAL_BYTES_MAX);
  });

  it('of all owners together counts for each', () => {
    const all = KINDS.map((kind) => jws(headerOf(kind), content, kind));
    expect(check(all, { inForce: { ...inForce, updateThreshold: 4 } })).toHaveLength(4);
  });

  it('names no algorithm but the one of the owner’s key', () => {
    for (const kind of KINDS) {
      for (const other of KINDS.filter((one) => one !== kind)) {
        const header = headerOf(kind, { algorithm: jwsAlgorithmOf(other) });
        const error = refusalOf(() => check([jws(header, content, other)]));
        expect(error.code).toBe('APPROVAL_ALGORITHM_UNFIT');
        expect(error.fields).toMatchObject({
          expected: jwsAlgorithmOf(kind),
          found: jwsAlgorithmOf(other),
        });
        // The right name over a signature by another kind of key is no better.
        const lying = jws(headerOf(kind), content, other);
        expect(codeOf(() => check([lying]))).toBe('APPROVAL_SIGNATURE_INVALID');
      }
    }
  });

  it.each([
    ['none', '{"alg":"none","exp":1900000000,"kid":"K","typ":"witan-approval+jws"}'],
    ['an HMAC', '{"alg":"HS256","exp":1900000000,"kid":"K","typ":"witan-approval+jws"}'],
    ['another order', '{"exp":1900000000,"alg":"ES256","kid":"K","typ":"witan-approval+jws"}'],
    ['a space', '{"alg":"ES256", "exp":1900000000,"kid":"K","typ":"witan-approval+jws"}'],
    ['a key of its own', '{"alg":"ES256","exp":1900000000,"jwk":{},"kid":"K","typ":"witan"}'],
    ['crit', '{"alg":"ES256","crit":["exp"],"exp":1900000000,"kid":"K","typ":"witan"}'],
    ['two algorithms', '{"alg":"ES256","alg":"ES256","exp":1900000000,"kid":"K"}'],
    ['no expiry', '{"alg":"ES256","kid":"K","typ":"witan-approval+jws"}'],
    ['an expiry with a zero', '{"alg":"ES256","exp":01900000000,"kid":"K"}'],
  ])('with %s in its header is refused', (_name, template) => {
    const owner = keys.p256.fingerprint;
    const text = template.replace('K', owner);
    const head = Buffer.from(text).toString('base64url');
    const input = utf8(`${head}.${Buffer.from(content).toString('base64url')}`);
    const tail = Buffer.from(signAs('p256', keys.p256, input)).toString('base64url');
    const approval = { ownerFingerprint: owner, signature: utf8(`${head}..${tail}`) };
    expect(codeOf(() => check([approval]))).toBe('APPROVAL_MALFORMED');
  });

  it('is refused for another cluster, transition, manifest or action (I6)', () => {
    const approval = jws(headerOf('ed25519'), content, 'ed25519');
    const others = [
      { clusterId: clusterId('44'.repeat(32)) },
      { previousTransition: sha256Hex('44'.repeat(32)) },
      { manifestDigest: sha256Hex('44'.repeat(32)) },
    ];
    for (const other of others) {
      const replayed = () => check([approval], { subject: { ...subject, ...other } });
      expect(codeOf(replayed)).toBe('APPROVAL_SIGNATURE_INVALID');
    }
    const slots = slotChangeBytes({
      ...subject,
      epoch: 1 as never,
      number: 0,
      from: [],
      to: [],
    });
    const timeMs = nowMs;
    const asSlots = { inForce, isFirst: false, approvals: [approval], timeMs, crypto: nodeCrypto };
    expect(codeOf(() => checkApprovalsOf(slots, asSlots))).toBe('APPROVAL_SIGNATURE_INVALID');
  });

  it('made to withdraw another one approves nothing', () => {
    const revocation = jws(headerOf('p256', { use: 'witan-revocation+jws' }), content, 'p256');
    expect(codeOf(() => check([revocation]))).toBe('APPROVAL_MALFORMED');
  });

  it('of another owner under this one’s name is refused', () => {
    const { signature } = jws(headerOf('p384'), content, 'p384');
    const borrowed = { ownerFingerprint: keys.p256.fingerprint, signature };
    expect(codeOf(() => check([borrowed]))).toBe('APPROVAL_MALFORMED');
  });

  it('counts once with its signature turned to n - s, and once in both forms', () => {
    const approval = jws(headerOf('p256'), content, 'p256');
    const parsed = parseDetachedJws(approval.signature);
    if (parsed === undefined) throw new Error('not parsed');
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const s = BigInt(`0x${Buffer.from(parsed.signature.subarray(32)).toString('hex')}`);
    const other = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex');
    const signature = Uint8Array.of(...parsed.signature.subarray(0, 32), ...other);
    const turned = { ...approval, signature: detachedJws(parsed.header, signature) };
    const raw = { ...approval, signature: signWith(keys.p256, content) };
    for (const one of [turned, raw]) expect(check([one])).toEqual([one]);
    const rules = { inForce: { ...inForce, updateThreshold: 2 } };
    expect(codeOf(() => check([approval, turned, raw], rules))).toBe('APPROVALS_TOO_FEW');
  });

  it('may expire up to 30 days ahead of the leader’s clock, and not before it', () => {
    const at = (seconds: number) =>
      check([jws(headerOf('p256', { expiresSeconds: nowMs / 1000 + seconds }), content, 'p256')]);
    const most = APPROVAL_LIFETIME_MS_MAX / 1000;
    for (const seconds of [0, 1, most]) expect(at(seconds)).toHaveLength(1);
    const late = refusalOf(() => at(-1));
    expect(late.code).toBe('APPROVAL_EXPIRED');
    expect(late.fields['found']).toBe('1799999999 (Unix seconds)');
    expect(String(late.fields['expected'])).toContain('1800000000');
    expect(codeOf(() => at(most + 1))).toBe('APPROVAL_EXPIRY_TOO_FAR');
  });

  it('by an owner without the role that decides over slots is refused there', () => {
    const owners = inForce.owners.map((owner) =>
      owner.keyKind === 'rsa' ? { ...owner, roles: ['membership' as const] } : owner,
    );
    const rules = { owners, updateThreshold: 1, membershipThreshold: 1 };
    const over = (kind: OwnerKeyKind, action: 'update' | 'membership') =>
      check([jws(headerOf(kind), content, kind)], { inForce: rules, action });
    expect(over('rsa', 'membership')).toHaveLength(1);
    expect(over('p256', 'update')).toHaveLength(1);
    expect(codeOf(() => over('p256', 'membership'))).toBe('APPROVAL_ROLE_MISSING');
    expect(codeOf(() => over('rsa', 'update'))).toBe('APPROVAL_ROLE_MISSING');
  });

  it('by an auditor changes nothing', () => {
    const draft = draftManifest([keys.p384, keys.p256], 1);
    const manifest = parse(bytesOf(edited(draft, { 'owners/1/roles': ['auditor'] })));
    const approval = jws(headerOf('p256'), content, 'p256');
    for (const action of ['update', 'membership'] as const) {
      const judged = () => check([approval], { inForce: manifest, action });
      expect(codeOf(judged)).toBe('APPROVAL_ROLE_MISSING');
    }
  });
});

describe('the parser of approvals', () => {
  const approval = jws(headerOf('ed25519'), content, 'ed25519').signature;

  it('reads only what it would write', () => {
    const change = fc.record({ at: fc.nat(approval.length - 1), byte: fc.nat(255) });
    const near = fc
      .array(change, { minLength: 1, maxLength: 3 })
      .map((changes) => changes.reduce((all, { at, byte }) => all.with(at, byte), approval));
    const any = fc.oneof(near, fc.uint8Array({ maxLength: 400 }), fc.string().map(utf8));
    fc.assert(
      fc.property(any, (bytes) => {
        const parsed = parseDetachedJws(bytes);
        if (parsed === undefined) return;
        expect(detachedJws(parsed.header, parsed.signature)).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes prepared bytes apart to what they were made of, and nothing else', () => {
    const header = headerOf('p384');
    expect(parseSigningInput(signingInput(header, content))).toEqual({ header, content });
    expect(approvalHeaderText(header)).toBe(JSON.stringify(JSON.parse(approvalHeaderText(header))));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (text) => {
        expect(parseSigningInput(utf8(`${text}.AAAA`))).toBeUndefined();
      }),
    );
    expect(parseSigningInput(utf8(`${Buffer.from(approval).toString()}`))).toBeUndefined();
    expect(parseSigningInput(new Uint8Array(100_000))).toBeUndefined();
  });
});
