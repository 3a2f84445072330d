/**
 * Recovery shares of a real cluster: three owners with keys of every kind, two of whom are needed.
 * What they open at their desks and what stands in the clear on any disk gives the seed, and nobody
 * whom the owners did not approve gets a share of it.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseReferenceValues } from '@witan/attestation';
import type { SettledDeployment } from '@witan/client';
import { clientOf, waitForStatuses } from '@witan/devcluster';
import {
  deriveHistorySigningKey,
  generateOwnerKeyPair,
  loadOwnerPrivateKey,
  nodeCrypto,
  signP256,
  spkiOf,
} from '@witan/keys';
import { approvalBytes, parseManifest, type RecoveryHeader } from '@witan/manifest';
import { useDeployment } from '../support/deployment.ts';
import { combine, headerOnDisk, openShareOf } from '../support/shares.ts';

const test = useDeployment({ recoveryOwners: { bob: 'p384', carol: 'rsa3072' } });
const OWNERS = ['alice', 'bob', 'carol'];
let scratch = '';
let shares = '';

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'witan-shares-'));
  const { cluster } = test.current;
  const [status] = await (await clientOf(cluster)).getStatus();
  if (status?.kind !== 'ok') throw new Error('the cluster answers');
  shares = join(test.directory, 'config', 'shares', status.status.clusterId);
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

/** What every disk claims, once all claim the same set. */
async function onAllDisks(resharing: number): Promise<readonly RecoveryHeader[]> {
  const { cluster } = test.current;
  const deadline = performance.now() + 30_000;
  for (;;) {
    const found = await Promise.all(
      cluster.slots.map(({ slot }) => headerOnDisk(test.current, slot, scratch)),
    );
    const headers = found.filter((header) => header?.resharing === resharing);
    if (headers.length === cluster.slots.length) return headers.flatMap((header) => header ?? []);
    if (performance.now() > deadline) throw new Error(`disks claim ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function settledDeployment(): Promise<
  Omit<SettledDeployment, 'historyPublicKey'> & {
    readonly historyPublicKey: Uint8Array;
  }
> {
  const client = await clientOf(test.current.cluster);
  const deployment = await client.getDeployment();
  client.close();
  if (deployment.kind !== 'settled') return expect.fail('a manifest is set');
  // Off the wire it is a Buffer, which is equal to no plain array.
  return { ...deployment, historyPublicKey: Uint8Array.from(deployment.historyPublicKey) };
}

async function changedManifest(
  changes: (document: Record<string, unknown>) => Record<string, unknown>,
): Promise<string> {
  const text = await readFile(test.current.manifestFile, 'utf8');
  const path = join(scratch, `manifest-${performance.now()}.json`);
  await writeFile(path, JSON.stringify(changes(JSON.parse(text) as Record<string, unknown>)));
  return path;
}

describe('recovery shares', () => {
  const opened = new Map<string, string>();

  it('that any two of three owners open combine to the seed, with any one disk', async () => {
    for (const owner of OWNERS) {
      opened.set(owner, await openShareOf(test.current, owner, shares));
    }
    const headers = await onAllDisks(1);
    const { recoveryHeader, historyPublicKey, clusterId } = await settledDeployment();
    // A follower's header cannot differ from the leader's.
    for (const header of headers) expect(header).toEqual(recoveryHeader);
    for (const [at, header] of headers.entries()) {
      const two = OWNERS.filter((_, which) => which !== at).map((name) => opened.get(name) ?? '');
      const seed = await combine(header, two);
      // The cluster's own key comes from this very seed.
      expect(spkiOf(deriveHistorySigningKey(seed, clusterId))).toEqual(historyPublicKey);
    }
  });

  it('come again from each replica, and are checked against it', async () => {
    const { cluster, witan, options } = test.current;
    const jwe = (await readFile(join(shares, 'bob.share.jwe'), 'utf8')).trim();
    for (const endpoint of cluster.endpoints) {
      const at = ['--endpoint', endpoint, ...options.slice(2)];
      const got = await witan(['share', 'get', '--owner', 'bob', ...at]);
      expect(got).toMatchObject({ shares: [{ owner: 'bob', jwe }] });
      const verified = await witan(['share', 'verify', '--share', opened.get('bob') ?? '', ...at]);
      expect(verified).toMatchObject({ ok: true, against: ['cluster'] });
    }
  });

  it('are not dealt to owners whom only themselves approved', async () => {
    const mallory = generateOwnerKeyPair();
    const path = await changedManifest((document) => ({
      ...document,
      owners: [{ name: 'mallory', publicKey: mallory.publicKeyPem, roles: ['update', 'recovery'] }],
      recoveryThreshold: 1,
    }));
    const bytes = new Uint8Array(await readFile(path));
    const manifest = parseManifest(bytes, { parseReferenceValues, crypto: nodeCrypto });
    const client = await clientOf(test.current.cluster);
    const { clusterId, transitionHash: previousTransition } = await client.getDeployment();
    const subject = { clusterId, previousTransition, manifestDigest: manifest.digest };
    const key = loadOwnerPrivateKey(mallory.privateKeyPem);
    const signature = signP256(key, approvalBytes(subject));
    const approvals = [{ ownerFingerprint: mallory.fingerprint, signature }];
    await expect(
      client.setManifest({ clusterId, previousTransition, manifest, approvals }),
    ).rejects.toMatchObject({ code: 'CLIENT_REQUEST_REFUSED' });
    const after = await client.getDeployment();
    client.close();
    expect(after).toMatchObject({ transitionHash: previousTransition });
    expect(after.kind === 'settled' ? after.recoveryHeader?.resharing : 0).toBe(1);
  });

  it('of the same seed are new with another threshold, and old ones fit no more', async () => {
    const { witan, options, ownerKeyFile, cluster } = test.current;
    const path = await changedManifest((document) => ({ ...document, recoveryThreshold: 3 }));
    const next = join(scratch, 'next');
    const files = ['--manifest', path, '--owner-key', ownerKeyFile, '--shares', next];
    const said = await witan(['set', ...files, ...options]);
    expect(said).toMatchObject({ recovery: { resharing: 2, threshold: 3 } });
    await waitForStatuses(cluster, 'generation 2 everywhere', (all) =>
      all.every(({ generation }) => generation === 2),
    );
    const [header = expect.fail()] = await onAllDisks(2);
    const all = await Promise.all(OWNERS.map((name) => openShareOf(test.current, name, next)));
    const [before = expect.fail()] = OWNERS.map((name) => opened.get(name) ?? '');
    await expect(combine(header, [before, ...all.slice(1)])).rejects.toMatchObject({
      code: 'KEYS_SHARE_WRONG_RESHARING',
    });
    await expect(combine(header, all.slice(1))).rejects.toMatchObject({
      code: 'KEYS_SHARES_TOO_FEW',
    });
    const seed = await combine(header, all);
    const { clusterId, historyPublicKey } = await settledDeployment();
    expect(spkiOf(deriveHistorySigningKey(seed, clusterId))).toEqual(historyPublicKey);
  });
});
