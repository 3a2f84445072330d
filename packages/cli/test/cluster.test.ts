/** Commands that talk to a cluster: real attested servers with simulated test.hardware. */
import { readdir } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { COORDINATOR, Scene, makeOwner } from '@witan/client/testing';
import { DEAD, useClusterDesk } from './support/cluster-desk.ts';

const SIMULATED = /^SIMULATED TEE/m;
const test = useClusterDesk();

describe('set', () => {
  it('sets the first manifest, and says what is in force and simulated (I11)', async () => {
    const said = await test.set();
    expect(said.code).toBe(0);
    expect(test.desk.plain(said.stdout)).toMatchInlineSnapshot(`
      "SIMULATED TEE: no hardware protects this cluster. For development only.
      Generation 1 is in force.
        cluster     HASH
        transition  HASH
        manifest    HASH
        root        HASH
        approved by alice
      "
    `);
    expect(said.stderr).toMatch(
      /^First manifest of this cluster\.\nNo owner has the role recovery/,
    );
    expect(await readdir(test.desk.path('config', 'clusters'))).toEqual([
      `${test.scene.cluster.clusterId}.json`,
    ]);
  });

  it('shows the changes of an update', async () => {
    await test.set();
    const workloads = { other: { referenceValues: [test.hardware.referenceValues(COORDINATOR)] } };
    await test.desk.write('next.json', test.scene.manifestJson({ workloads }));
    const said = await test.set('next.json');
    expect(said.code).toBe(0);
    expect(said.stderr).toContain('removed workloads.web');
    expect(said.stderr).toContain('added workloads.other');
    expect(test.scene.cluster.manifests).toHaveLength(2);
  });

  it('sends nothing when the manifest is in force already', async () => {
    await test.set();
    const said = await test.set();
    expect(said).toMatchObject({ code: 0 });
    expect(said.stdout).toMatch(SIMULATED);
    expect(said.stdout).toContain('in force already, as generation 1');
    expect(test.callsOf('setManifest')).toBe(1);
  });

  it('ends with 4 and both hashes when it builds on a stale transition', async () => {
    await test.set();
    const stale = 'a'.repeat(64);
    await test.desk.write('next.json', test.scene.manifestJson({ workloads: {} }));
    const said = await test.set('next.json', '--previous', stale, '--json');
    expect(said.code).toBe(4);
    expect(JSON.parse(said.stdout)).toMatchObject({
      ok: false,
      error: {
        code: 'CLI_TRANSITION_STALE',
        fields: { expected: test.scene.cluster.head, found: stale },
      },
    });
    expect(test.callsOf('setManifest')).toBe(1);
  });

  it('ends with 4 and both hashes when another update wins the race', async () => {
    await test.set();
    await test.desk.write('next.json', test.scene.manifestJson({ workloads: {} }));
    const loser = test.scene.cluster.head;
    let raced = false;
    for (const { faults } of test.scene.replicas) {
      faults.before = async (method) => {
        if (method !== 'setManifest' || raced) return;
        raced = true;
        const winner = test.scene.client();
        await test.scene.set(
          winner,
          test.scene.manifest({
            updateThreshold: 1,
            workloads: {},
            owners: [
              { name: 'alice', publicKey: test.scene.alice.pair.publicKeyPem, roles: ['update'] },
              { name: 'bob', publicKey: makeOwner('bob').pair.publicKeyPem, roles: ['update'] },
            ],
          }),
        );
      };
    }
    const said = await test.set('next.json', '--json');
    expect(said.code).toBe(4);
    expect(JSON.parse(said.stdout)).toMatchObject({
      error: {
        code: 'CLIENT_CONFLICT',
        fields: { expected: test.scene.cluster.head, found: loser },
      },
    });
  });

  it('sends nothing to a Coordinator that the manifest does not list (exit 3)', async () => {
    const other = { ...COORDINATOR, measurement: 'dd'.repeat(48) };
    const coordinators = [test.hardware.referenceValues(other)];
    await test.desk.write('manifest.json', test.scene.manifestJson({ coordinators }));
    const said = await test.set();
    expect(said.code).toBe(3);
    expect(said.stderr).toContain('SNP_MEASUREMENT');
    expect(said.stderr).toContain('Next: check that the manifest lists');
    expect(test.callsOf('getDeployment')).toBe(0);
  });

  it('refuses a key that is no owner’s before anybody is called (exit 2)', async () => {
    const mallory = makeOwner('mallory').pair.privateKeyPem;
    await test.desk.write('alice.key.pem', Buffer.from(mallory.expose()).toString('utf8'));
    const said = await test.set();
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('CLI_KEY_NOT_AN_OWNER');
    expect(said.stderr).not.toContain('PRIVATE KEY');
    expect(test.callsOf('getDeployment')).toBe(0);
  });

  it('refuses too few keys before anybody is called (exit 2)', async () => {
    const bob = { name: 'bob', publicKey: makeOwner('bob').pair.publicKeyPem, roles: ['update'] };
    const alice = { ...bob, name: 'alice', publicKey: test.scene.alice.pair.publicKeyPem };
    const changes = { owners: [alice, bob], updateThreshold: 2 };
    await test.desk.write('manifest.json', test.scene.manifestJson(changes));
    const said = await test.set();
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('CLI_THRESHOLD_NOT_MET');
    expect(test.callsOf('getDeployment')).toBe(0);
  });

  it('refuses another cluster at a known address, unless it is meant', async () => {
    await test.set();
    const address = test.scene.replicas[0]?.address ?? '';
    const port = Number(address.split(':')[1]);
    await test.scene.close();
    const other = new Scene(test.hardware);
    const replica = await other.start(COORDINATOR, other.cluster, port);
    expect(replica.address).toBe(address);
    await test.desk.write('manifest.json', other.manifestJson());
    await test.desk.write(
      'alice.key.pem',
      Buffer.from(other.alice.pair.privateKeyPem.expose()).toString('utf8'),
    );
    const argv = ['set', '--manifest', test.desk.path('manifest.json'), '--endpoint', address];
    const key = ['--owner-key', test.desk.path('alice.key.pem')];
    const refused = await test.desk.witan(['status', '--endpoint', address]);
    expect(refused.code).toBe(0);
    const verified = await test.desk.witan(['verify', '--endpoint', address]);
    expect(verified.code).toBe(3);
    expect(verified.stdout).toContain('CLIENT_OTHER_CLUSTER');
    const meant = await test.desk.witan([...argv, ...key, '--cluster', 'new']);
    expect(meant).toMatchObject({ code: 0 });
    await other.close();
  });

  it('ends with 1 when nobody answers', async () => {
    const files = ['--manifest', test.desk.path('manifest.json')];
    const key = ['--owner-key', test.desk.path('alice.key.pem')];
    const said = await test.desk.witan([
      'set',
      ...files,
      ...key,
      '--endpoint',
      DEAD,
      '--timeout',
      '1',
    ]);
    expect(said.code).toBe(1);
    expect(said.stderr).toContain('Next: check the addresses');
  });
});

