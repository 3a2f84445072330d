/** `witan evidence verify` on evidence of simulated hardware. */
import { mkdir } from 'node:fs/promises';
import { encodeEvidence, parseCertificateTable, toPem } from '@witan/attestation';
import { toHex } from '@witan/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOST_DATA, REPORT_DATA, EvidenceScene } from './support/evidence-scene.ts';

let scene: EvidenceScene;
let evidence: string;
let root: string;

beforeAll(async () => {
  scene = await EvidenceScene.open();
  evidence = await scene.encoded('evidence.bin');
  root = await scene.rootFile();
}, 60_000);

afterAll(async () => {
  await scene.close();
});

describe('without reference values', () => {
  it('refuses a root that nobody named, and says which it is (I11)', async () => {
    const said = await scene.witan('verify', evidence);
    expect(said.code).toBe(3);
    expect(said.stdout).toContain('FAIL  SNP_ROOT_UNTRUSTED');
    expect(said.stdout).toContain(scene.hierarchy.rootFingerprint);
    expect(said.stdout).toContain('REFUSED: SNP_ROOT_UNTRUSTED');
    expect(said.stderr).toContain('CLI_VERIFICATION_FAILED');
  });

  it('calls evidence genuine and nothing more, and is loud about an added root (I11)', async () => {
    const said = await scene.witan('verify', evidence, '--trust-root', root);
    expect(said.code).toBe(0);
    expect(said.stdout).toContain('SIMULATED TEE');
    expect(said.stdout).toContain('TRUST ROOT ADDED BY OPTION');
    expect(said.stdout).toContain(`SHA-256 ${scene.hierarchy.rootFingerprint}`);
    expect(said.stdout).toContain('ok  SNP_REPORT_SIGNATURE');
    expect(said.stdout).toContain('GENUINE, and nothing more');
    expect(said.stdout).toContain('Report data were not compared');
    expect(said.stdout).not.toContain('ACCEPTED');
  });

  it('takes an added root as PEM as well', async () => {
    const pem = toPem('CERTIFICATE', scene.hierarchy.rootCertificate);
    const file = await scene.put('root.pem', pem);
    const { code, value } = await scene.json('verify', evidence, '--trust-root', file);
    expect(code).toBe(0);
    expect(value).toMatchObject({
      ok: true,
      appraisal: 'genuine-only',
      simulated: true,
      addedRoots: [{ fingerprint: scene.hierarchy.rootFingerprint }],
    });
  });

  it('refuses a trust root that another certificate issued (exit 2)', async () => {
    const file = await scene.put('ask.der', scene.hierarchy.intermediateCertificate);
    const said = await scene.witan('verify', evidence, '--trust-root', file);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('a root certificate, which issued itself');
  });

  it('compares report data where they are given, whatever the rest', async () => {
    const right = toHex(REPORT_DATA);
    const common = ['verify', evidence, '--trust-root', root, '--report-data'];
    expect((await scene.json(...common, right)).code).toBe(0);
    const wrong = await scene.json(...common, 'ff'.repeat(64));
    expect(wrong.code).toBe(3);
    expect(wrong.value).toMatchObject({ ok: false, genuine: true, code: 'SNP_REPORT_DATA' });
  });

  it('refuses evidence with one bit changed, anywhere in its signed part', async () => {
    const { report, endorsements } = await scene.collect();
    for (const at of [0x90, 0xc0, 0x29f, 0x2a0]) {
      const changed = report.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      const bytes = encodeEvidence({ kind: 'snp', report: changed, endorsements });
      const file = await scene.put('changed.bin', bytes);
      const { code, value } = await scene.json('verify', file, '--trust-root', root);
      expect(code).toBe(3);
      expect(value['ok']).toBe(false);
    }
  });

  it('refuses when the certificates were not yet, or are no longer valid', async () => {
    for (const at of ['2001-01-01', '2150-01-01T00:00:00Z']) {
      const argv = ['verify', evidence, '--trust-root', root, '--at', at];
      const { code, value } = await scene.json(...argv);
      expect(code).toBe(3);
      expect(value['code']).toMatch(/VALIDITY$/);
    }
  });

  it('refuses a guest that its host can read, unless that is allowed by name', async () => {
    const file = await scene.encoded('debug.bin', { policy: 0xb0000n });
    const said = await scene.witan('verify', file, '--trust-root', root);
    expect(said.code).toBe(3);
    expect(said.stdout).toContain('REFUSED: SNP_POLICY_DEBUG');
    expect(said.stdout).toContain('use --allow-debug');
    const allowed = await scene.witan('verify', file, '--trust-root', root, '--allow-debug');
    expect(allowed.code).toBe(0);
    expect(allowed.stdout).toContain('DEBUG is allowed');
    const values = await scene.values('debug.json', { debug: true });
    const argv = ['verify', file, '--trust-root', root, '--reference-values', values];
    expect((await scene.witan(...argv)).code).toBe(0);
    expect((await scene.witan(...argv, '--allow-debug')).code).toBe(2);
  });
});

