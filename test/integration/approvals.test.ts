/**
 * Owners who approve one by one, with keys of every kind, at different replicas: collected, listed,
 * withdrawn, signed elsewhere, and in force exactly once (I6). Then owners change under the old
 * rules, and slots with the approvals of the owners for that.
 */
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { useDeployment } from '../support/deployment.ts';
import { createOwner, ownerEntry, witanAt, writeManifest, type Answer } from '../support/owners.ts';

const run = promisify(execFile);
const DAY_MS = 86_400_000;
const test = useDeployment();
const keyOf: Record<string, string> = {};
let owners: readonly object[] = [];

function at(slot: number, ...argv: readonly string[]): Promise<Answer> {
  return witanAt(test, slot, ...argv);
}

/** The manifest of the tests, with a lifetime that tells one from another. */
function manifest(name: string, seconds: number, change: object = {}): Promise<string> {
  return writeManifest(test, name, (document) => {
    const workloads = document['workloads'] as Record<string, object>;
    const [first = ''] = Object.keys(workloads);
    const changed = { ...workloads[first], certificateLifetimeSeconds: seconds };
    return {
      ...document,
      owners,
      updateThreshold: 3,
      membershipThreshold: 1,
      workloads: { ...workloads, [first]: changed },
      ...change,
    };
  });
}

/** As the summary beside the prepared bytes says. */
async function signPrepared(path: string, owner: string): Promise<void> {
  const summary = await readFile(`${path}.txt`, 'utf8');
  const command = /openssl (pkeyutl .*)$/m.exec(summary)?.[1] ?? '';
  await run('openssl', command.replace('KEY.pem', keyOf[owner] ?? '').split(' '));
}

/** One change, whoever brought the last approval, and nobody is told that his was another. */
function expectOnce(answers: readonly Answer[], count: number): void {
  const told = answers.map(({ json: { ok, inEffect, count: found, error } }) =>
    ok === true ? { inEffect, count: found } : (error as { readonly code: string }).code,
  );
  expect(told).toContainEqual({ inEffect: true, count });
  // Whoever looked only after the other's answer is told that nothing waits there any more.
  for (const one of told.filter((answer) => typeof answer === 'string')) {
    expect(['CLI_PREPARED_STALE', 'CLI_PROPOSAL_UNKNOWN']).toContain(one);
  }
}

/** Carol takes her signature back before anybody has sent it, and makes another one. */
async function withdrawUnsent(next: string, toSign: string): Promise<void> {
  const carol = ['--key', keyOf['carol'] ?? ''];
  const back = await at(1, 'approve', '--manifest', next, '--revoke', ...carol);
  expect(back.json).toMatchObject({ ok: true, isNew: true });
  expect(Date.parse(String(back.json['voidUntil']))).toBeGreaterThan(Date.now() + 29 * DAY_MS);
  const prepare = ['approve', '--manifest', next, '--prepare', toSign];
  const stolen = await at(2, ...prepare, '--attach', `${toSign}.sig`);
  expect(stolen.json).toMatchObject({ error: { code: 'CLIENT_REQUEST_REFUSED' } });
  expect(JSON.stringify(stolen.json)).toContain('APPROVAL_WITHDRAWN');
  await Promise.all(['', '.txt', '.sig'].map((end) => rm(`${toSign}${end}`)));
  // Another one counts if it expires later, by a second at least.
  const later = Date.now() + 1000;
  while (Date.now() < later) await setTimeout(later - Date.now());
  await at(0, ...prepare, '--owner', 'carol', '--expires-in', '30d');
  await signPrepared(toSign, 'carol');
}

async function generation(): Promise<number> {
  const { json } = await at(0, 'history');
  return (json['transitions'] as readonly unknown[]).length;
}

beforeAll(async () => {
  keyOf['alice'] = test.current.ownerKeyFile;
  const document = JSON.parse(await readFile(test.current.manifestFile, 'utf8')) as {
    readonly owners: readonly { readonly name: string }[];
  };
  const [alice] = document.owners;
  keyOf['bob'] = await createOwner(test, 'bob', 'p384');
  keyOf['carol'] = await createOwner(test, 'carol', 'rsa3072');
  keyOf['dan'] = await createOwner(test, 'dan', 'ed25519');
  keyOf['erin'] = await createOwner(test, 'erin', 'ed25519');
  owners = [
    { ...alice, roles: ['update'] },
    await ownerEntry(test, 'bob', 'update'),
    await ownerEntry(test, 'carol', 'update'),
    await ownerEntry(test, 'dan', 'update', 'membership'),
    await ownerEntry(test, 'erin', 'auditor'),
  ];
  const { recoveryThreshold: _none, ...rest } = JSON.parse(
    await readFile(test.current.manifestFile, 'utf8'),
  ) as Record<string, unknown>;
  await writeFile(test.current.manifestFile, JSON.stringify(rest));
  const first = await manifest('several', 3600);
  const set = await at(0, 'set', '--manifest', first, '--owner-key', keyOf['alice']);
  if (set.code !== 0) throw new Error(set.stderr);
});