describe('set refuses bad input by place and sends nothing (exit 2):', () => {
  const manifest = (): Record<string, unknown> => ({ ...test.scene.manifestJson() });
  const CASES: readonly (readonly [string, () => unknown, string, string])[] = [
    ['text that is no JSON', () => '{', 'MANIFEST_NOT_JSON', ''],
    ['an unknown field', () => ({ ...manifest(), extra: 1 }), 'MANIFEST_UNKNOWN_FIELD', 'extra'],
    ['a wrong type', () => ({ ...manifest(), owners: {} }), 'MANIFEST_WRONG_TYPE', 'owners'],
    [
      'a missing field',
      () => ({ ...manifest(), workloads: undefined }),
      'MANIFEST_MISSING_FIELD',
      'workloads',
    ],
    [
      'no Coordinator entry',
      () => ({ ...manifest(), coordinators: [] }),
      'MANIFEST_EMPTY_LIST',
      'coordinators',
    ],
    [
      'a name twice',
      () => `{"apiVersion":"witan.dev/v1","workloads":{"a":{},"a":{}}}`,
      'MANIFEST_DUPLICATE_KEY',
      'workloads.a',
    ],
    [
      'a key that is no PEM',
      () => ({ ...manifest(), owners: [{ name: 'a', publicKey: 'x', roles: ['update'] }] }),
      'MANIFEST_BAD_PUBLIC_KEY',
      'owners[0].publicKey',
    ],
    [
      'a hash of a wrong length',
      () => ({
        ...manifest(),
        coordinators: [{ ...test.hardware.referenceValues(COORDINATOR), hostData: 'abcd' }],
      }),
      'MANIFEST_BAD_REFERENCE_VALUES',
      'coordinators[0].hostData',
    ],
    [
      'a threshold above the number of owners',
      () => ({ ...manifest(), updateThreshold: 2 }),
      'MANIFEST_BAD_VALUE',
      'updateThreshold',
    ],
  ];

  it.each(CASES)('%s', async (_what, make, code, path) => {
    await test.desk.write('manifest.json', make());
    const said = await test.set('manifest.json', '--json');
    expect(said.code).toBe(2);
    const answer = JSON.parse(said.stdout) as { error: { code: string; fields: object } };
    expect(answer.error.code).toBe(code);
    expect(answer.error.fields).toMatchObject({ path: expect.stringContaining(path) as unknown });
    expect(answer.error.fields).toHaveProperty('expected');
    expect(answer.error.fields).toHaveProperty('found');
    expect(test.callsOf('getDeployment')).toBe(0);
  });
});

