/** `--endorsements` of the commands that talk to Coordinators whose evidence comes without. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { encodeEvidence } from '@witan/attestation';
import { COORDINATOR, Scene, makeHardware } from '@witan/client/testing';
import { amdAnswersOf, startMirror, type Mirror } from '@witan/endorsements/testing';
import { Desk, type Said } from './support/desk.ts';

const hardware = makeHardware();
let scene: Scene;
let desk: Desk;
let mirror: Mirror;

beforeEach(async () => {
  desk = await Desk.open();
  // Coordinators as they are where the host has no certificates to hand out.
  const bare = hardware.provider(COORDINATOR);
  scene = new Scene({
    ...hardware,
    prover: () => ({
      evidenceTypes: ['snp'],
      prove: async (reportData) =>
        encodeEvidence({ ...(await bare.collect(reportData)), endorsements: {} }),
    }),
  });
  mirror = await startMirror(amdAnswersOf('Milan', [await bare.collect(new Uint8Array(64))]));
  await scene.start();
  const pem = Buffer.from(scene.alice.pair.privateKeyPem.expose()).toString('utf8');
  await desk.write('alice.key.pem', pem);
  await desk.write('manifest.json', scene.manifestJson());
});

afterEach(async () => {
  await mirror.close();
  await scene.close();
  await desk.close();
});

const online = (): Readonly<Record<string, string>> => ({
  WITAN_ENDORSEMENTS_MIRROR: `kds=${mirror.url}`,
});
const OFFLINE = { WITAN_ENDORSEMENTS_OFFLINE: 'true' };

it('set fetches into the directory; verify and status then need no network', async () => {
  const endpoint = ['--endpoint', scene.replicas[0]?.address ?? ''];
  const manifest = ['--manifest', desk.path('manifest.json')];
  const witan = async (
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    cache?: string,
  ): Promise<Said> => {
    const where = cache === undefined ? [] : ['--endorsements', desk.path(cache)];
    return await desk.witan([...argv, ...endpoint, ...where], undefined, env);
  };
  const set = ['set', ...manifest, '--owner-key', desk.path('alice.key.pem')];
  const refused = await witan(set, {});
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain('SNP_');
  expect(scene.cluster.manifests).toHaveLength(0);

  expect((await witan(set, online(), 'cache')).code).toBe(0);
  expect(mirror.requests.length).toBeGreaterThanOrEqual(3);
  await mirror.close();
  const asked = mirror.requests.length;

  for (const command of [['verify', ...manifest], ['status']]) {
    const said = await witan(command, OFFLINE, 'cache');
    expect([said.stderr, said.code]).toEqual([expect.any(String), 0]);
    expect((await witan(command, OFFLINE, 'empty')).code).toBe(3);
    expect((await witan(command, {})).code).toBe(3);
  }
  expect(mirror.requests).toHaveLength(asked);
}, 60_000);
