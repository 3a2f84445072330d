/** Commands that need no cluster. */
import { generateKeyPairSync } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { CodedError } from '@witan/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { finish } from '../src/index.ts';
import { Desk, type Said } from './support/desk.ts';

const SHOP = new URL('../../../deploy/examples/shop.yaml', import.meta.url).pathname;
const WORKLOAD = {
  tee: 'snp',
  measurement: ['ab'.repeat(48)],
  products: ['Genoa'],
  minimumTcb: { bootloader: 1, tee: 0, snp: 1, microcode: 1 },
};
const VALUES = {
  coordinators: [{ ...WORKLOAD, hostData: '0c'.repeat(32) }],
  workload: WORKLOAD,
  coordinatorEndpoints: ['witan.witan:7070'],
};

let desk: Desk;

beforeEach(async () => {
  desk = await Desk.open();
  await desk.write('reference-values.json', VALUES);
});

afterEach(async () => {
  await desk.close();
});

async function generate(...more: readonly string[]): Promise<Said> {
  await desk.witan(['owner', 'create', '--name', 'alice', '--out', desk.path('keys')]);
  return await desk.witan([
    'generate',
    '-f',
    SHOP,
    '--reference-values',
    desk.path('reference-values.json'),
    '--owner',
    desk.path('keys', 'alice.pub.pem'),
    '--out',
    desk.path('made'),
    ...more,
  ]);
}

describe('owner create', () => {
  it('writes a private key for its owner alone, and a public one', async () => {
    const said = await desk.witan(['owner', 'create', '--name', 'alice', '--out', desk.directory]);
    expect(said.code).toBe(0);
    expect(desk.plain(said.stdout)).toMatchInlineSnapshot(`
      "Owner alice, key HASH
        private key  DESK/alice.key.pem  (keep it: it approves changes and opens a share)
        public key   DESK/alice.pub.pem  (goes into the manifest)
      "
    `);
    expect((await stat(desk.path('alice.key.pem'))).mode & 0o777).toBe(0o600);
    expect(await desk.read('alice.key.pem')).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(await desk.read('alice.pub.pem')).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    expect(said.stdout).not.toContain('BEGIN');
  });

  it('overwrites nothing (exit 2)', async () => {
    const argv = ['owner', 'create', '--name', 'alice', '--out', desk.directory];
    await desk.witan(argv);
    const before = await desk.read('alice.key.pem');
    const said = await desk.witan(argv);
    expect(said).toMatchObject({ code: 2 });
    expect(said.stderr).toContain('CLI_FILE_EXISTS');
    expect(await desk.read('alice.key.pem')).toBe(before);
  });

  it('refuses a name that manifests would not take (exit 2)', async () => {
    const said = await desk.witan(['owner', 'create', '--name', '../Alice']);
    expect(said).toMatchObject({ code: 2 });
  });
});

