/** `witan recover` at owners' desks: real attested servers, real shares, files and floors. */
import { rm } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { COORDINATOR, Loss, Scene, makeHardware, type Hardware } from '@witan/client/testing';
import { generateOwnerKeyPair } from '@witan/keys';
import { describeObstacle } from '../src/recovery/progress-text.ts';
import { Desk, type Said } from './support/desk.ts';

let hardware: Hardware;
let scene: Scene;
let desk: Desk;

const pairs = { bob: generateOwnerKeyPair('p384'), carol: generateOwnerKeyPair() };

beforeAll(() => {
  hardware = makeHardware();
}, 60_000);

beforeEach(async () => {
  desk = await Desk.open();
  scene = new Scene(hardware);
  for (let i = 0; i < 2; i += 1) await scene.start();
  for (const { faults } of scene.replicas) {
    const member = { slot: 'witan-0', nodeId: 1n };
    const leader = { member, voter: true, leader: true, reachable: true };
    faults.status = (answer) => ({ ...answer, members: [leader] });
  }
  const owners = [];
  for (const [name, pair] of Object.entries({ alice: scene.alice.pair, ...pairs })) {
    const pem = Buffer.from(pair.privateKeyPem.expose()).toString('utf8');
    await desk.write(`${name}.key.pem`, pem);
    const roles = name === 'alice' ? ['update', 'recovery'] : ['recovery'];
    owners.push({ name, publicKey: pair.publicKeyPem, roles });
  }
  await desk.write('manifest.json', scene.manifestJson({ owners, recoveryThreshold: 2 }));
  const files = ['--manifest', desk.path('manifest.json'), '--owner-key', key('alice')];
  const said = await desk.witan(['set', ...files, '--shares', desk.path(), ...endpoints()]);
  if (said.code !== 0) throw new Error(said.stderr);
});

afterEach(async () => {
  await scene.close();
  await desk.close();
});

const key = (name: string): string => desk.path(`${name}.key.pem`);

function endpoints(): readonly string[] {
  return ['--endpoint', scene.replicas.map(({ address }) => address).join(',')];
}

/** An owner with the encrypted share and the key. */
const shareOf = (name: string): readonly string[] => [
  '--share',
  desk.path(`${name}.share.jwe`),
  '--key',
  key(name),
];

const recover = (...argv: readonly string[]): Promise<Said> =>
  desk.witan(['recover', ...argv, ...endpoints()]);

const calls = (name: string): number =>
  scene.replicas.flatMap((replica) => replica.calls).filter((call) => call === name).length;

describe('owners with shares', () => {
  it('hand them in one after the other, with their floors, until the cluster serves', async () => {
    const loss = new Loss(scene.cluster);
    scene.cluster.loss = loss;
    const floor = { index: scene.cluster.index, transition: scene.cluster.head };
    const first = await recover(...shareOf('bob'), '--wait', '0');
    expect(first.code).toBe(6);
    expect(desk.plain(first.stderr)).toContain('Share of bob accepted by HOST:PORT.\n');
    expect(desk.plain(first.stdout)).toMatchInlineSnapshot(`
      "  cluster   HASH
        shares    1 of 2 shares: bob
        replicas  3 of 3: witan-0, witan-1, witan-2
        state     generation 1 index 8, epoch 1, term 3, as disks claim
                  HASH
        missing   shares of alice, carol
      More owners have to hand in a share. Needed: 2 shares; here: 1.
      Next: let another owner run witan recover, at any replica.
      "
    `);
    const second = await recover(...shareOf('carol'), '--json');
    expect(second.code, second.stderr).toBe(0);
    expect(JSON.parse(second.stdout)).toMatchObject({
      ok: true,
      open: true,
      clusterId: scene.cluster.clusterId,
      epoch: 2,
      generation: 1,
      shares: [{ name: 'carol' }],
      simulated: true,
    });
    expect(loss.floors).toMatchObject([
      { epoch: 1, commitIndex: floor.index, transitionHash: floor.transition },
      { epoch: 1, commitIndex: floor.index },
    ]);
    // The floor has risen: the epoch before is refused from now on (I6, I7).
    const kept = await desk.read('config', 'clusters', `${scene.cluster.clusterId}.json`);
    expect(JSON.parse(kept)).toMatchObject({ floor: { epoch: 2 } });
    const late = await recover(...shareOf('alice'));
    expect(late.code).toBe(0);
    expect(late.stderr).toContain('there is nothing to recover');
    expect(late.stdout).toContain('The cluster serves in epoch 2.');
  });

  it('hand in several at once, opened ones too, and give a slot up by name', async () => {
    scene.cluster.loss = new Loss(scene.cluster, ['witan-2']);
    const opened = ['--share', desk.path('bob.share.jwe'), '--key', key('bob')];
    await desk.witan(['share', 'open', ...opened, '--out', desk.path('bob.share')]);
    const shares = ['--share', desk.path('bob.share'), ...shareOf('alice')];
    const waiting = await recover(...shares, '--wait', '0', '--json');
    expect(waiting.code).toBe(6);
    expect(JSON.parse(waiting.stdout)).toMatchObject({
      ok: false,
      open: false,
      shares: [{ name: 'bob' }, { name: 'alice' }],
      progress: { obstacle: { code: 'STATE_MISSING', slots: ['witan-2'] } },
    });
    const shown = await recover('--status');
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain('The state of witan-2 is missing');
    expect(shown.stdout).toContain('witan recover --accept-missing witan-2');
    const given = await recover(...shares, '--accept-missing', 'witan-2');
    expect(given.code, given.stderr).toBe(0);
    expect(given.stdout).toContain('The cluster serves in epoch 2.');
  });
});

