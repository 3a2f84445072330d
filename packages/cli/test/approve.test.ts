/** `witan approve --out` and `witan set --approval`: owners who sign apart from each other. */
import { createPrivateKey, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeHardware, Scene, makeOwner, type Hardware } from '@witan/client/testing';
import { Desk, type Said } from './support/desk.ts';

let hardware: Hardware;
let scene: Scene;
let desk: Desk;
let bobPem = '';
const HOUR_MS = 3_600_000;

beforeAll(() => {
  hardware = makeHardware();
}, 60_000);

beforeEach(async () => {
  desk = await Desk.open();
  scene = new Scene(hardware);
  await scene.start();
  const bob = makeOwner('bob');
  bobPem = pemOf(bob);
  await desk.write('alice.key.pem', pemOf(scene.alice));
  await desk.write('bob.key.pem', bobPem);
  const owners = [scene.alice, bob].map(({ name, pair }) => ({
    name,
    publicKey: pair.publicKeyPem,
    roles: ['update'],
  }));
  await desk.write('first.json', scene.manifestJson({ owners, updateThreshold: 2 }));
  const next = { owners, updateThreshold: 2, workloads: {} };
  await desk.write('next.json', scene.manifestJson(next));
});

afterEach(async () => {
  await scene.close();
  await desk.close();
});

function pemOf({ pair }: ReturnType<typeof makeOwner>): string {
  return Buffer.from(pair.privateKeyPem.expose()).toString('utf8');
}

function witan(...argv: readonly string[]): Promise<Said> {
  const endpoints = scene.replicas.map(({ address }) => address).join(',');
  return desk.witan([...argv, '--endpoint', endpoints, '--json']);
}

function approve(manifest: string, ...more: readonly string[]): Promise<Said> {
  return witan('approve', '--manifest', desk.path(manifest), ...more);
}

function set(manifest: string, ...more: readonly string[]): Promise<Said> {
  return witan('set', '--manifest', desk.path(manifest), ...more);
}

function codeOf({ stdout }: Said): string {
  return (JSON.parse(stdout) as { error?: { code: string } }).error?.code ?? '';
}

/** Alice's approval by her key file, Bob's by a machine that sees the prepared bytes alone. */
async function signApart(manifest: string): Promise<readonly string[]> {
  const [alice, bob, bytes] = ['alice.jws', 'bob.jws', 'to-sign'].map((name) => desk.path(name));
  const here = await approve(manifest, '--key', desk.path('alice.key.pem'), '--out', alice ?? '');
  expect(here, here.stderr).toMatchObject({ code: 0 });
  const prepared = await approve(manifest, '--owner', 'bob', '--prepare', bytes ?? '');
  expect(prepared, prepared.stderr).toMatchObject({ code: 0 });
  const data = await readFile(bytes ?? '');
  await writeFile(desk.path('to-sign.sig'), sign('sha256', data, createPrivateKey(bobPem)));
  const elsewhere = ['--prepare', bytes ?? '', '--attach', desk.path('to-sign.sig')];
  const attached = await approve(manifest, ...elsewhere, '--out', bob ?? '');
  expect(attached, attached.stderr).toMatchObject({ code: 0 });
  return ['--approval', alice ?? '', '--approval', bob ?? ''];
}