describe('with reference values', () => {
  it('accepts what they demand, under a root that they list (I11)', async () => {
    const developmentRoots = [scene.hierarchy.rootFingerprint];
    const values = await scene.values('values.json', { developmentRoots });
    const argv = ['verify', evidence, '--reference-values', values];
    const said = await scene.witan(...argv, '--report-data', toHex(REPORT_DATA));
    expect(said.code).toBe(0);
    expect(said.stdout).toContain('ACCEPTED: genuine, and as the reference values demand.');
    expect(said.stdout).toContain('Checks against reference values: fits');
    expect(said.stdout).toContain('SIMULATED TEE');
    expect(said.stdout).toMatch(/ok {2}SNP_REPORT_DATA/);
    expect(said.stdout).not.toContain('not compared');
  });

  it('refuses under a root that they do not list, unless it is added (I11)', async () => {
    const values = await scene.values('bare.json');
    const argv = ['verify', evidence, '--reference-values', values];
    expect((await scene.json(...argv)).value).toMatchObject({ code: 'SNP_ROOT_UNTRUSTED' });
    expect((await scene.json(...argv, '--trust-root', root)).code).toBe(0);
  });

  it('makes every check against every entry, and names the entries', async () => {
    const one = { measurement: ['aa'.repeat(48)], vmpl: 1 };
    const other = { hostData: 'bb'.repeat(32) };
    const list = await Promise.all(
      [one, other].map(async (changes, index) => {
        const name = `entry-${index}.json`;
        await scene.values(name, changes);
        return JSON.parse(await scene.desk.read(name)) as unknown;
      }),
    );
    const values = await scene.desk.write('list.json', { coordinators: list, workload: {} });
    const argv = ['verify', evidence, '--reference-values', values, '--trust-root', root];
    const { code, value } = await scene.json(...argv);
    expect(code).toBe(3);
    expect(value['code']).toBe('SNP_HOST_DATA');
    expect(value.entries?.map(({ name }) => name)).toEqual(['coordinators[0]', 'coordinators[1]']);
    const failed = value.entries?.map(({ checks }) =>
      checks.filter(({ passed }) => !passed).map((check) => check.code),
    );
    expect(failed).toEqual([['SNP_VMPL', 'SNP_MEASUREMENT'], ['SNP_HOST_DATA']]);
    expect(value.checks?.every(({ passed }) => passed)).toBe(true);
  });

  it('leaves report data out where none are given, and says so', async () => {
    const values = await scene.values('values-2.json');
    const argv = ['verify', evidence, '--reference-values', values, '--trust-root', root];
    const said = await scene.witan(...argv);
    expect(said.code).toBe(0);
    expect(said.stdout).not.toContain('SNP_REPORT_DATA');
    expect(said.stdout).toContain('Report data were not compared');
  });

  it('refuses other report data than the given ones, whatever else fits', async () => {
    const values = await scene.values('values-3.json');
    const argv = ['verify', evidence, '--reference-values', values, '--trust-root', root];
    const { code, value } = await scene.json(...argv, '--report-data', 'ff'.repeat(64));
    expect(code).toBe(3);
    expect(value).toMatchObject({ ok: false, genuine: true, code: 'SNP_REPORT_DATA' });
  });

  it('shows both values of what differs', async () => {
    const values = await scene.values('other-host.json', { hostData: 'bb'.repeat(32) });
    const argv = ['verify', evidence, '--reference-values', values, '--trust-root', root];
    const said = await scene.witan(...argv);
    expect(said.code).toBe(3);
    expect(said.stdout).toContain(`expected ${'bb'.repeat(32)}`);
    expect(said.stdout).toContain(`found    ${toHex(HOST_DATA)}`);
  });

  it('refuses evidence of another TEE than they are for', async () => {
    const values = await scene.desk.write('tdx.json', {
      tee: 'tdx',
      mrTd: ['aa'.repeat(48)],
      rtmr0: 'any',
      rtmr1: 'any',
      rtmr2: 'any',
      rtmr3: 'any',
      mrConfigId: '00'.repeat(48),
    });
    const argv = ['verify', evidence, '--reference-values', values, '--trust-root', root];
    const { code, value } = await scene.json(...argv);
    expect(code).toBe(3);
    expect(value.entries?.[0]?.checks).toMatchObject([{ code: 'APPRAISAL_TEE_MISMATCH' }]);
  });

  it('refuses reference values that are none (exit 2)', async () => {
    for (const content of ['[]', '{"tee":"snp"}', 'nonsense', '7']) {
      const file = await scene.desk.write('wrong.json', content);
      const said = await scene.witan('verify', evidence, '--reference-values', file);
      expect(said.code).toBe(2);
      expect(said.stderr).toContain('CLI_REFERENCE_VALUES_INVALID');
    }
  });
});