describe('nothing leaves the desk', () => {
  beforeEach(() => {
    scene.cluster.loss = new Loss(scene.cluster);
  });

  it('without a floor, unless told to go without', async () => {
    await rm(desk.path('config'), { recursive: true });
    const manifest = ['--manifest', desk.path('manifest.json')];
    const refused = await recover(...shareOf('bob'), ...manifest);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('CLI_FLOOR_UNKNOWN');
    expect(refused.stderr).toContain('--no-floor');
    expect(calls('submitShare')).toBe(0);
    const without = await recover(...shareOf('bob'), ...manifest, '--no-floor', '--wait', '0');
    expect(without.code).toBe(6);
    expect(without.stderr).toContain('CLI_RECOVERY_WAITING');
    expect(scene.cluster.loss?.floors).toEqual([undefined]);
  });

  it('to a Coordinator that the manifest does not list (I1)', async () => {
    const other = { ...COORDINATOR, measurement: 'dd'.repeat(48) };
    const coordinators = [hardware.referenceValues(other)];
    await desk.write('other.json', scene.manifestJson({ coordinators }));
    const refused = await recover(...shareOf('bob'), '--manifest', desk.path('other.json'));
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('SNP_MEASUREMENT');
    expect(calls('submitShare')).toBe(0);
  });

  it('without a manifest that says whom to trust', async () => {
    await rm(desk.path('config'), { recursive: true });
    const refused = await recover(...shareOf('bob'), '--no-floor');
    expect(refused.stderr).toContain('CLI_NOTHING_TO_TRUST');
    expect(calls('submitShare')).toBe(0);
  });

  it.each<readonly [string, () => readonly string[], string]>([
    ['no share', () => [], 'CLI_USAGE'],
    ['a missing file', () => ['--share', desk.path('none')], 'CLI_FILE_UNREADABLE'],
    ['an encrypted share alone', () => shareOf('bob').slice(0, 2), 'CLI_USAGE'],
    ['another’s key', () => [...shareOf('bob').slice(0, 3), key('carol')], 'NOT_FOR_KEY'],
    ['no share in it', () => ['--share', desk.path('manifest.json')], 'KEYS_SHARE_MALFORMED'],
    ['an odd time', () => [...shareOf('bob'), '--wait', 'soon'], 'CLI_USAGE'],
    ['another cluster', () => [...shareOf('bob'), '--cluster', 'ab'.repeat(32)], 'CLI_USAGE'],
  ])('with %s', async (_what, argv, code) => {
    const said = await recover(...argv());
    expect(said.code).toBe(2);
    expect(said.stderr).toContain(code);
    expect(calls('submitShare')).toBe(0);
  });

  it('where a replica has the disk of another cluster', async () => {
    const other = new Scene(hardware);
    const replica = await other.start();
    const owner = { name: 'alice', publicKey: other.alice.pair.publicKeyPem };
    const owners = [{ ...owner, roles: ['update', 'recovery'] }];
    await other.set(other.client(), other.manifest({ owners, recoveryThreshold: 1 }));
    other.cluster.loss = new Loss(other.cluster);
    const at = ['--endpoint', replica.address];
    const refused = await desk.witan(['recover', ...shareOf('bob'), ...at]);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('CLIENT_OTHER_CLUSTER');
    expect(replica.calls).not.toContain('submitShare');
    await other.close();
  });
});

it('says for each obstacle what it means and what to do next', () => {
  const about = { slots: ['witan-2'], expected: 'index 9', found: 'index 8', owner: 'a1' };
  const codes = [
    'SHARES_MISSING',
    'SEED_UNCONFIRMED',
    'STATE_MISSING',
    'PROMISES_MISSING',
    'BELOW_FLOOR',
    'CLUSTERS_DIFFER',
    'NO_STATE',
    'OPENINGS_DIFFER',
    'SOMETHING_NEW',
  ];
  const texts = codes.map((code) => describeObstacle({ code, ...about }, () => 'alice'));
  expect(texts.every((text) => /^.+\nNext: .+\.\n$/.test(text))).toBe(true);
  expect(new Set(texts).size).toBe(codes.length);
  expect(texts[4]).toContain('has index 8; alice has seen index 9');
  expect(describeObstacle(undefined, () => 'alice')).toContain('the cluster opens');
});
