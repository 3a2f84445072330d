/** `witan evidence collect`. */
import { existsSync } from 'node:fs';
import { inProcessEvidenceProvider } from '@witan/tee-sim';
import { systemClock } from '@witan/keys';
import { standaloneReportData } from '@witan/transport';
import { toHex, utf8 } from '@witan/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Said } from './support/desk.ts';
import { EvidenceScene, HOST_DATA, MEASUREMENT, withEvidence } from './support/evidence-scene.ts';

let scene: EvidenceScene;

beforeAll(async () => {
  scene = await EvidenceScene.open();
}, 60_000);

afterAll(async () => {
  await scene.close();
});

/** Runs `collect` in a simulated guest. */
async function collect(...argv: readonly string[]): Promise<Said> {
  const guest = { measurement: MEASUREMENT, hostData: HOST_DATA };
  const ports = {
    clock: systemClock,
    provider: () => inProcessEvidenceProvider(scene.hierarchy, guest),
  };
  return await scene.desk.witan(['evidence', 'collect', ...argv], withEvidence(ports));
}

describe('collect', () => {
  it('writes evidence that verify accepts with the same nonce, and with no other', async () => {
    const out = scene.desk.path('collected.bin');
    const said = await collect('--nonce', 'today 17', '--out', out);
    expect(said.code).toBe(0);
    expect(said.stdout).toContain(`--nonce 'today 17'`);
    const root = await scene.rootFile();
    const argv = ['verify', out, '--trust-root', root, '--nonce'];
    expect((await scene.json(...argv, 'today 17')).code).toBe(0);
    expect((await scene.json(...argv, 'today 18')).value).toMatchObject({
      code: 'SNP_REPORT_DATA',
    });
  });

  it('hashes a nonce under its own label, so that nobody chooses the 64 bytes', async () => {
    const said = await collect('--nonce', 'x', '--json');
    const { reportData } = JSON.parse(said.stdout) as { readonly reportData: string };
    const expected = standaloneReportData('witan evidence collect nonce', utf8('x'));
    expect(reportData).toBe(toHex(expected));
  });

  it('prints base64 that show reads, and takes a new nonce each time', async () => {
    const first = await collect();
    const second = await collect();
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/^Verify it with --nonce [0-9a-f]{64}\n$/);
    expect(second.stderr).not.toBe(first.stderr);
    const { value } = await scene.json('show', await scene.put('base64.txt', first.stdout));
    expect(value).toMatchObject({ tee: 'snp', encoding: 'base64 text' });
  });

  it('carries given bytes as they are, and reads its own JSON', async () => {
    const reportData = 'ab'.repeat(64);
    const said = await collect('--report-data', reportData, '--json');
    const file = await scene.put('collected.json', said.stdout);
    const root = await scene.rootFile();
    const argv = ['verify', file, '--trust-root', root, '--report-data', reportData];
    expect((await scene.json(...argv)).code).toBe(0);
  });

  it('overwrites nothing (exit 2)', async () => {
    const out = await scene.put('present.bin', 'something');
    expect((await collect('--out', out)).code).toBe(2);
    expect(await scene.desk.read('present.bin')).toBe('something');
  });

  it.skipIf(existsSync('/sys/kernel/config/tsm/report'))(
    'says on one line what to do where there is no TEE (exit 1)',
    async () => {
      const said = await scene.witan('collect');
      expect(said.code).toBe(1);
      expect(said.stderr).toMatch(/^witan: ATTESTER_NO_(TSM|TEE): .*nextStep=.*\n$/);
    },
  );
});