describe('endorsements in files', () => {
  it('are found by content in a directory, among other files and other chips', async () => {
    const { report, endorsements } = await scene.collect();
    const other = await scene.collect({ chipId: new Uint8Array(64).fill(7) });
    const { intermediateCertificate, rootCertificate, revocationList } = scene.hierarchy;
    const directory = scene.desk.path('endorsements');
    await mkdir(directory);
    const table = async (name: string, from: typeof endorsements): Promise<void> => {
      const { vcek } = parseCertificateTable(from.certificateTable ?? new Uint8Array());
      await scene.put(`endorsements/${name}`, vcek ?? new Uint8Array());
    };
    await table('a-other-chip', other.endorsements);
    await table('b-this-chip', endorsements);
    const chain = [intermediateCertificate, rootCertificate];
    const pem = chain.map((der) => toPem('CERTIFICATE', der)).join('');
    await scene.put('endorsements/chain', pem);
    await scene.put('endorsements/list', revocationList);
    await scene.put('endorsements/README', 'words');
    const file = await scene.put('bare.bin', report);
    const argv = ['verify', file, '--trust-root', root, '--endorsements', directory];
    const { code, value } = await scene.json(...argv);
    expect(code).toBe(0);
    expect(value).toMatchObject({
      endorsements: { vek: `${directory}/b-this-chip`, crl: `${directory}/list` },
      ignored: [`${directory}/README`],
      findings: [{ kind: 'simulated' }],
    });
  });

  it('are reported as missing by the verifier, not guessed', async () => {
    const { report } = await scene.collect();
    const file = await scene.put('alone.bin', report);
    const { code, value } = await scene.json('verify', file, '--trust-root', root);
    expect(code).toBe(3);
    expect(value['code']).toBe('SNP_ENDORSEMENT_MISSING');
  });

  it('must be usable when they are named (exit 2)', async () => {
    const file = await scene.put('words.txt', 'these are only some words');
    const said = await scene.witan('verify', evidence, '--endorsements', file);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('expected=a certificate or revocation list');
    const absent = await scene.witan('verify', evidence, '--endorsements', '/nowhere/x');
    expect(absent.code).toBe(2);
  });
});

describe('options', () => {
  it.each([
    [['--at', 'yesterday'], '--at'],
    [['--report-data', 'abcd'], '--report-data'],
    [['--report-data', 'zz'], '--report-data'],
    [['--report-data', '00'.repeat(64), '--nonce', 'x'], 'both'],
    [['--nonce', ''], '--nonce'],
    [['--token', '/tmp/token'], 'no --signing-key'],
    [['--signing-key', '/tmp/key'], 'no --token'],
    [['--quote-nonce', '00'], 'evidence of Azure'],
    [['--event-log', '/dev/null'], 'a TDX quote'],
    [['--quote-nonce', 'x'], '--quote-nonce'],
  ])('%j is refused (exit 2)', async (options, named) => {
    const said = await scene.witan('verify', evidence, ...options);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('CLI_USAGE');
    expect(said.stderr).toContain(named);
  });
});