describe('owners who approve one by one', () => {
  it('are collected at any replica until the change takes effect, once (I6)', async () => {
    const next = await manifest('next', 3700);
    const before = await generation();
    const first = await at(0, 'approve', '--manifest', next, '--key', keyOf['alice'] ?? '');
    expect(first.json).toMatchObject({ ok: true, inEffect: false, count: 1, needed: 3 });
    const again = await at(1, 'approve', '--manifest', next, '--key', keyOf['alice'] ?? '');
    expect(again.json).toMatchObject({ inEffect: false, count: 1 });
    const second = await at(1, 'approve', '--manifest', next, '--key', keyOf['bob'] ?? '');
    expect(second.json).toMatchObject({ inEffect: false, count: 2 });
    const { json } = await at(2, 'approvals');
    expect(json['changes']).toMatchObject([{ count: 2, needed: 3, missing: ['carol', 'dan'] }]);

    const eve = await at(0, 'approve', '--manifest', next, '--key', keyOf['erin'] ?? '');
    expect(eve.code).toBe(2);
    expect(eve.json).toMatchObject({ error: { code: 'CLI_KEY_NOT_AN_OWNER' } });

    const id = String(first.json['proposal']);
    const revoked = await at(
      2,
      'approve',
      '--revoke',
      '--proposal',
      id,
      '--key',
      keyOf['bob'] ?? '',
    );
    expect(revoked.json).toMatchObject({ ok: true, withdrawn: true });
    const listed = await at(0, 'approvals', '--fetch', id, '--out', `${next}.fetched`);
    expect(listed.json['changes']).toMatchObject([{ count: 1, withdrawnBy: ['bob'] }]);
    expect(await readFile(`${next}.fetched`)).toEqual(await readFile(next));

    const unknown = await at(0, 'approvals', '--fetch', 'ab'.repeat(32), '--out', `${next}.none`);
    expect(unknown.json).toMatchObject({ error: { code: 'CLI_PROPOSAL_UNKNOWN' } });

    const dan = await at(2, 'approve', '--manifest', next, '--key', keyOf['dan'] ?? '');
    expect(dan.json).toMatchObject({ inEffect: false, count: 2 });
    // The last approval, made once and sent to two replicas at the same time.
    const toSign = join(test.directory, 'to-sign');
    const prepare = ['approve', '--manifest', next, '--prepare', toSign];
    const prepared = await at(0, ...prepare, '--owner', 'carol');
    expect(prepared.json).toMatchObject({ ok: true, owner: 'carol', proposal: id });
    const summary = await readFile(`${toSign}.txt`, 'utf8');
    expect(summary).toContain('certificateLifetimeSeconds - 3600 + 3700');
    await signPrepared(toSign, 'carol');
    await writeFile(`${toSign}.bad`, new Uint8Array(384).fill(7));
    const bad = await at(0, ...prepare, '--attach', `${toSign}.bad`);
    expect(bad.json).toMatchObject({ error: { code: 'CLI_SIGNATURE_INVALID' } });
    await withdrawUnsent(next, toSign);
    const attach = [...prepare, '--attach', `${toSign}.sig`];
    const last = await Promise.all([at(0, ...attach), at(1, ...attach)]);
    expectOnce(last, 3);
    expect(await generation()).toBe(before + 1);
    const late = await at(2, ...attach);
    expect(late.json).toMatchObject({ ok: true, inEffect: true, sent: false });
    expect((await at(1, 'approvals')).json['changes']).toEqual([]);
    const verified = await at(0, 'verify', '--manifest', next);
    expect(verified).toMatchObject({ code: 0, json: { ok: true } });
    expect((await at(1, 'approvals')).json['changes']).toEqual([]);
  });

  it('change the owners under the old rules, and the new ones count from then on', async () => {
    const [alice, ...others] = owners;
    const fewer = await manifest('fewer', 3700, { owners: others, updateThreshold: 2 });
    const keys = ['alice', 'bob', 'dan'].flatMap((name) => ['--owner-key', keyOf[name] ?? '']);
    expect(await at(0, 'set', '--manifest', fewer, ...keys)).toMatchObject({ code: 0 });
    expect(alice).toBeDefined();
    const next = await manifest('after', 3800, { owners: others, updateThreshold: 2 });
    const former = await at(1, 'approve', '--manifest', next, '--key', keyOf['alice'] ?? '');
    expect(former.json).toMatchObject({ error: { code: 'CLI_KEY_NOT_AN_OWNER' } });
    const bob = await at(1, 'approve', '--manifest', next, '--key', keyOf['bob'] ?? '');
    expect(bob.json).toMatchObject({ inEffect: false, count: 1, needed: 2 });
    // Not a second voice of one owner, and not an approval that has lasted too long by far.
    const long = ['--expires-in', '31d'];
    const endless = await at(
      1,
      'approve',
      '--manifest',
      next,
      '--key',
      keyOf['dan'] ?? '',
      ...long,
    );
    expect(endless.json).toMatchObject({ error: { code: 'CLI_USAGE' } });
    const dan = await at(1, 'approve', '--manifest', next, '--key', keyOf['dan'] ?? '');
    expect(dan.json).toMatchObject({ inEffect: true, count: 2 });
  });

  it('are not let out by a manifest that nothing can follow, unless they say so', async () => {
    const last = await manifest('last', 3800, { owners: [], allowNoUpdates: true });
    const document = JSON.parse(await readFile(last, 'utf8')) as Record<string, unknown>;
    const { updateThreshold: _a, membershipThreshold: _b, ...rest } = document;
    await writeFile(last, JSON.stringify(rest));
    const refused = await at(0, 'approve', '--manifest', last, '--key', keyOf['bob'] ?? '');
    expect(refused).toMatchObject({ code: 2, json: { error: { code: 'CLI_LOCKS_OWNERS_OUT' } } });
    const meant = ['--allow-no-updates', '--key', keyOf['bob'] ?? ''];
    const said = await at(0, 'approve', '--manifest', last, ...meant);
    expect(said.json).toMatchObject({ inEffect: false, count: 1 });
  });

  it('take a step of a rotation once, signed at two replicas and elsewhere (I6)', async () => {
    const step = ['rotate', 'sealing', '--propose', '--owner-key', keyOf['bob'] ?? ''];
    const bob = await at(0, ...step);
    expect(bob.json).toMatchObject({ ok: true, inEffect: false, count: 1, needed: 2 });
    const id = String(bob.json['proposal']);
    const { json } = await at(1, 'approvals');
    expect(json['changes']).toContainEqual(
      expect.objectContaining({ id, kind: 'rotation', step: 'sealing', number: 0, count: 1 }),
    );
    // By its name, at another replica, by a key that never comes near the command line.
    const toSign = join(test.directory, 'to-rotate');
    const byName = ['approve', '--proposal', id, '--prepare', toSign];
    expect((await at(1, ...byName, '--owner', 'carol')).json).toMatchObject({ proposal: id });
    expect(await readFile(`${toSign}.txt`, 'utf8')).toContain('step        1: sealing');
    await signPrepared(toSign, 'carol');
    const attach = [...byName, '--attach', `${toSign}.sig`];
    const last = await Promise.all([
      at(1, ...attach),
      at(2, 'rotate', 'sealing', '--prepare', toSign, '--attach', `${toSign}.sig`),
    ]);
    expectOnce(last, 2);
    const { json: status } = await at(0, 'rotate', 'status');
    expect(status['records']).toMatchObject([{ number: 1, step: 'sealing' }]);
    const late = await at(2, 'approve', '--proposal', id, '--key', keyOf['dan'] ?? '');
    expect(late.json).toMatchObject({ error: { code: 'CLI_PROPOSAL_UNKNOWN' } });
    // Who approved what is told from the log, also of what waited, and of what was taken back.
    const { json: audit } = await at(1, 'audit', 'approvals');
    const told = audit['approvals'] as readonly { action: string; name: string | null }[];
    const waited = { action: `proposal ${id} rotation 1: sealing`, name: 'bob' };
    expect(told).toContainEqual(expect.objectContaining(waited));
    expect(told).toContainEqual(expect.objectContaining({ withdrawn: true, name: 'bob' }));
    const { json: verified } = await at(1, 'verify');
    expect(verified['checks']).toContainEqual(
      expect.objectContaining({
        name: 'changes',
        kind: 'passed',
        detail: '1 steps of rotations, 0 changes of slots',
      }),
    );
    const nobody = await at(2, 'rotate', 'sealing');
    expect(nobody).toMatchObject({ code: 2, json: { error: { code: 'CLI_USAGE' } } });
  });

  it('of membership decide over slots, and those of updates do not', async () => {
    const scale = ['cluster', 'scale', '1', '--owner-key'];
    const bob = await at(0, ...scale, keyOf['bob'] ?? '');
    expect(bob.json).toMatchObject({ error: { code: 'CLI_KEY_NOT_AN_OWNER' } });
    const toSign = join(test.directory, 'to-scale');
    const prepare = ['cluster', 'scale', '1', '--prepare', toSign];
    const stranger = await at(0, ...prepare, '--owner', 'bob');
    expect(stranger.json).toMatchObject({ error: { code: 'CLI_KEY_NOT_AN_OWNER' } });
    expect((await at(0, ...prepare, '--owner', 'dan')).json).toMatchObject({ owner: 'dan' });
    expect(await readFile(`${toSign}.txt`, 'utf8')).toContain('slots then  witan-0\n');
    await signPrepared(toSign, 'dan');
    const other = ['cluster', 'remove', 'witan-0', 'witan-1', '--prepare', toSign];
    const misused = await at(1, ...other, '--attach', `${toSign}.sig`);
    expect(misused.json).toMatchObject({ error: { code: 'CLI_PREPARED_STALE' } });
    const dan = await at(1, ...prepare, '--attach', `${toSign}.sig`);
    expect(dan.json).toMatchObject({ ok: true, inEffect: true, count: 1, slots: ['witan-0'] });
  });
});
