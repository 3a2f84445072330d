/** Recovery shares at an owner's desk: real attested servers, real keys, real files. */
import { readFile, readdir, stat } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Scene, makeHardware, type Hardware } from '@witan/client/testing';
import { Secret } from '@witan/core';
import {
  ShareCollector,
  decodeRecoveryHeaderUnverified,
  decodeShareFile,
  encodeShare,
  generateOwnerKeyPair,
} from '@witan/keys';
import { Desk, type Said } from './support/desk.ts';

let hardware: Hardware;
let scene: Scene;
let desk: Desk;

/** Made once, because RSA keys take a while. */
const pairs = {
  bob: generateOwnerKeyPair('p384'),
  carol: generateOwnerKeyPair('rsa3072'),
};

beforeAll(() => {
  hardware = makeHardware();
}, 60_000);

beforeEach(async () => {
  desk = await Desk.open();
  scene = new Scene(hardware);
  for (let i = 0; i < 2; i += 1) await scene.start();
  for (const [name, pair] of Object.entries({ alice: scene.alice.pair, ...pairs })) {
    const pem = Buffer.from(pair.privateKeyPem.expose()).toString('utf8');
    await desk.write(`${name}.key.pem`, pem);
    await desk.write(`${name}.pub.pem`, pair.publicKeyPem);
  }
  await desk.write('manifest.json', await manifest(2));
});

afterEach(async () => {
  await scene.close();
  await desk.close();
});