describe('generate', () => {
  it('makes manifest, initdata and deployment of the example', async () => {
    const said = await generate();
    expect(said.stderr).toBe('');
    expect(said.code).toBe(0);
    expect(desk.plain(said.stdout)).toMatchInlineSnapshot(`
      "3 confidential workloads
        storefront  Deployment shop/storefront  3 names  no secrets         SHORT
        orders      StatefulSet shop/orders     4 names  secrets: database  SHORT
        receipts    Deployment shop/receipts    1 names  no secrets         SHORT
      manifest    DESK/made/manifest.json
      deployment  DESK/made/shop.yaml
      updates     1 of alice
      recovery    1 of alice
      Next: witan set --manifest DESK/made/manifest.json --owner-key KEY --endpoint HOST:PORT
      "
    `);
    const manifest = JSON.parse(await desk.read('made', 'manifest.json')) as {
      workloads: Record<string, { referenceValues: { hostData: string }[] }>;
    };
    expect(Object.keys(manifest.workloads)).toEqual(['storefront', 'orders', 'receipts']);
    expect((await readdir(desk.path('made', 'initdata'))).toSorted()).toEqual([
      'orders.toml',
      'receipts.toml',
      'storefront.toml',
    ]);
    expect(await desk.read('made', 'shop.yaml')).toContain('witan-initializer');
  });

  it('says so where each of several owners may change everything alone', async () => {
    await desk.witan(['owner', 'create', '--name', 'bob', '--out', desk.directory]);
    const both = ['--owner', desk.path('bob.pub.pem')];
    const alone = 'each of them alone may change everything; see --threshold';
    expect((await generate(...both)).stdout).toContain(`1 of alice, bob\n            ${alone}\n`);
    expect((await generate(...both, '--threshold', '2')).stdout).not.toContain(alone);
    expect((await generate()).stdout).not.toContain(alone);
  });

  it('gives owners shares: most of them recover, unless told otherwise', async () => {
    const made = async (): Promise<unknown> => JSON.parse(await desk.read('made', 'manifest.json'));
    const names = ['bob', 'carol'];
    for (const name of names) {
      const type = ['--type', name === 'bob' ? 'p384' : 'p256'];
      await desk.witan(['owner', 'create', '--name', name, ...type, '--out', desk.directory]);
    }
    const more = names.flatMap((name) => ['--recovery-owner', desk.path(`${name}.pub.pem`)]);
    expect((await generate(...more)).stdout).toContain('recovery    2 of alice, bob, carol');
    expect(await made()).toMatchObject({
      owners: [
        { name: 'alice', roles: ['update', 'recovery'] },
        { name: 'bob', roles: ['recovery'] },
        { name: 'carol', roles: ['recovery'] },
      ],
      recoveryThreshold: 2,
    });
    await generate(...more, '--no-shares', '--recovery-threshold', '1');
    expect(await made()).toMatchObject({ owners: [{ roles: ['update'] }, {}, {}] });
    expect(await made()).toMatchObject({ recoveryThreshold: 1 });
    expect((await generate('--no-shares')).stdout).toContain('recovery    nobody');
    expect(await made()).not.toHaveProperty('recoveryThreshold');
    const tooMany = await generate(...more, '--recovery-threshold', '4');
    expect(tooMany).toMatchObject({ code: 2 });
    expect(tooMany.stderr).toContain('--recovery-threshold');
  });

  it('refuses a key that cannot approve, and says which kind can (exit 2)', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    await desk.write('dan.pub.pem', weak.export({ format: 'pem', type: 'spki' }).toString());
    const said = await generate('--owner', desk.path('dan.pub.pem'));
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('KEYS_OWNER_KEY_UNSUPPORTED');
    const argv = ['owner', 'create', '--name', 'dan', '--type', 'dsa', '--out', desk.directory];
    expect((await desk.witan(argv)).stderr).toContain('--type');
  });

  it('takes any kind of key that approves; one that only signs holds no share', async () => {
    for (const [name, type] of [
      ['dan', 'p384'],
      ['erin', 'ed25519'],
    ] as const) {
      await desk.witan([
        'owner',
        'create',
        '--name',
        name,
        '--type',
        type,
        '--out',
        desk.directory,
      ]);
    }
    const said = await generate(
      '--owner',
      desk.path('dan.pub.pem'),
      '--owner',
      desk.path('erin.pub.pem'),
    );
    expect(said.code).toBe(0);
    const { owners } = JSON.parse(await desk.read('made', 'manifest.json')) as {
      readonly owners: readonly { readonly name: string; readonly roles: readonly string[] }[];
    };
    const roles = Object.fromEntries(owners.map((owner) => [owner.name, owner.roles]));
    expect(roles).toMatchObject({ dan: ['update', 'recovery'], erin: ['update'] });
  });

  it('gives the same bytes again, from its own deployment too', async () => {
    await generate();
    const first = await desk.read('made', 'manifest.json');
    const yaml = await desk.read('made', 'shop.yaml');
    const said = await generate('-f', desk.path('made', 'shop.yaml'));
    expect(said.code).toBe(0);
    expect(await desk.read('made', 'manifest.json')).toBe(first);
    expect(await desk.read('made', 'shop.yaml')).toBe(yaml);
  });

  it('leaves nothing half-written when it cannot write (exit 1)', async () => {
    await desk.write('made', 'in the way');
    const said = await generate();
    expect(said.code).toBe(1);
    expect(said.stderr).toContain('CLI_FILE_NOT_WRITTEN');
    expect(await desk.read('made')).toBe('in the way');
  });

  it('says so when the manifest would accept a simulated TEE (I11)', async () => {
    const workload = { ...WORKLOAD, developmentRoots: ['dd'.repeat(32)] };
    await desk.write('reference-values.json', { ...VALUES, workload });
    expect((await generate()).stdout).toMatch(/^SIMULATED TEE/);
  });

  it('takes reference values of either TEE or both, each with its configuration', async () => {
    const registers = { rtmr0: 'any', rtmr1: ['11'.repeat(48)], rtmr2: ['22'.repeat(48)] };
    const tdx = { tee: 'tdx', mrTd: ['33'.repeat(48)], ...registers, rtmr3: ['00'.repeat(48)] };
    const valuesOf = async (workload: unknown): Promise<readonly Record<string, unknown>[]> => {
      await desk.write('reference-values.json', { ...VALUES, workload });
      expect((await generate()).code).toBe(0);
      const manifest = JSON.parse(await desk.read('made', 'manifest.json')) as {
        workloads: Record<string, { referenceValues: Record<string, unknown>[] }>;
      };
      return manifest.workloads['orders']?.referenceValues ?? [];
    };
    const [onTdx] = await valuesOf(tdx);
    expect(onTdx).toMatchObject({ tee: 'tdx', rtmr0: 'any' });
    expect(onTdx?.['mrConfigId']).toMatch(/^[0-9a-f]{64}(00){16}$/);
    const both = await valuesOf([WORKLOAD, tdx]);
    expect(both.map(({ tee }) => tee)).toEqual(['snp', 'tdx']);
    expect(both[1]?.['mrConfigId']).toBe(`${String(both[0]?.['hostData'])}${'00'.repeat(16)}`);
  });

  const CASES: readonly (readonly [string, unknown, string])[] = [
    ['text that is no JSON', '{', 'not JSON'],
    ['a list', [], 'an object'],
    ['an unknown field', { ...VALUES, extra: 1 }, 'path=extra'],
    ['no Coordinators', { ...VALUES, coordinators: [] }, 'path=coordinators'],
    ['no workload', { ...VALUES, workload: undefined }, 'path=workload'],
    ['endpoints of a wrong type', { ...VALUES, coordinatorEndpoints: [1] }, 'coordinatorEndpoints'],
    [
      'a measurement of a wrong length',
      { ...VALUES, workload: { ...WORKLOAD, measurement: ['ab'] } },
      'path=workload.measurement[0]',
    ],
    ['an empty list of workloads', { ...VALUES, workload: [] }, 'path=workload'],
    ['too many workloads', { ...VALUES, workload: Array(17).fill(WORKLOAD) }, 'path=workload'],
    [
      'a workload of an unknown TEE',
      { ...VALUES, workload: [WORKLOAD, { tee: 'sgx' }] },
      'path=workload[1]',
    ],
    [
      'a TDX workload without registers',
      { ...VALUES, workload: { tee: 'tdx', mrTd: ['33'.repeat(48)] } },
      'path=workload.rtmr0',
    ],
    [
      'a Coordinator without host data',
      { ...VALUES, coordinators: [WORKLOAD] },
      'path=coordinators[0].hostData',
    ],
  ];

  it.each(CASES)(
    'refuses reference values with %s, and writes nothing (exit 2)',
    async (...row) => {
      const [, values, expected] = row;
      await desk.write('reference-values.json', values);
      const said = await generate();
      expect(said.code).toBe(2);
      expect(said.stderr).toContain('CLI_REFERENCE_VALUES_INVALID');
      expect(said.stderr).toContain(expected);
      await expect(stat(desk.path('made'))).rejects.toThrow('ENOENT');
    },
  );

  it.each([
    ['a private key', 'keys/alice.key.pem', 'KEYS_PEM_WRONG_KIND'],
    ['no key', 'reference-values.json', 'KEYS_JWK_UNREADABLE'],
    ['a missing file', 'nobody.pem', 'CLI_FILE_UNREADABLE'],
  ])('refuses %s as an owner’s public key (exit 2)', async (_what, file, code) => {
    const said = await generate('--owner', desk.path(file));
    expect(said.code).toBe(2);
    expect(said.stderr).toContain(code);
  });

  it.each(['0', '2', 'x', '1.5'])('refuses the threshold %s for one owner (exit 2)', async (n) => {
    const said = await generate('--threshold', n);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('CLI_USAGE');
    expect(said.stderr).toContain('--threshold');
  });

  it('refuses one owner twice (exit 2)', async () => {
    const said = await generate('--owner', desk.path('keys', 'alice.pub.pem'));
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('MANIFEST_DUPLICATE_VALUE');
  });

  it('refuses a deployment without a confidential pod (exit 2)', async () => {
    const file = await desk.write('plain.yaml', 'kind: ConfigMap\n');
    const said = await generate('-f', file);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('Next: set runtimeClassName');
  });
});