describe('the first manifest of a cluster with several owners', () => {
  it('is set with approvals that were made apart and elsewhere', async () => {
    const approvals = await signApart('first.json');
    const summary = await desk.read('to-sign.txt');
    expect(summary).toContain(`cluster     ${scene.cluster.clusterId}`);
    expect(summary).toContain('The first manifest of this cluster.');
    const said = await set('first.json', ...approvals);
    expect(said, said.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(said.stdout)).toMatchObject({ generation: 1, approvedBy: ['alice', 'bob'] });
    // One history, one first manifest: the same approvals are worth nothing any more (I6).
    const again = await set('next.json', ...approvals);
    expect(codeOf(again)).toBe('APPROVAL_SIGNATURE_INVALID');
  });

  it('takes files and keys together, and counts an owner once', async () => {
    const [, alice = ''] = await signApart('first.json');
    const key = ['--owner-key', desk.path('alice.key.pem')];
    expect(codeOf(await set('first.json', '--approval', alice, ...key))).toBe(
      'CLI_THRESHOLD_NOT_MET',
    );
    const bob = ['--owner-key', desk.path('bob.key.pem')];
    const said = await set('first.json', '--approval', alice, '--approval', alice, ...key, ...bob);
    expect(said, said.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(said.stdout)).toMatchObject({ approvedBy: ['alice', 'bob'] });
  });

  it('refuses approvals of another manifest, of another cluster, and other files', async () => {
    const approvals = await signApart('first.json');
    const before = scene.cluster.manifests.length;
    expect(codeOf(await set('next.json', ...approvals))).toBe('APPROVAL_SIGNATURE_INVALID');
    // A host that founds the cluster again has another one, for which nobody signed.
    await scene.close();
    scene = new Scene(hardware);
    await scene.start();
    expect(codeOf(await set('first.json', ...approvals))).toBe('APPROVAL_SIGNATURE_INVALID');
    await desk.write('alice.jws', 'no approval');
    expect(codeOf(await set('first.json', ...approvals))).toBe('CLI_APPROVAL_UNREADABLE');
    expect(scene.cluster.manifests).toHaveLength(before);
  });

  it('is never sent to wait in the cluster, and no file is overwritten', async () => {
    const key = ['--key', desk.path('alice.key.pem')];
    expect(codeOf(await approve('first.json', ...key))).toBe('CLI_USAGE');
    await desk.write('there', 'kept');
    expect(codeOf(await approve('first.json', ...key, '--out', desk.path('there')))).toBe(
      'CLI_FILE_EXISTS',
    );
    expect(await desk.read('there')).toBe('kept');
    const stranger = makeOwner('eve');
    await desk.write('eve.key.pem', pemOf(stranger));
    const eve = ['--key', desk.path('eve.key.pem'), '--out', desk.path('eve.jws')];
    expect(codeOf(await approve('first.json', ...eve))).toBe('CLI_KEY_NOT_AN_OWNER');
    // Neither is a cluster that has a manifest taken for one that has none.
    expect((await set('first.json', ...(await signApart('first.json')))).code).toBe(0);
    const other = [...key, '--out', desk.path('again.jws'), '--cluster', 'new'];
    expect(codeOf(await approve('first.json', ...other))).toBe('CLI_NOTHING_TO_TRUST');
  });
});

describe('clocks that are far apart', () => {
  const keys = () =>
    ['alice', 'bob'].flatMap((name) => ['--owner-key', desk.path(`${name}.key.pem`)]);

  it.each([
    [2 * HOUR_MS, 'behind', 'APPROVAL_EXPIRED'],
    [-31 * 24 * HOUR_MS, 'ahead of', 'APPROVAL_EXPIRY_TOO_FAR'],
  ])('are told before, and named in the refusal: ahead by %d ms', async (ahead, side, code) => {
    expect((await set('first.json', ...keys())).code).toBe(0);
    scene.cluster.clockAheadMs = ahead;
    const minutes = Math.round(Math.abs(ahead) / 60_000);
    const alice = ['--key', desk.path('alice.key.pem'), '--out', desk.path('alice.jws')];
    const told = await approve('next.json', ...alice);
    expect(told.code).toBe(0);
    expect(told.stderr).toContain(`clock is ${minutes} minutes ${side} the cluster's`);
    const refused = await set('next.json', ...keys());
    expect(refused.stderr).toContain(`${minutes} minutes ${side}`);
    const { error } = JSON.parse(refused.stdout) as { error: { code: string; fields: object } };
    expect(JSON.stringify(error)).toContain(code);
    expect(JSON.stringify(error.fields)).toContain('by the leader');
    expect(scene.cluster.manifests).toHaveLength(1);
  });

  it('are no matter within a few minutes', async () => {
    scene.cluster.clockAheadMs = 60_000;
    expect((await set('first.json', ...keys())).code).toBe(0);
    const said = await set('next.json', ...keys());
    expect(said).toMatchObject({ code: 0 });
    expect(said.stderr).not.toContain('clock is');
  });
});
