/** The evidence commands on published and synthetic vectors, against their index's verdicts. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Desk } from './support/desk.ts';
import { withEvidence, type Json } from './support/evidence-scene.ts';

const FOLDER = fileURLToPath(new URL('../../../../shared/vectors/attestation/', import.meta.url));
const present = existsSync(FOLDER);

interface SyntheticCase {
  readonly id: string;
  readonly at: string;
  readonly expect: 'accept' | 'reject' | 'reject-policy';
  readonly tcb_status?: string;
  readonly files: Readonly<Record<string, string>>;
}

interface RealQuote {
  readonly file: string;
  readonly signature_chain: { readonly valid_from_pck: string };
  readonly td: { readonly debug: boolean; readonly mr_td: string };
  readonly verdicts_with_collateral?: readonly {
    readonly collateral: string;
    readonly at: string;
    readonly tcb_status: string;
    readonly advisory_ids: readonly string[];
  }[];
}

let desk: Desk;

beforeAll(async () => {
  desk = await Desk.open();
});

afterAll(async () => {
  await desk.close();
});

function index<Content>(group: string): Content {
  return JSON.parse(readFileSync(join(FOLDER, group, 'index.json'), 'utf8')) as Content;
}

async function witan(
  ...argv: readonly string[]
): Promise<{ readonly code: number; readonly value: Json; readonly stderr: string }> {
  const { code, stdout, stderr } = await desk.witan(
    ['evidence', ...argv, '--json'],
    withEvidence(),
  );
  return { code, value: JSON.parse(stdout) as Json, stderr };
}

function syntheticArguments({ files, at }: SyntheticCase): readonly string[] {
  const path = (name: string): string => join(FOLDER, 'synthetic-devroot', files[name] ?? '');
  if (files['quote'] !== undefined) {
    return ['verify', path('quote'), '--collateral', path('collateral'), '--at', at];
  }
  const endorsements = ['vek', 'chain', 'crl'].map(path);
  return ['verify', path('report'), '--at', at, '--endorsements', ...endorsements];
}

function rootOf({ files }: SyntheticCase): string {
  return join(FOLDER, 'synthetic-devroot', files['root'] ?? files['chain'] ?? '');
}

describe.skipIf(!present)('synthetic vectors', () => {
  const { snp, tdx } = present
    ? index<{ readonly snp: readonly SyntheticCase[]; readonly tdx: readonly SyntheticCase[] }>(
        'synthetic-devroot',
      )
    : { snp: [], tdx: [] };

  it.each([...snp, ...tdx])('$id has its verdict: $expect', async (vector) => {
    const argv = [...syntheticArguments(vector), '--allow-debug', '--trust-root', rootOf(vector)];
    const { code, value } = await witan(...argv);
    // Refused by policy alone means genuine, and here nobody gives a policy.
    const genuine = vector.expect !== 'reject';
    expect({ code, genuine: value['genuine'] }).toEqual({ code: genuine ? 0 : 3, genuine });
    if (genuine) expect(value['simulated']).toBe(true);
    else expect(value['code']).not.toMatch(/_MISSING$|ROOT_UNTRUSTED$/);
    if (genuine && vector.tcb_status !== undefined) {
      expect(value['claims']).toMatchObject({ tcbStatus: vector.tcb_status });
    }
  });

  it.each([...snp, ...tdx])('$id is refused without its root (I11)', async (vector) => {
    const { code, value } = await witan(...syntheticArguments(vector));
    expect(code).toBe(3);
    expect(value['genuine']).toBe(false);
  });
});

describe.skipIf(!present)('real quotes', () => {
  const groups = ['automata-dcap-rs', 'dcap-qvl', 'go-tdx-guest', 'trustee'];
  const cases = (present ? groups : []).flatMap((group) =>
    index<{ readonly tdx: readonly RealQuote[] }>(group).tdx.flatMap((quote) =>
      (quote.verdicts_with_collateral ?? []).map((verdict) => ({ group, quote, ...verdict })),
    ),
  );

  it.each(cases)(
    '$group/$quote.file at $at with $collateral is $tcb_status',
    async ({ group, quote, collateral, at, tcb_status: status, advisory_ids: advisories }) => {
      const file = join(FOLDER, group, quote.file.replace(' (hex text)', ''));
      const documents = join(FOLDER, group, collateral);
      const argv = ['verify', file, '--collateral', documents, '--at', at, '--allow-debug'];
      const { code, value } = await witan(...argv);
      // Some quotes are younger than the collateral that was found for their platform.
      const early = Date.parse(at) < Date.parse(quote.signature_chain.valid_from_pck);
      const refusal = early ? 'TDX_PCK_VALIDITY' : 'TDX_TCB_NOT_SUPPORTED';
      const refused = early || status === 'NotSupported';
      expect({ code, by: value['code'] }).toEqual({
        code: refused ? 3 : 0,
        by: refused ? refusal : null,
      });
      if (refused) return;
      expect(value['claims']).toMatchObject({
        tcbStatus: status,
        advisories: advisories.toSorted(),
        debug: quote.td.debug,
        simulated: false,
      });
    },
  );

  it('find their collateral in a directory of many, by platform and time', async () => {
    const file = join(FOLDER, 'automata-dcap-rs/quote_tdx_00806f050000.dat');
    const bundles = join(FOLDER, 'collateral-bundles');
    const argv = ['verify', file, '--endorsements', bundles, '--at'];
    for (const [at, name] of [
      ['2025-02-20', '2025-02_00806f050000.json'],
      ['2025-07-15', '2025-07_00806f050000.json'],
    ]) {
      const { code, value } = await witan(...argv, at ?? '');
      expect(code).toBe(0);
      expect(value['endorsements']).toMatchObject({ tcbInfo: join(bundles, name ?? '') });
    }
  });

  it('are not given newer collateral of another platform', async () => {
    const file = join(FOLDER, 'trustee/tdx/tdx_quote_5.dat');
    const bundles = join(FOLDER, 'collateral-bundles');
    const { value } = await witan('verify', file, '--endorsements', bundles, '--at', '2025-06-25');
    expect(value).toMatchObject({
      code: 'TDX_TCB_NOT_SUPPORTED',
      endorsements: { tcbInfo: join(bundles, '2025-06_90c06f.json') },
    });
  });

  it('are judged with answers of Intel’s service as they came, byte for byte', async () => {
    const folder = join(FOLDER, 'automata-dcap-rs');
    const file = join(folder, 'quote_tdx_00806f050000.dat');
    const argv = ['verify', file, '--endorsements', folder, '--at', '2025-02-20T00:00:00Z'];
    const { code, value } = await witan(...argv);
    expect(code).toBe(0);
    expect(value['claims']).toMatchObject({ fmspc: '00806f050000', tcbStatus: 'OutOfDate' });
  });
});

describe.skipIf(!present)('real SEV-SNP evidence', () => {
  const trust = join(FOLDER, 'trustee/trust');
  const thim = 'ms-confidential-sidecar-containers/uvm_host_amd_certificate.json';

  it.each([
    ['trustee/snp/e2e-evidence.json', []],
    ['trustee/snp/test-vlek-report.bin', ['trustee/snp']],
    ['trustee/snp/test-report.bin', ['trustee/snp']],
    ['trustee/az-snp-vtpm/evidence-v0.json', []],
    ['trustee/az-snp-vtpm/evidence-v1.json', []],
    ['trustee/az-snp-vtpm/evidence-v2.json', []],
    ['trustee/az-snp-vtpm/evidence-genoa.json', []],
    ['trustee/az-snp-vtpm/hcl-report.bin', ['trustee/az-snp-vtpm/vcek.pem']],
    ['virtee-sev/certs_data/report_milan.hex', ['virtee-sev/certs_data']],
    ['ms-confidential-sidecar-containers/snp_report.bin', [thim]],
    ['go-sev-guest/testdata/attestation.bin', ['go-sev-guest/testdata']],
  ])('%s is genuine', async (file, endorsements) => {
    const paths = [trust, ...endorsements.map((path) => join(FOLDER, path))];
    const path = join(FOLDER, file);
    // Within the validity of every leaf, also of the VLEK that lasts one year.
    const argv = ['verify', path, '--at', '2025-09-01', '--allow-debug', '--endorsements'];
    const { code, value } = await witan(...argv, ...paths);
    expect(value['code']).toBe(null);
    expect(code).toBe(0);
    expect(value).toMatchObject({ simulated: false, appraisal: 'genuine-only' });
  });
});

describe.skipIf(!present)('every file among the vectors', () => {
  const files = present ? filesUnder(FOLDER) : [];

  it('can be shown or is refused with a typed error, and is never a bug', async () => {
    const shown: string[] = [];
    for (const file of files) {
      const { code, value, stderr } = await witan('show', file);
      expect([0, 2]).toContain(code);
      expect(stderr).not.toMatch(/\n\s+at /);
      if (code === 0) shown.push(file);
      else expect(value['error']).toMatchObject({ code: 'CLI_FILE_UNREADABLE' });
    }
    expect(shown.length).toBeGreaterThan(200);
    expect(shown.filter((file) => /LICENSE|README|index\.json$/.test(file))).toEqual([]);
  });

  it('is judged or refused with a typed error, and is never a bug', async () => {
    for (const file of files) {
      const { code, value, stderr } = await witan('verify', file, '--at', '2026-06-01');
      expect([2, 3]).toContain(code);
      expect(stderr).not.toMatch(/\n\s+at /);
      const error = { code: 'CLI_FILE_UNREADABLE' };
      if (code === 2) expect(value['error']).toMatchObject(error);
      else expect(value['code']).toMatch(/^(SNP|TDX|AZURE)_/);
    }
  });
});

function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}