describe('the command line', () => {
  it('prints the version of its package', async () => {
    const file = new URL('../package.json', import.meta.url);
    const packageJson = JSON.parse(await readFile(file, 'utf8')) as { version: string };
    expect(await desk.witan(['version'])).toEqual({
      code: 0,
      stdout: `witan ${packageJson.version}\n`,
      stderr: '',
    });
  });

  it.each(['owner create', 'generate', 'set', 'verify', 'status', 'history', 'version'])(
    '%s has exit codes and an example in its help',
    async (command) => {
      const { code, stdout } = await desk.witan([...command.split(' '), '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain('Exit codes:');
      expect(stdout).toContain(`witan ${command}`);
      expect(stdout).toContain('Example:');
    },
  );

  it.each([
    [['nonsense']],
    [['set']],
    [['verify', '--nonsense']],
    [['status', '--endpoint', 'nonsense', '--reference-values', 'x']],
    [['verify', '--manifest', '/nonexistent', '--endpoint', 'a:1']],
  ])('ends with 2 for %j', async (argv) => {
    const { code, stderr } = await desk.witan(argv);
    expect(code).toBe(2);
    expect(stderr).not.toBe('');
  });

  it('ends with 2 when no Coordinator is named', async () => {
    const values = desk.path('reference-values.json');
    const { code, stderr } = await desk.witan(['status', '--reference-values', values]);
    expect({ code, named: stderr.includes('CLI_NO_ENDPOINT') }).toEqual({ code: 2, named: true });
  });

  it('takes further commands, which speak and fail through the same printer', async () => {
    class DevError extends CodedError<'DEV_BROKEN'> {}
    const said = await desk.witan(['dev', 'up', '--json'], (program, run) => {
      const command = program.command('dev').command('up');
      finish(command, 'witan dev up').action((options: { readonly json?: boolean }) =>
        run(options, () => Promise.reject(new DevError('DEV_BROKEN', 'it is broken'))),
      );
    });
    expect(said.code).toBe(1);
    expect(JSON.parse(said.stdout)).toMatchObject({ ok: false, error: { code: 'DEV_BROKEN' } });
  });

  it('explains every one of its error codes', async () => {
    const listed = JSON.parse(
      await readFile(new URL('../errors.json', import.meta.url), 'utf8'),
    ) as Record<string, string>;
    for (const text of Object.values(listed)) expect(text).toMatch(/\.$/);
  });
});
