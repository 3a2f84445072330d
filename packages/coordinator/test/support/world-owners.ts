/** Owners of a world, their manifest, and what they sign. */
import { generateKeyPairSync } from 'node:crypto';
import { utf8 } from '@witan/core';
import { publicKeyPemOf, signJws, signP256, spkiFingerprint, spkiOf } from '@witan/keys';
import type { Approval, ApprovalUse } from '@witan/manifest';

/** Alice, who decides alone unless a world is made otherwise, Bob and Carol. */
const owners = ['alice', 'bob', 'carol'].map((name) => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { name, publicKey, privateKey, fingerprint: spkiFingerprint(spkiOf(publicKey)) };
});
const [alice] = owners as [Owner, ...Owner[]];
/** Alice's approval without an expiry. */
export const sign = (data: Uint8Array) => [
  { ownerFingerprint: alice.fingerprint, signature: signP256(alice.privateKey, data) },
];
/** When a world's clock starts, milliseconds since 1970. */
export const START_MS = 1_800_000_000_000;
const DAY_SECONDS = 86_400;

type Owner = (typeof owners)[number];
/** Who approves. */
export type OwnerName = 'alice' | 'bob' | 'carol';

const referenceValues = {
  tee: 'snp',
  hostData: '00'.repeat(32),
  measurement: ['c0'.repeat(48)],
  products: ['Genoa'],
  minimumTcb: { bootloader: 1, tee: 0, snp: 1, microcode: 1 },
};
/** What a manifest says beside that. */
export interface ManifestParts {
  /** How many of the owners have to agree; with 1, or where absent, there is Alice alone. */
  readonly threshold?: number;
  /** Of the one workload; none where absent. */
  readonly secrets?: readonly object[];
  /** Whether each owner holds a share of the seed, and one opens it. */
  readonly recovers?: boolean;
}

/** The document. */
export function manifestOf({ threshold = 1, secrets, recovers }: ManifestParts): Uint8Array {
  const those = threshold === 1 ? [alice] : owners;
  const roles = recovers === true ? ['update', 'recovery'] : ['update'];
  const workload = { referenceValues: [{ ...referenceValues, hostData: 'aa'.repeat(32) }] };
  return utf8(
    JSON.stringify({
      apiVersion: 'witan.dev/v1',
      coordinators: [referenceValues],
      workloads: secrets === undefined ? {} : { web: { ...workload, secrets } },
      owners: those.map(({ name, publicKey }) => ({
        name,
        publicKey: publicKeyPemOf(publicKey),
        roles,
      })),
      updateThreshold: threshold,
      ...(recovers === true && { recoveryThreshold: 1 }),
    }),
  );
}

export function ownerOf(name: OwnerName): Owner {
  return owners.find((owner) => owner.name === name) ?? alice;
}

/** Counts for a day from the start of a world on. */
export async function jwsOf(
  { fingerprint, privateKey }: Owner,
  content: Uint8Array,
  use: ApprovalUse,
): Promise<Approval> {
  const expiresSeconds = START_MS / 1000 + DAY_SECONDS;
  const header = { algorithm: 'ES256', expiresSeconds, owner: fingerprint, use } as const;
  return { ownerFingerprint: fingerprint, signature: await signJws(privateKey, header, content) };
}

/** Everybody whom the first manifest names approves it. */
export function approvalsOfFirst(
  threshold: number,
  content: Uint8Array,
): Promise<readonly Approval[]> {
  const those = threshold === 1 ? [alice] : owners;
  return Promise.all(those.map((owner) => jwsOf(owner, content, 'witan-approval+jws')));
}
