import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeEvidence } from '@witan/attestation';
import { NOW_MS, healthyTdReport, plainReport } from '@witan/attestation/testing';
import { toHex } from '@witan/core';
import {
  createAmdVendor,
  createIntelVendor,
  startMirror,
  together,
  type AmdVendor,
  type IntelVendor,
  type Mirror,
} from '@witan/endorsements/testing';
import { addEndorsements } from '../src/commands/endorsements-group.ts';
import type { ExtraCommands } from '../src/index.ts';
import { Desk } from './support/desk.ts';

const AT = '2026-06-01T00:00:00Z';
const CHIP = toHex(plainReport('Milan').chipId);

let amd: AmdVendor;
let intel: IntelVendor;
let mirror: Mirror;
let desk: Desk;
let roots: readonly string[];

beforeAll(async () => {
  amd = createAmdVendor('Milan');
  intel = createIntelVendor();
  mirror = await startMirror(together(amd.answers, intel.answers));
}, 60_000);
afterAll(async () => {
  await mirror.close();
});
beforeEach(async () => {
  desk = await Desk.open();
  await writeFile(desk.path('ark.der'), amd.authorities.ark);
  await writeFile(desk.path('intel.der'), intel.hierarchy.certificates.root);
  roots = ['--trust-root', desk.path('ark.der'), desk.path('intel.der')];
  mirror.heal();
  mirror.requests.length = 0;
});
afterEach(async () => {
  await desk.close();
});

/** The commands as of the vendors' day. */
const onTheirDay: ExtraCommands = (program, run) => {
  const groups = program.commands as unknown as { name(): string }[];
  groups.splice(
    groups.findIndex((command) => command.name() === 'endorsements'),
    1,
  );
  addEndorsements(program, run, { now: () => NOW_MS as never });
};

async function endorsements(...argv: readonly string[]) {
  const said = await desk.witan(
    ['endorsements', ...argv, '--proxy', 'none', ...roots, '--json'],
    onTheirDay,
  );
  return { ...said, value: JSON.parse(said.stdout || '{}') as Record<string, unknown> };
}

const mirrors = (): readonly string[] => [
  '--mirror',
  `kds=${mirror.url}`,
  `pcs=${mirror.url}`,
  `certificates=${mirror.url}`,
];

async function putEvidence(): Promise<{ readonly snp: string; readonly tdx: string }> {
  await writeFile(desk.path('report.bin'), amd.evidence().report);
  const quote = intel.hierarchy.quote(healthyTdReport());
  const encoded = encodeEvidence({ kind: 'tdx', quote, endorsements: {} });
  await writeFile(desk.path('quote.bin'), encoded);
  return { snp: desk.path('report.bin'), tdx: desk.path('quote.bin') };
}

