/** What a workload is handed is what was recorded for it, however the state goes on (I3, I6). */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { Secret, sha256Hex } from '@witan/core';
import { nodeCrypto, spkiFingerprint, spkiOf } from '@witan/keys';
import { decodeLeaf } from '@witan/manifest';
import { handOut } from '../src/services/workload.ts';
import { LeaderState } from './support/state.ts';

/** A workload's record in a state, and what it is handed. */
async function recorded(leader: LeaderState) {
  const { machine, seed } = leader;
  const publicKey = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
  await leader.must('issued', leader.issue('web'));
  const [record] = [...machine.issued()];
  const workload = machine.manifest?.workloads.get('web');
  if (record === undefined || workload === undefined) throw new Error('a certificate is recorded');
  const { clusterId } = machine;
  const seeds = { of: () => new Secret(seed.expose()) };
  const cluster = { clusterId, seeds, state: { machine } } as never;
  const ofPod = { ...record, spkiSha256: sha256Hex(spkiFingerprint(publicKey)) };
  const context = { clock: leader.clock, crypto: nodeCrypto };
  return { handOut: () => handOut(context, cluster, workload, ofPod, publicKey) };
}

it('is of one state: what is rotated next was not recorded, and is not in it', async () => {
  const leader = new LeaderState();
  const { machine } = leader;
  await leader.must('manifest-set', leader.set({ web: { secrets: ['database'] } }));
  const pod = await recorded(leader);
  const command = await leader.stepCommand({ target: 'secret', name: 'database' });

  // Without a wait in it, nothing can come in between.
  const { secrets, trust } = pod.handOut();
  expect(leader.apply(command)).toMatchObject({ kind: 'rotated', version: 2 });
  expect(secrets?.map(({ name, version }) => ({ name, version }))).toEqual([
    { name: 'database', version: 1 },
  ]);
  // Or the pod would not come again for the version that it has missed.
  expect(trust?.version).toBe(1n);

  const released = Array.from({ length: machine.log.size }, (_, at) => machine.log.leafBytes(at))
    .flatMap((bytes) => (bytes === undefined ? [] : [decodeLeaf(bytes)]))
    .filter((leaf) => leaf.kind === 'release');
  expect(released).toMatchObject([{ secrets: [{ name: 'database', version: 1 }] }]);
});

it('is a certificate for as many names as a manifest may list', async () => {
  const leader = new LeaderState();
  const numbers = Array.from({ length: 64 }, (_, at) => at);
  // 251 characters; a host name may have 253.
  const labels = Array.from({ length: 4 }, (_, at) => 'x'.repeat(at === 0 ? 55 : 62));
  const dnsNames = numbers.map((at) => `name-${String(at).padStart(2, '0')}${labels.join('.')}`);
  const ipAddresses = numbers.map(
    (at) => `2001:db8:ffff:ffff:ffff:ffff:ffff:${(at + 0xff00).toString(16)}`,
  );
  await leader.must('manifest-set', leader.set({ web: { dnsNames, ipAddresses } }));
  const { certificate } = (await recorded(leader)).handOut();
  const { subjectAltName = '' } = new X509Certificate(certificate ?? new Uint8Array(0));
  const names = subjectAltName.split(', ');
  expect(names.filter((name) => name.startsWith('DNS:'))).toEqual(
    dnsNames.map((name) => `DNS:${name}`),
  );
  expect(names.filter((name) => name.startsWith('IP Address:'))).toHaveLength(64);
  // What clients read at most.
  expect(certificate?.byteLength).toBeLessThan(32 * 1024);
});