describe('verify', () => {
  it('shows every check, and that the TEE is simulated (I11)', async () => {
    await test.set();
    const manifest = ['--manifest', test.desk.path('manifest.json')];
    const said = await test.desk.witan(['verify', ...manifest, ...test.endpoints()]);
    expect(said.code).toBe(0);
    expect(test.desk.plain(said.stdout)).toMatchInlineSnapshot(`
      "SIMULATED TEE: no hardware protects this cluster. For development only.
      cluster     HASH
      generation  1
      epoch       1
      manifest    HASH

      Replicas
        HOST:PORT  verified  SHORT  snp Milan
        HOST:PORT  verified  SHORT  snp Milan
        HOST:PORT  verified  SHORT  snp Milan

      Checks
        ok  replicas   Every replica proved itself. 3 of 3 endpoints
        ok  manifest   Manifest in force is the expected one. SHA-256 SHORT
        ok  anchors    Trust anchors are the known ones. root SHORT, as pinned
        ok  history    History is one signed chain. 1 transition, newest SHORT
        ok  approvals  Owners approved every manifest. by alice
        ok  changes    Owners approved rotations and slots. 0 steps of rotations, 0 changes of slots
        ok  floor      Nothing is older than seen before. index 8, generation 1; floor 8, 1
        ok  agreement  All replicas agree. 3 replicas show the same cluster
        -   log        Audit log only grew. no replica showed a signed head of a log
        ok  epoch      Epoch. 1: never recovered as a whole

      Verified.
      "
    `);
  });

  it('pins on first contact, so that a rollback is noticed later (I6)', async () => {
    await test.scene.set(test.scene.client(), test.scene.manifest());
    const argv = ['verify', '--manifest', test.desk.path('manifest.json'), ...test.endpoints()];
    const first = await test.desk.witan(argv);
    expect(first.stdout).toContain('First contact');
    test.scene.cluster.index -= 1;
    const second = await test.desk.witan(argv);
    expect(second.code).toBe(3);
    expect(second.stdout).toContain('CLIENT_BELOW_FLOOR');
    expect(second.stdout).toContain('NOT VERIFIED');
  });

  it('ends with 3 and one JSON object when another manifest is in force', async () => {
    await test.set();
    const other = await test.desk.write('other.json', test.scene.manifestJson({ workloads: {} }));
    const said = await test.desk.witan([
      'verify',
      '--manifest',
      other,
      ...test.endpoints(),
      '--json',
    ]);
    expect(said.code).toBe(3);
    expect(JSON.parse(said.stdout)).toMatchObject({ ok: false, simulated: true });
  });

  it('ends with 3 when one replica is an imposter', async () => {
    await test.set();
    await test.scene.start({ ...COORDINATOR, measurement: 'ee'.repeat(48) });
    const said = await test.desk.witan(['verify', ...test.endpoints()]);
    expect(said.code).toBe(3);
    expect(said.stdout).toContain('refused');
    expect(said.stderr).toContain('CLI_VERIFICATION_FAILED');
  });

  it('ends with 1 when a replica is only unreachable', async () => {
    await test.set();
    const said = await test.desk.witan(['verify', ...test.endpoints(), '--endpoint', DEAD]);
    expect(said.code).toBe(1);
    expect(said.stdout).toContain('unreachable');
  });

  it('trusts nobody without a manifest on first contact (exit 2)', async () => {
    const said = await test.desk.witan(['verify', ...test.endpoints()]);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('CLI_NOTHING_TO_TRUST');
    expect(said.stderr).toContain('Next: give --manifest FILE');
  });

  it('refuses a cluster that is not known here (exit 2)', async () => {
    const said = await test.desk.witan([
      'verify',
      ...test.endpoints(),
      '--cluster',
      'a'.repeat(64),
    ]);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('CLI_CLUSTER_UNKNOWN');
  });
});

describe('generate --pin-cluster', () => {
  const SHOP = new URL('../../../deploy/examples/shop.yaml', import.meta.url).pathname;
  const argv = (cluster: string): readonly string[] => [
    'generate',
    `--file=${SHOP}`,
    `--reference-values=${test.desk.path('values.json')}`,
    `--owner=${test.desk.path('alice.pub.pem')}`,
    `--out=${test.desk.path('made')}`,
    `--pin-cluster=${cluster}`,
  ];

  beforeEach(async () => {
    const coordinator = test.hardware.referenceValues(COORDINATOR);
    const { hostData: _own, ...workload } = coordinator;
    const coordinatorEndpoints = ['witan:7070'];
    await test.desk.write('values.json', {
      coordinators: [coordinator],
      workload,
      coordinatorEndpoints,
    });
    await test.desk.write('alice.pub.pem', test.scene.alice.pair.publicKeyPem);
  });

  it('puts the root of a known cluster into the pods’ measured configuration (I6)', async () => {
    await test.set();
    expect(await test.desk.witan(argv(test.scene.cluster.clusterId))).toMatchObject({ code: 0 });
    const der = Buffer.from(test.scene.cluster.root?.certificateDer ?? []).toString('base64');
    const initdata = await test.desk.read('made', 'initdata', 'orders.toml');
    const pem = /"rootCertificatePem": ?"([^"]*)"/.exec(initdata)?.[1] ?? '';
    expect(pem.replaceAll(/-----[^-]+-----|\\n/g, '')).toBe(der);
  });

  it('refuses a cluster that was never verified here (exit 2)', async () => {
    const said = await test.desk.witan(argv('a'.repeat(64)));
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('CLI_CLUSTER_UNKNOWN');
  });
});