describe('witan endorsements', () => {
  it('carries what evidence needs to a site without a network, where it verifies', async () => {
    const { snp, tdx } = await putEvidence();
    const out = desk.path('bundle.json');
    const exported = await endorsements('export', '--for', snp, tdx, '--out', out, ...mirrors());
    expect(exported.code).toBe(0);
    expect(exported.value).toMatchObject({ ok: true, missing: [] });
    expect((exported.value['manifest'] as unknown[]).length).toBe(7);
    mirror.requests.length = 0;
    const site = ['--endorsements', desk.path('site'), '--offline'];
    const imported = await endorsements('import', out, ...site);
    expect(imported.code).toBe(0);
    expect((imported.value['imported'] as unknown[]).length).toBe(7);
    const listed = await endorsements('list', ...site);
    expect((listed.value['items'] as { state: string }[]).map(({ state }) => state)).toEqual(
      Array.from({ length: 7 }, () => 'current'),
    );
    for (const file of [snp, tdx]) {
      for (const from of [out, desk.path('site')]) {
        const verify = ['evidence', 'verify', file, '--at', AT, ...roots];
        expect((await desk.witan(verify)).code).toBe(3);
        const said = await desk.witan([...verify, '--endorsements', from]);
        expect(said.stderr.replaceAll(/[^]*accepted here\.\n/g, '')).toBe('');
        expect(said.code).toBe(0);
      }
    }
    expect(mirror.requests).toEqual([]);
  });

  it('gets what is named: products, chips and platforms', async () => {
    const out = desk.path('bundle.json');
    const named = ['--product', 'milan', '--chip-id', CHIP.toUpperCase(), '--tcb', '4.0.24.219'];
    const { code, value } = await endorsements('export', ...named, '--out', out, ...mirrors());
    expect(code).toBe(0);
    expect((value['manifest'] as { key: string }[]).map(({ key }) => key)).toEqual([
      'amd-chain/Milan/VCEK',
      'amd-chain/Milan/VLEK',
      'amd-crl/Milan/VCEK',
      'amd-crl/Milan/VLEK',
      `amd-vcek/Milan/${CHIP}/4.0.24.219`,
    ]);
    const text = await desk.witan(
      ['endorsements', 'list', ...roots, '--endorsements', desk.path('config', 'endorsements')],
      onTheirDay,
    );
    expect(text.stdout).toContain('amd-crl/Milan/VLEK');
  });

  it('writes what it got, and fails, when something is missing', async () => {
    const out = desk.path('bundle.json');
    const fmspc = ['--fmspc', intel.hierarchy.platform.fmspc];
    // The test vendor has no Processor CA.
    const { code, value, stderr } = await endorsements(
      'export',
      ...fmspc,
      '--out',
      out,
      ...mirrors(),
    );
    expect(code).toBe(1);
    expect(value).toMatchObject({
      ok: false,
      missing: [{ key: 'intel-pck-crl/processor', code: 'ENDORSEMENTS_NOT_FOUND' }],
    });
    expect(stderr).toContain('CLI_ENDORSEMENTS_INCOMPLETE');
    expect(JSON.parse(await readFile(out, 'utf8'))).toMatchObject({ format: 'witan-endorsements' });
  });

  it('refuses a bundle that no root vouches for with 3, a damaged one with 2', async () => {
    const { snp } = await putEvidence();
    const out = desk.path('bundle.json');
    await endorsements('export', '--for', snp, '--out', out, ...mirrors());
    const trustless = await desk.witan(['endorsements', 'import', out]);
    expect(trustless.code).toBe(3);
    expect(trustless.stderr).toContain('ENDORSEMENTS_UNVERIFIED');
    await writeFile(desk.path('cut.json'), (await readFile(out)).subarray(0, 500));
    expect((await endorsements('import', desk.path('cut.json'))).code).toBe(2);
    expect((await endorsements('import', desk.path('none.json'))).code).toBe(2);
    const verify = ['evidence', 'verify', snp, '--at', AT, ...roots, '--endorsements'];
    expect((await desk.witan([...verify, desk.path('cut.json')])).code).toBe(2);
  });

  it.each([
    [['--chip-id', CHIP]],
    [['--product', 'Milan', '--chip-id', 'c1', '--tcb', '1.2.3.4']],
    [['--product', 'Milan', '--chip-id', CHIP, '--tcb', '1.2.3']],
    [['--product', 'Naples']],
    [['--fmspc', '0080']],
    [['--max-age', '0']],
    [['--mirror', 'arm=http://127.0.0.1:1']],
  ])('says what is wrong with %j, and asks nobody', async (argv) => {
    const { code } = await endorsements('export', ...argv, '--out', desk.path('x.json'));
    expect(code).toBe(2);
    expect(mirror.requests).toEqual([]);
  });

  it('does not write over a file, and shows an example in its help', async () => {
    await writeFile(desk.path('x.json'), 'mine');
    const said = await endorsements('export', '--out', desk.path('x.json'));
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('CLI_FILE_EXISTS');
    for (const name of ['export', 'import', 'list']) {
      const help = await desk.witan(['endorsements', name, '--help']);
      expect(help.stdout).toContain(`Example:\n  witan endorsements ${name}`);
    }
  });
});
