/** Reading commands against a cluster: status and history, as people and programs see them. */
import { describe, expect, it } from 'vitest';
import { DEAD, useClusterDesk } from './support/cluster-desk.ts';

const test = useClusterDesk();

/** Columns without what widens them. */
function plain(text: string): string {
  return test.desk.plain(text).replaceAll(/ {2,}/g, '  ');
}

describe('status', () => {
  it('shows every replica, the unreachable ones too, and the simulated TEE (I11)', async () => {
    await test.set();
    const said = await test.desk.witan(['status', ...test.endpoints(), '--endpoint', DEAD]);
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
    const file = ['--manifest', test.desk.path('manifest.json')];
    const said = await test.desk.witan(['status', ...file, '--endpoint', DEAD, '--json']);
    expect(said.code).toBe(1);
    expect(JSON.parse(said.stdout)).toMatchObject({ ok: false, replicas: [{ reached: false }] });
  });
});

describe('history', () => {
  it('shows the verified chain, and the simulated TEE (I11)', async () => {
    await test.set();
    const said = await test.desk.witan(['history', ...test.endpoints()]);
    expect(said.code).toBe(0);
    expect(test.desk.plain(said.stdout)).toMatchInlineSnapshot(`
      "SIMULATED TEE: no hardware protects this cluster. For development only.
      GEN  EPOCH  TIME (LEADER)             TRANSITION         MANIFEST           APPROVED BY
      1    1      TIME  SHORT  SHORT  alice
      The chain is unbroken and signed by the cluster.
      "
    `);
  });

  it('shows every full recovery, and verify does as well (I7)', async () => {
    await test.set();
    test.scene.cluster.recover();
    for (const command of ['history', 'verify']) {
      const said = await test.desk.witan([command, ...test.endpoints()]);
      expect(said.code).toBe(0);
      const shown = said.stdout.split('\n');
      const at = shown.indexOf('Full recoveries');
      expect(plain(shown.slice(at, at + 3).join('\n'))).toMatchInlineSnapshot(`
        "Full recoveries
        EPOCH  TIME (LEADER)  FROM  KEY  AUTHORISED BY  TOOK PART  GIVEN UP
        2  TIME  epoch 1 index 8 generation 1  shares  SHORT  witan-0, witan-1  witan-2"
      `);
    }
    const said = await test.desk.witan(['history', ...test.endpoints(), '--json']);
    expect(JSON.parse(said.stdout)).toMatchObject({
      recoveries: [{ epoch: 2, key: 'shares', acceptedMissing: ['witan-2'] }],
    });
  });

  it('ends with 3 when the chain is cut', async () => {
    await test.set();
    for (const { faults } of test.scene.replicas)
      faults.history = (answer) => ({ ...answer, records: [] });
    expect(await test.desk.witan(['history', ...test.endpoints()])).toMatchObject({ code: 3 });
  });
});