async function manifest(
  recoveryThreshold: number,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<Readonly<Record<string, unknown>>> {
  const owners = ['alice', 'bob', 'carol'].map(async (name) => ({
    name,
    publicKey: await desk.read(`${name}.pub.pem`),
    roles: name === 'alice' ? ['update', 'recovery'] : ['recovery'],
  }));
  return scene.manifestJson({ owners: await Promise.all(owners), recoveryThreshold, ...changes });
}

const endpoints = (): readonly string[] => [
  '--endpoint',
  scene.replicas.map(({ address }) => address).join(','),
];

async function set(file = 'manifest.json', ...more: readonly string[]): Promise<Said> {
  const files = ['--manifest', desk.path(file), '--owner-key', desk.path('alice.key.pem')];
  return await desk.witan(['set', ...files, ...endpoints(), ...more]);
}

const share = (...argv: readonly string[]): Promise<Said> => desk.witan(['share', ...argv]);

/** Opens an owner's share out of the directory of `set --shares`. */
async function open(name: string, out = desk.path(`${name}.share`)): Promise<Said> {
  const jwe = desk.path('shares', `${name}.share.jwe`);
  return await share('open', '--share', jwe, '--key', desk.path(`${name}.key.pem`), '--out', out);
}

const modeOf = async (...path: readonly string[]): Promise<number> =>
  (await stat(desk.path(...path))).mode & 0o777;

describe('set', () => {
  it('writes a share for each owner, readable by nobody else, and says where', async () => {
    const said = await set('manifest.json', '--shares', desk.path('shares'));
    expect(said.code).toBe(0);
    expect(said.stderr).toBe('First manifest of this cluster.\n');
    const written = await readdir(desk.path('shares'));
    expect(written.toSorted()).toEqual([
      'alice.share.jwe',
      'bob.share.jwe',
      'carol.share.jwe',
      'recovery-header.bin',
    ]);
    for (const name of written) expect(await modeOf('shares', name)).toBe(0o600);
    expect(await modeOf('shares')).toBe(0o700);
    const lines = desk.plain(said.stdout).split('\n');
    for (const name of ['alice', 'bob', 'carol']) {
      const line = lines.find((one) => one.includes(` ${name}  `));
      expect(line).toMatch(
        new RegExp(`^ {2}share +${name} {2}[123] of 3, 2 needed {2}DESK/shares/${name}\\.share`),
      );
    }
  });

  it('writes them beside what is kept of the cluster, where no directory is named', async () => {
    const { recovery } = JSON.parse((await set('manifest.json', '--json')).stdout) as {
      recovery: { shares: readonly { file: string }[]; threshold: number };
    };
    expect(recovery.threshold).toBe(2);
    const directory = desk.path('config', 'shares', scene.cluster.clusterId);
    expect(recovery.shares.map(({ file }) => file.startsWith(directory))).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('writes new ones when owners or threshold change, and only then', async () => {
    await set('manifest.json', '--shares', desk.path('shares'));
    await desk.write('next.json', await manifest(2, { workloads: {} }));
    const same = await set('next.json', '--shares', desk.path('again'), '--json');
    expect(JSON.parse(same.stdout)).not.toHaveProperty('recovery');
    await expect(readdir(desk.path('again'))).rejects.toMatchObject({ code: 'ENOENT' });
    await desk.write('more.json', await manifest(3));
    const other = await set('more.json', '--shares', desk.path('again'));
    expect(other.stdout).toContain('These replace all earlier shares.');
    expect(other.stderr).toContain('changed recoveryThreshold - 2 + 3');
    expect(await readdir(desk.path('again'))).toHaveLength(4);
  });

  it('warns where nobody could recover the cluster', async () => {
    await desk.write('none.json', scene.manifestJson());
    const said = await set('none.json');
    expect(said.stderr).toContain('No owner has the role recovery');
    const listed = await share('list', ...endpoints());
    expect(listed).toMatchObject({ code: 1 });
    expect(listed.stderr).toContain('CLI_NO_SHARES');
    expect(listed.stderr).toContain('Next: give owners the role recovery');
  });

  it('says that the manifest is in force when shares cannot be written (exit 1)', async () => {
    await desk.write('shares', 'in the way');
    const said = await set('manifest.json', '--shares', desk.path('shares'), '--json');
    expect(said.code).toBe(1);
    expect(said.stderr).toContain('CLI_FILE_NOT_WRITTEN');
    expect(JSON.parse(said.stdout)).toMatchObject({ ok: true, generation: 1 });
  });
});

describe('share', () => {
  beforeEach(async () => {
    await set('manifest.json', '--shares', desk.path('shares'));
  });

  it('list shows who holds one, with the warning of simulated hardware (I11)', async () => {
    const said = await share('list', ...endpoints());
    expect(said.code).toBe(0);
    expect(said.stdout).toMatch(/^SIMULATED TEE/);
    expect(said.stdout).toMatch(/^OWNER +SHARE +NEEDED +RESHARING +KEY$/m);
    expect(said.stdout).toMatch(/^bob +[123] of 3 +2 +1 +[0-9a-f]{64}$/m);
    const json = await share('list', ...endpoints(), '--json');
    expect(json.stdout).not.toContain('"jwe"');
    expect(JSON.parse(json.stdout)).toMatchObject({ resharing: 1, threshold: 2 });
  });

  it('get gives the same share again, from any replica', async () => {
    for (const { address } of scene.replicas) {
      const said = await share('get', '--owner', 'bob', '--endpoint', address);
      expect(said.code).toBe(0);
      expect(said.stdout).toBe(await desk.read('shares', 'bob.share.jwe'));
    }
    const some = ['--owner', 'bob', '--owner', 'carol'];
    const two = await share('get', ...some, ...endpoints());
    expect(two.stdout).toMatch(/^(bob|carol) \S+\n(bob|carol) \S+\n$/);
    await share('get', '--all', '--out', desk.path('again'), ...endpoints());
    for (const name of await readdir(desk.path('shares'))) {
      expect(await readFile(desk.path('again', name))).toEqual(
        await readFile(desk.path('shares', name)),
      );
    }
  });

  it.each([
    [['--owner', 'mallory'], 'CLI_NOT_A_SHARE_OWNER'],
    [[], 'CLI_USAGE'],
    [['--all', '--owner', 'bob'], 'CLI_USAGE'],
  ])('get %s is refused (exit 2)', async (argv, code) => {
    const said = await share('get', ...argv, ...endpoints());
    expect(said).toMatchObject({ code: 2, stdout: '' });
    expect(said.stderr).toContain(code);
  });

  it('open decrypts into a file for its owner alone, and prints nothing secret', async () => {
    const collector = new ShareCollector(
      decodeRecoveryHeaderUnverified(await readFile(desk.path('shares', 'recovery-header.bin'))),
    );
    for (const name of ['bob', 'carol']) {
      const said = await open(name);
      expect(said).toMatchObject({ code: 0, stderr: '' });
      expect(await modeOf(`${name}.share`)).toBe(0o600);
      const [, body = ''] = (await desk.read(`${name}.share`)).split('\n');
      expect(said.stdout).not.toContain(body);
      const file = new Secret(await readFile(desk.path(`${name}.share`)));
      collector.add(encodeShare(decodeShareFile(file)));
    }
    expect(collector.open().equals(scene.cluster.seed)).toBe(true);
  });

  it('open prints the share where it is asked to, and overwrites nothing', async () => {
    const printed = await open('bob', '-');
    expect(printed.stdout).toMatch(/^-----BEGIN WITAN RECOVERY SHARE-----/);
    await open('bob');
    const before = await desk.read('bob.share');
    expect(before).toBe(printed.stdout);
    const again = await open('bob');
    expect(again).toMatchObject({ code: 2, stdout: '' });
    expect(again.stderr).toContain('CLI_FILE_EXISTS');
  });

  it('open with the key of another owner is refused (exit 2)', async () => {
    const jwe = desk.path('shares', 'bob.share.jwe');
    for (const name of ['alice', 'carol']) {
      const key = desk.path(`${name}.key.pem`);
      const said = await share('open', '--share', jwe, '--key', key, '--out', desk.path('x'));
      expect(said.code).toBe(2);
      expect(said.stderr).toContain('KEYS_SHARE_NOT_FOR_KEY');
      await expect(stat(desk.path('x'))).rejects.toMatchObject({ code: 'ENOENT' });
    }
  });

  it('verify accepts the share by JWE, header and cluster, the first two offline', async () => {
    await open('carol');
    const opened = ['verify', '--share', desk.path('carol.share')];
    const jwe = ['--jwe', desk.path('shares', 'carol.share.jwe')];
    const header = ['--header', desk.path('shares', 'recovery-header.bin')];
    const offline = await share(...opened, ...jwe, ...header, '--json');
    expect(JSON.parse(offline.stdout)).toMatchObject({ ok: true, against: ['jwe', 'header'] });
    const online = await share(...opened, ...endpoints());
    expect(online).toMatchObject({ code: 0 });
    expect(online.stdout).toContain('is the one that was dealt, by the cluster');
  });

  it('verify says what an earlier share differs in (exit 3)', async () => {
    await open('carol');
    const opened = ['verify', '--share', desk.path('carol.share')];
    const other = ['--jwe', desk.path('shares', 'bob.share.jwe')];
    const mixed = await share(...opened, ...other);
    expect(mixed).toMatchObject({ code: 3 });
    expect(mixed.stderr).toContain('KEYS_SHARE_MIXED');
    await desk.write('more.json', await manifest(3));
    await set('more.json');
    const said = await share(...opened, ...endpoints(), '--json');
    expect(said.code).toBe(3);
    expect(JSON.parse(said.stdout)).toMatchObject({
      error: {
        code: 'CLI_SHARE_MISMATCH',
        fields: { check: 'KEYS_SHARE_WRONG_RESHARING', expected: 2, found: 1 },
      },
    });
  });

  it('verify refuses a file that is no opened share, without quoting it (exit 2)', async () => {
    await open('bob');
    const text = await desk.read('bob.share');
    await desk.write('bad.share', text.replace('BEGIN', 'START'));
    const said = await share('verify', '--share', desk.path('bad.share'), ...endpoints());
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('KEYS_SHARE_MALFORMED');
    expect(said.stderr + said.stdout).not.toContain(text.split('\n')[1]);
  });

  it('explains each of its commands with an example', async () => {
    for (const name of ['list', 'get', 'open', 'verify']) {
      const said = await share(name, '--help');
      expect(said.code).toBe(0);
      expect(said.stdout).toContain(`Example:\n  witan share ${name}`);
    }
  });
});
