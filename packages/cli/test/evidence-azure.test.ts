/** Azure's evidence, event logs and launch digests on the command line. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EvidenceScene, type Json } from './support/evidence-scene.ts';

const FOLDER = fileURLToPath(new URL('../../../../shared/vectors/attestation/', import.meta.url));
const present = existsSync(FOLDER);
const trustee = join(FOLDER, 'trustee');
const ccel = join(FOLDER, 'go-tdx-guest/testdata/ccel');
let scene: EvidenceScene;

beforeAll(async () => {
  scene = await EvidenceScene.open();
}, 60_000);

afterAll(async () => {
  await scene.close();
});

async function judged(...argv: readonly string[]): Promise<{ code: number; value: Json }> {
  return await scene.json('verify', ...argv);
}

describe.skipIf(!present)('Azure evidence', () => {
  const evidence = join(trustee, 'az-snp-vtpm/evidence-v1.json');
  const argv = [evidence, '--at', '2026-06-01', '--endorsements', join(trustee, 'trust')];
  const challenge = Buffer.from('challenge').toString('hex');

  it('is genuine through report, document and quote, and compared with a nonce', async () => {
    const { code, value } = await judged(...argv, '--quote-nonce', challenge);
    expect(code).toBe(0);
    expect(value).toMatchObject({
      genuine: true,
      freshnessCompared: true,
      claims: { azure: { nonce: challenge, vmConfiguration: { 'secure-boot': true } } },
    });
    const passed = value.checks?.filter((check) => check.passed).map((check) => check.code);
    expect(passed).toEqual(
      expect.arrayContaining(['AZURE_RUNTIME_DATA', 'AZURE_QUOTE_SIGNATURE', 'AZURE_NONCE']),
    );
    const other = await judged(...argv, '--quote-nonce', '00');
    expect(other.value['code']).toBe('AZURE_NONCE');
    const reportData = await judged(...argv, '--report-data', '00'.repeat(64));
    expect(reportData.value['code']).toBe('AZURE_NONCE');
    const said = await scene.witan('verify', ...argv);
    expect(said.stdout).toContain('The nonce was not compared');
    expect(said.stdout).toContain('Its vTPM is software of the launch digest above');
  });

  it('is held to reference values of its own kind, never to those of bare hardware', async () => {
    const { value } = await judged(...argv);
    const claims = value['claims'] as {
      readonly measurements: readonly { readonly name: string; readonly value: string }[];
    };
    const register = (name: string): string =>
      claims.measurements.find((one) => one.name === name)?.value ?? '';
    const hardware = {
      tee: 'snp',
      measurement: [register('launchDigest')],
      hostData: '00'.repeat(32),
      products: ['Milan'],
      minimumTcb: { bootloader: 0, tee: 0, snp: 0, microcode: 0 },
    };
    const values = { tee: 'az-snp', hardware, pcrs: { 4: [register('pcr4')] } };
    const fitting = await scene.desk.write('az.json', values);
    expect((await judged(...argv, '--reference-values', fitting)).code).toBe(0);
    const pcrs = { 4: ['00'.repeat(32)] };
    const other = await scene.desk.write('az-other.json', { ...values, pcrs });
    expect((await judged(...argv, '--reference-values', other)).value['code']).toBe('AZURE_PCR');
    const bare = await scene.desk.write('bare.json', hardware);
    expect((await judged(...argv, '--reference-values', bare)).value['code']).toBe(
      'APPRAISAL_TEE_MISMATCH',
    );
  });

  it('that is malformed is unusable (exit 2), and says where', async () => {
    const json = JSON.parse(readFileSync(evidence, 'utf8')) as Record<string, unknown>;
    const path = await scene.desk.write('cut.json', { ...json, hcl_report: 'SENMQQ' });
    const said = await scene.witan('verify', path);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('AZURE_HCL_MALFORMED');
  });

  it('of TDX is genuine with collateral of its platform', async () => {
    const { value } = await judged(
      join(trustee, 'az-tdx-vtpm/evidence-v1.json'),
      '--at',
      '2025-02-20',
      '--endorsements',
      join(FOLDER, 'collateral-bundles'),
      '--quote-nonce',
      challenge,
    );
    expect(value).toMatchObject({ genuine: true, claims: { azure: { nonce: challenge } } });
  });

  it('is shown part by part', async () => {
    const { value } = await scene.json('show', evidence);
    const sections = value['sections'] as readonly { readonly title: string }[];
    expect(sections.map(({ title }) => title)).toEqual([
      'HCL report',
      'SEV-SNP report',
      'Document of the paravisor (runtime data)',
      'vTPM quote: TPMS_ATTEST',
      'vTPM quote: signature and registers',
    ]);
    expect(value['structure']).toBe('sound');
  });
});

describe.skipIf(!present)('an event log', () => {
  const log = join(ccel, 'ccel_data.dat');
  const bundle = (name: string): string => join(FOLDER, 'collateral-bundles', name);

  it('must give the registers of the quote', async () => {
    const argv = ['--at', '2025-02-20', '--event-log', log, '--collateral'];
    const own = await judged(
      join(ccel, 'cos-113-tdx-quote.dat'),
      ...argv,
      bundle('2025-02_00806f050000.json'),
    );
    expect(own.code).toBe(0);
    expect(own.value).toMatchObject({ eventLogEvents: 43 });
    const foreign = await judged(
      join(FOLDER, 'go-tdx-guest/testdata/quote_v5_sample.dat'),
      '--at',
      '2026-03-01',
      '--event-log',
      log,
      '--collateral',
      bundle('2026-03_90c06f.json'),
    );
    expect(foreign.code).toBe(3);
    expect(foreign.value['code']).toBe('EVENT_LOG_REGISTER');
  });

  it('is shown event by event, and tells which texts are proven', async () => {
    const said = await scene.witan('show', log);
    expect(said.code).toBe(0);
    expect(said.stdout).toContain('Event log: 43 events');
    expect(said.stdout).toContain('variable "SecureBoot"');
    expect(said.stdout).toContain('the text proves nothing');
    expect(said.stdout).toContain('RTMR2');
  });

  it('that is no log is unusable (exit 2)', async () => {
    const quote = join(ccel, 'cos-113-tdx-quote.dat');
    const said = await scene.witan('verify', quote, '--event-log', join(ccel, 'ccel_table.dat'));
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('a TCG2 event log');
  });
});

describe.skipIf(!present)('measure', () => {
  const folder = join(FOLDER, 'sev-snp-measure');
  const firmware = join(folder, 'fixtures/ovmf_AmdSev_suffix.bin');

  it('gives the published digests', async () => {
    const { vectors } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as {
      readonly vectors: readonly Readonly<Record<string, unknown>>[];
    };
    const empty = await scene.put('empty', '');
    expect(vectors.length).toBeGreaterThanOrEqual(13);
    for (const vector of vectors) {
      const text = (name: string): string => String(vector[name]);
      const given = (option: string, value: unknown, path: string): readonly string[] =>
        value === null || value === undefined ? [] : [option, path];
      const signature = vector['vcpu_signature'] ?? vector['vcpu_sig'];
      const type = vector['vcpu_type'] ?? signature;
      const hex = typeof type === 'number' ? `0x${type.toString(16)}` : type;
      const { code, value } = await scene.json(
        'measure',
        '--firmware',
        join(folder, text('ovmf')),
        '--vcpus',
        text('vcpus'),
        '--vmm',
        text('vmm'),
        '--guest-features',
        text('guest_features'),
        ...given('--kernel', vector['kernel'], empty),
        ...given('--initrd', vector['initrd'], empty),
        ...given('--append', vector['append'], text('append')),
        ...given('--firmware-digest', vector['ovmf_hash_seed'], text('ovmf_hash_seed')),
        ...given('--vcpu-type', hex, String(hex).split(' ')[0] ?? ''),
      );
      expect({ name: vector['name'], code }).toEqual({ name: vector['name'], code: 0 });
      expect(value['referenceValues']).toMatchObject({
        measurement: [vector['expected_launch_digest']],
      });
    }
  });

  it('puts all combinations into reference values that verify takes', async () => {
    const into = await scene.values('measured.json');
    const out = scene.desk.path('measured-out.json');
    const argv = ['--firmware', firmware, '--vcpus', '1,2', '--vcpu-type', 'EPYC-v4,25/17/0'];
    const { code } = await scene.json('measure', ...argv, '--into', into, '--out', out);
    expect(code).toBe(0);
    const values = JSON.parse(await scene.desk.read('measured-out.json')) as {
      readonly measurement: readonly string[];
    };
    expect(values.measurement).toHaveLength(4);
    const file = await scene.encoded('measured.bin');
    const root = await scene.rootFile();
    const verdict = await judged(file, '--trust-root', root, '--reference-values', out);
    expect(verdict.value['code']).toBe('SNP_MEASUREMENT');
  });

  it('says what no published digest confirms', async () => {
    const { value } = await scene.json(
      'measure',
      '--firmware',
      firmware,
      '--vcpus',
      '2',
      '--vmm',
      'ec2',
    );
    expect(value['unconfirmed']).toEqual(['ec2 with more than one vCPU']);
  });

  it.each([
    [['--vcpus', 'many'], 'CLI_USAGE'],
    [['--vcpus', '513'], 'LAUNCH_PLAN_INVALID'],
    [['--vcpus', '1', '--vmm', 'xen'], 'CLI_USAGE'],
    [['--vcpus', '1', '--vcpu-type', 'Xeon'], 'CLI_USAGE'],
    [['--vcpus', '1', '--guest-features', '1'], 'CLI_USAGE'],
    [['--vcpus', '1', '--append', 'quiet'], 'CLI_USAGE'],
    [['--vcpus', '1', '--firmware-digest', 'ab'], 'CLI_USAGE'],
  ])('refuses %j (exit 2)', async (options, error) => {
    const said = await scene.witan('measure', '--firmware', firmware, ...options);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain(error);
  });

  it('refuses a firmware without SEV metadata (exit 2)', async () => {
    const path = await scene.put('firmware', new Uint8Array(8192));
    const said = await scene.witan('measure', '--firmware', path, '--vcpus', '1');
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('LAUNCH_FIRMWARE_MALFORMED');
  });
});
