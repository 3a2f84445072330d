/** Reading commands against a cluster: status and history, as people and programs see them. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Scene, makeHardware, type Hardware } from '@witan/client/testing';
import { Desk, type Said } from './support/desk.ts';

const DEAD = '127.0.0.1:1';

let hardware: Hardware;
let scene: Scene;
let desk: Desk;

beforeAll(() => {
  hardware = makeHardware();
}, 60_000);

beforeEach(async () => {
  desk = await Desk.open();
  scene = new Scene(hardware);
  for (let i = 0; i < 3; i += 1) await scene.start();
  const pem = Buffer.from(scene.alice.pair.privateKeyPem.expose()).toString('utf8');
  await desk.write('alice.key.pem', pem);
  await desk.write('manifest.json', scene.manifestJson());
});

afterEach(async () => {
  await scene.close();
  await desk.close();
});

function endpoints(): readonly string[] {
  return ['--endpoint', scene.replicas.map(({ address }) => address).join(',')];
}

async function set(): Promise<Said> {
  const files = [
    '--manifest',
    desk.path('manifest.json'),
    '--owner-key',
    desk.path('alice.key.pem'),
  ];
  return await desk.witan(['set', ...files, ...endpoints()]);
}

/** Columns without what widens them. */
function plain(text: string): string {
  return desk.plain(text).replaceAll(/ {2,}/g, '  ');
}

describe('status', () => {
  it('shows every replica, the unreachable ones too, and the simulated TEE (I11)', async () => {
    await set();
    const said = await desk.witan(['status', ...endpoints(), '--endpoint', DEAD]);
    expect(said.code).toBe(0);
    expect(plain(said.stdout)).toMatchInlineSnapshot(`
      "SIMULATED TEE: no hardware protects this cluster. For development only.
      SLOT  ENDPOINT  PHASE  ROLE  TERM  COMMIT  APPLIED  GEN  CONFIRMED  MEMBERS
      witan-0  HOST:PORT  serving  none  2  8  8  1  8
      witan-1  HOST:PORT  serving  none  2  8  8  1  8
      witan-2  HOST:PORT  serving  none  2  8  8  1  8
      ?  HOST:PORT  unreachable  CLIENT_UNREACHABLE
      Members: * leads, + learner, votes later. Confirmed: index of the signed high-water mark;
      earlier: no quorum confirms one now; unverified: the history key of the cluster is not known.
      "
    `);
  });

  it('ends with 1 when no replica answers', async () => {
    const file = ['--manifest', desk.path('manifest.json')];
    const said = await desk.witan(['status', ...file, '--endpoint', DEAD, '--json']);
    expect(said.code).toBe(1);
    expect(JSON.parse(said.stdout)).toMatchObject({ ok: false, replicas: [{ reached: false }] });
  });
});

describe('history', () => {
  it('shows the verified chain, and the simulated TEE (I11)', async () => {
    await set();
    const said = await desk.witan(['history', ...endpoints()]);
    expect(said.code).toBe(0);
    expect(desk.plain(said.stdout)).toMatchInlineSnapshot(`
      "SIMULATED TEE: no hardware protects this cluster. For development only.
      GEN  EPOCH  TIME (LEADER)             TRANSITION         MANIFEST           APPROVED BY
      1    1      TIME  SHORT  SHORT  SHORT
      The chain is unbroken and signed by the cluster.
      "
    `);
  });

  it('shows every full recovery, and verify does as well (I7)', async () => {
    await set();
    scene.cluster.recover();
    for (const command of ['history', 'verify']) {
      const said = await desk.witan([command, ...endpoints()]);
      expect(said.code).toBe(0);
      const shown = said.stdout.split('\n');
      const at = shown.indexOf('Full recoveries');
      expect(plain(shown.slice(at, at + 3).join('\n'))).toMatchInlineSnapshot(`
        "Full recoveries
        EPOCH  TIME (LEADER)  FROM  KEY  AUTHORISED BY  TOOK PART  GIVEN UP
        2  TIME  epoch 1 index 8 generation 1  shares  SHORT  witan-0, witan-1  witan-2"
      `);
    }
    const said = await desk.witan(['history', ...endpoints(), '--json']);
    expect(JSON.parse(said.stdout)).toMatchObject({
      recoveries: [{ epoch: 2, key: 'shares', acceptedMissing: ['witan-2'] }],
    });
  });

  it('ends with 3 when the chain is cut', async () => {
    await set();
    for (const { faults } of scene.replicas)
      faults.history = (answer) => ({ ...answer, records: [] });
    expect(await desk.witan(['history', ...endpoints()])).toMatchObject({ code: 3 });
  });
});
