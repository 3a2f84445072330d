/**
 * The audit log of a real cluster: receipts that are checked offline, questions that are answered
 * from it, and hosts that turn it back or show another one.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientOf, startLoad } from '@witan/devcluster';
import { runWitan, useDeployment } from '../support/deployment.ts';

const test = useDeployment();
let serial = '';
let pinned = '';
let first: Awaited<ReturnType<typeof witan>>;

interface Json {
  readonly [name: string]: unknown;
}

/** A part of an answer that is an object. */
const part = (json: Json, name: string): Json => json[name] as Json;

/** Runs a command on the cluster, with one JSON object as its answer. */
async function witan(...argv: readonly string[]) {
  const ran = await runWitan(...argv, ...test.current.options, '--json');
  return { ...ran, json: JSON.parse(ran.stdout) as Json };
}

async function offline(file: string, trust = pinned) {
  const ran = await runWitan('receipt', 'verify', file, '--trust', trust, '--json');
  return { code: ran.code, json: JSON.parse(ran.stdout) as Json };
}

const file = (name: string): string => join(test.directory, name);

/** Writes a JSON file anew with a change. */
async function changed(from: string, name: string, change: (value: Json) => object) {
  const value = JSON.parse(await readFile(from, 'utf8')) as Json;
  await writeFile(file(name), JSON.stringify(change(value)));
  return file(name);
}

/** A workload's guest gets a certificate. @returns its serial number */
async function issueOne(): Promise<string> {
  const { cluster } = test.current;
  const load = await startLoad(cluster, await test.current.initdata('orders'), {
    workload: 'orders',
    channel: 'fresh',
    concurrency: 1,
    durationMs: 60_000,
    pauseMs: 250,
  });
  await load.reach(1);
  const [first] = await load.stop();
  return first?.serial ?? '';
}

beforeAll(async () => {
  serial = await issueOne();
  first = await witan('verify', '--manifest', test.current.manifestFile);
  const [name = ''] = await readdir(join(test.directory, 'config', 'clusters'));
  pinned = join(test.directory, 'config', 'clusters', name);
});

describe('receipts', () => {
  it('of a certificate and of an update verify offline; a tampered one does not (I6)', async () => {
    const issued = file('issued.json');
    expect((await witan('receipt', 'get', serial, '--out', issued)).code).toBe(0);
    expect(await offline(issued)).toMatchObject({
      code: 0,
      json: { ok: true, leaf: { kind: 'issuance', serial } },
    });
    const update = file('update.json');
    expect((await witan('receipt', 'get', '--generation', '1', '--out', update)).code).toBe(0);
    expect(await offline(update)).toMatchObject({
      code: 0,
      json: { leaf: { kind: 'update', generation: 1 } },
    });
    const other = JSON.parse(await readFile(update, 'utf8')) as Json;
    const refused = { code: 3, json: { error: { code: 'CLI_RECEIPT_REFUSED' } } };
    for (const change of [{ leaf: other['leaf'] }, { index: 0 }, { path: other['path'] }]) {
      const tampered = await changed(issued, 'bad.json', (value) => ({ ...value, ...change }));
      expect(await offline(tampered)).toMatchObject(refused);
    }
  });

  it('of what is not in the log are not given', async () => {
    expect(await witan('receipt', 'get', 'ff'.repeat(16))).toMatchObject({ code: 3 });
    expect(await witan('receipt', 'get', '--generation', '9')).toMatchObject({ code: 3 });
    expect(await witan('receipt', 'get')).toMatchObject({ code: 2 });
  });
});

describe('audit', () => {
  it('says who approved, who holds certificates, what was released and recovered', async () => {
    expect(await witan('audit', 'approvals', '--generation', '1')).toMatchObject({
      code: 0,
      json: { source: 'log', log: { complete: true }, approvals: [{ name: 'alice' }] },
    });
    const { json } = await witan('audit', 'measurements');
    expect(json['measurements']).toMatchObject([{ workload: 'orders', generations: [1] }]);
    const secret = await witan('audit', 'secret', 'database');
    expect(secret).toMatchObject({ code: 0, json: { secret: 'database' } });
    const releases = secret.json['releases'] as readonly Json[];
    expect(releases.map((release) => release['serial'])).toContain(serial);
    expect(await witan('audit', 'secret', 'nothing')).toMatchObject({
      code: 0,
      json: { releases: [] },
    });
    expect(await witan('audit', 'recoveries')).toMatchObject({ code: 0, json: { recoveries: [] } });
    expect(await witan('audit', 'approvals', '--generation', '9')).toMatchObject({ code: 2 });
  });

  it('looks at a part of the log, which is checked against a later head', async () => {
    const part = await witan('audit', 'approvals', '--from', '0', '--to', '2');
    expect(part).toMatchObject({ code: 0, json: { log: { from: 0, to: 2, complete: false } } });
    expect(part.json['approvals']).toMatchObject([{ name: 'alice', action: 'generation 1' }]);
    const since = await witan('audit', 'secret', 'database', '--since-verified');
    expect(since).toMatchObject({ code: 0, json: { log: { complete: false } } });
    const { releases } = since.json as { readonly releases: readonly Json[] };
    expect(releases.map((release) => release['serial'])).not.toContain(serial);
    const newest = await witan('audit', 'measurements', '--limit', '1');
    expect(newest.code).toBe(0);
    const log = newest.json['log'] as { readonly from: number; readonly to: number };
    expect(log.to - log.from).toBe(1);
  });
});

describe('verify', () => {
  it('shows at first contact what is kept', () => {
    expect(first).toMatchObject({
      code: 0,
      json: { ok: true, log: { seen: null, since: { approval: 1, update: 1 } } },
    });
  });

  it('shows what happened since the log was last seen, the same on every replica', async () => {
    await issueOne();
    const { code, json } = await witan('verify', '--manifest', test.current.manifestFile);
    expect(code).toBe(0);
    expect(part(part(json, 'log'), 'since')['issuance']).toBeGreaterThan(0);
    expect(part(json, 'log')['seen']).not.toBeNull();
    const again = await runWitan('verify', ...test.current.options, '--verbose');
    expect(again.stdout).toContain('Audit log only grew');
  });

  it('refuses a log that was turned back, and one that forked (I6)', async () => {
    const good = await readFile(pinned, 'utf8');
    for (const [change, check] of [
      [(log: Json) => ({ ...log, size: 1_000 }), 'MERKLE_LOG_SHRANK'],
      [(log: Json) => ({ ...log, root: 'ab'.repeat(32) }), 'MERKLE_INCONSISTENT'],
    ] as const) {
      const value = JSON.parse(good) as Json;
      await writeFile(pinned, JSON.stringify({ ...value, log: change(part(value, 'log')) }));
      const { code, json } = await witan('verify', '--manifest', test.current.manifestFile);
      expect(code).toBe(3);
      const log = (json['checks'] as readonly Json[]).find((one) => one['name'] === 'log');
      expect(log).toMatchObject({ kind: 'failed', code: 'CLIENT_LOG_INCONSISTENT' });
      expect(check).toMatch(/^MERKLE/);
      await writeFile(pinned, good);
    }
    const client = await clientOf(test.current.cluster);
    await expect(client.getReceipt({ kind: 'index', index: 999 })).rejects.toMatchObject({
      code: 'CLIENT_REQUEST_REFUSED',
    });
    client.close();
  });
});
