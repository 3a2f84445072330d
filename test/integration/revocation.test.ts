/**
 * A manifest that takes a workload away ends it at every replica from its acknowledgement on, one
 * that has not heard of it included (I3, I5), and revokes what the workload holds.
 */
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { allServe, runInitializer, waitForStatuses } from '@witan/devcluster';
import { runWitan, useDeployment } from '../support/deployment.ts';

const test = useDeployment();

const initialize = async (name: string, workload: string, endpoint: string) =>
  await runInitializer(test.current.cluster, {
    name,
    initdata: await test.current.initdata(workload),
    endpoints: [endpoint],
    output: join(test.directory, name),
    args: ['--once', '--timeout', '20'],
  });

async function witan(...argv: readonly string[]) {
  const ran = await runWitan(...argv, ...test.current.options, '--json');
  return { ...ran, json: JSON.parse(ran.stdout) as Record<string, unknown> };
}

it('stops issuance at a follower that was paused meanwhile, and revokes (I3, I5)', async () => {
  const { cluster, manifestFile, ownerKeyFile, options } = test.current;
  const statuses = await waitForStatuses(cluster, 'all serve', (all) => allServe(cluster, all));
  const leader = statuses[0]?.leader ?? '';
  const follower = cluster.slots.find(({ slot }) => slot !== leader);
  const asked = cluster.slots.find(({ slot }) => slot === leader);
  if (follower === undefined || asked === undefined) throw new Error('three slots');
  const issued = await initialize('before', 'orders', follower.address);
  expect(issued.exit, issued.log).toMatchObject({ exitCode: 0 });
  const certificate = await readFile(join(test.directory, 'before', 'cert.pem'));
  const serial = new X509Certificate(certificate).serialNumber.toLowerCase();
  expect((await witan('revocations')).json).toMatchObject({ ok: true, revoked: [] });

  await cluster.signalSlot(follower.slot, 'SIGSTOP');
  const document = JSON.parse(await readFile(manifestFile, 'utf8')) as {
    readonly workloads: Readonly<Record<string, unknown>>;
  };
  const { orders: _, ...workloads } = document.workloads;
  const narrower = join(test.directory, 'narrower.json');
  await writeFile(narrower, JSON.stringify({ ...document, workloads }));
  const [, , ...rest] = options;
  const set = ['set', '--manifest', narrower, '--owner-key', ownerKeyFile, ...rest];
  const updated = await runWitan(...set, '--endpoint', asked.address);
  expect(updated.code, updated.stderr).toBe(0);

  // Asked while it still stands at the former manifest, which lists the pod.
  const asking = initialize('after', 'orders', follower.address);
  await cluster.signalSlot(follower.slot, 'SIGCONT');
  const refused = await asking;
  expect(refused.exit.exitCode, refused.log).toBe(3);
  for (const { address, slot } of cluster.slots) {
    expect((await initialize(`again-${slot}`, 'orders', address)).exit.exitCode).toBe(3);
  }
  const crl = join(test.directory, 'crl.pem');
  const { json, code } = await witan('revocations', '--out', crl);
  expect(code).toBe(0);
  expect(json['revoked']).toMatchObject([{ serial, workload: 'orders' }]);
  // By the log as well: nobody holds it any more whom a peer with that list accepts.
  expect((await witan('audit', 'measurements')).json).toMatchObject({
    measurements: [],
    revoked: [{ workload: 'orders', certificates: 1 }],
  });
  expect((await readFile(crl, 'utf8')).split('BEGIN X509 CRL')).toHaveLength(
    Number(json['lists']) + 1,
  );
  const other = await initialize('other', 'storefront', follower.address);
  expect(other.exit, other.log).toMatchObject({ exitCode: 0 });
  const held = await readFile(join(test.directory, 'other', 'crl.pem'), 'utf8');
  expect(held).toContain('BEGIN X509 CRL');
});
