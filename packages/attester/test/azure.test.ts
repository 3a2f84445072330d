import { createHash, verify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { describe, expect, it } from 'vitest';
import {
  createAzureProvider,
  nodeImds,
  nodeTpmDevice,
  type AttesterError,
  type AzureProviderOptions,
  type Evidence,
} from '../src/index.ts';
import { parseHclReport } from '../src/azure/hcl-report.ts';
import { readAttest } from '../src/azure/tpm-commands.ts';
import { fakeAzure, hclReport, type AzureKnobs, type FakeAzure } from './support/fake-azure.ts';
import { CERTIFICATE } from './support/certificate.ts';

const reportData = new Uint8Array(64).map((_, index) => index * 3);
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const fast = {
  retry: { attemptsMax: 3, delayMs: 0 },
  renewalPollMs: 0,
  renewalMsMax: 50,
} as const;

async function collect(
  knobs: AzureKnobs = {},
  options: Partial<AzureProviderOptions> = {},
): Promise<{ readonly azure: FakeAzure; readonly outcome: Evidence | AttesterError }> {
  const azure = fakeAzure(knobs, CERTIFICATE);
  const own = createAzureProvider({
    tpm: azure.tpm,
    imds: azure.imds,
    accept: ['az-snp', 'az-tdx'],
    ...fast,
    ...options,
  });
  const outcome = await own.collect(reportData).catch((error: AttesterError) => error);
  return { azure, outcome };
}

const codeOf = (outcome: Evidence | AttesterError): string =>
  'code' in outcome ? outcome.code : outcome.kind;

describe("collecting evidence through Azure's vTPM", () => {
  it('sends exactly the bytes that TPM 2.0 defines, in this order', async () => {
    const { azure } = await collect({ renewalReads: 1 });
    const session = '00000009' + '400000090000000000';
    const nv = (byteLength: string, offset: string): string =>
      `800200000023${'0000014e'}4000000101400001${session}${byteLength}${offset}`;
    expect(azure.commands).toEqual([
      // NV_ReadPublic, NV_DefineSpace and NV_Write of the index for user data.
      '80010000000e' + '00000169' + '01400002',
      `80020000002d${'0000012a'}40000001${session}0000000e01400002000b0006000600000040`,
      `800200000063${'00000137'}4000000101400002${session}0040${hex(reportData)}0000`,
      // The paravisor's report, 2600 bytes in parts of 512.
      '80010000000e' + '00000169' + '01400001',
      nv('0200', '0000'),
      nv('0200', '0200'),
      nv('0200', '0400'),
      nv('0200', '0600'),
      nv('0200', '0800'),
      nv('0028', '0a00'),
      // Registers by eight, then the quote over all of them.
      '800100000014' + '0000017e' + '00000001000b03ff0000',
      '800100000014' + '0000017e' + '00000001000b0300ff00',
      '800100000014' + '0000017e' + '00000001000b030000ff',
      '800200000049' +
        '00000158' +
        `81000003${session}0020${hex(sha256(reportData))}` +
        '0010' +
        '00000001000b03ffffff',
    ]);
  });

  it('gives the report that carries the user data, a quote that verifies, and hints', async () => {
    const { azure, outcome } = await collect();
    if ('code' in outcome || outcome.kind !== 'az-snp') throw new Error(codeOf(outcome));
    const whole = hclReport('snp', reportData);
    const end = 1236 + whole.readUInt32LE(1232);
    expect(hex(outcome.hclReport)).toBe(hex(whole.subarray(0, end)));
    const { message, signature, pcrs } = outcome.tpmQuote;
    expect(verify('sha256', message, azure.attestationKey, signature)).toBe(true);
    const attested = readAttest(message);
    expect(hex(attested.extraData)).toBe(hex(sha256(reportData)));
    expect(hex(attested.pcrDigest)).toBe(hex(sha256(Buffer.concat(pcrs))));
    expect(pcrs).toHaveLength(24);
    expect(Object.keys(outcome.endorsements)).toEqual(['vek', 'intermediate', 'root']);
  });

  it('asks for a quote over the TDREPORT in a TDX guest', async () => {
    const { azure, outcome } = await collect({ tee: 'tdx' });
    if ('code' in outcome || outcome.kind !== 'az-tdx') throw new Error(codeOf(outcome));
    const { body = '' } = azure.requests[0] ?? {};
    const { report } = JSON.parse(body) as { readonly report: string };
    expect(report).not.toMatch(/[+/=]/);
    const whole = hclReport('tdx', reportData);
    expect(hex(Buffer.from(report, 'base64url'))).toBe(hex(whole.subarray(32, 32 + 1024)));
    expect(outcome.quote.byteLength).toBe(5000);
  });

  it('does not define the index for user data again', async () => {
    const { azure, outcome } = await collect({ defined: true });
    expect(codeOf(outcome)).toBe('az-snp');
    expect(azure.commands.filter((command) => command.startsWith('0000012a', 12))).toEqual([]);
  });

  it('knows its kind from the report and takes collections in turn', async () => {
    const azure = fakeAzure({ tee: 'tdx' });
    const own = createAzureProvider({ ...azure, accept: ['az-snp', 'az-tdx'], ...fast });
    expect(() => own.kind).toThrow(
      expect.objectContaining({ code: 'ATTESTER_KIND_UNKNOWN' }) as Error,
    );
    const many = await Promise.all(
      [1, 2, 3].map(async (fill) => await own.collect(new Uint8Array(64).fill(fill))),
    );
    expect(own.kind).toBe('az-tdx');
    const userData = many.map(({ hclReport: report }) => parseHclReport(report).userData);
    expect(userData).toEqual(['01', '02', '03'].map((byte) => byte.repeat(64)));
  });

  it('tries again when a register changes between reading and quoting', async () => {
    expect(codeOf((await collect({ registerChanges: 2 })).outcome)).toBe('az-snp');
    expect(codeOf((await collect({ registerChanges: 9 })).outcome)).toBe('ATTESTER_CONTENDED');
  });

  it('tries again what passes: TPM_RC_RETRY, EBUSY and a throttled metadata service', async () => {
    const refusals = new Map([[0x158, [0x922, 0x922]]]);
    expect(codeOf((await collect({ refusals })).outcome)).toBe('az-snp');
    expect(codeOf((await collect({ errnos: ['EBUSY', 'EBUSY'] })).outcome)).toBe('az-snp');
    let throttled = 2;
    const imds = (): { status: number; body: string } | undefined =>
      throttled-- > 0 ? { status: 429, body: '' } : undefined;
    expect(codeOf((await collect({ imds })).outcome)).toBe('az-snp');
  });

  it('can be given up while the paravisor renews its report', async () => {
    const azure = fakeAzure({ renewalReads: 1_000_000 });
    const own = createAzureProvider({ ...azure, accept: ['az-snp'], renewalPollMs: 60_000 });
    const collecting = own.collect(reportData, { signal: AbortSignal.timeout(30) });
    await expect(collecting).rejects.toMatchObject({ code: 'ATTESTER_ABORTED' });
  });
});

describe('a failing vTPM', () => {
  const cut = (answer: Buffer): Buffer => answer.subarray(0, -1);
  const refuse = (command: number, code: number): AzureKnobs => ({
    refusals: new Map([[command, [code, code, code]]]),
  });
  const flip =
    (at: number) =>
    (report: Buffer): Buffer => {
      const altered = Buffer.from(report);
      if (at < altered.length) altered.writeUInt8(altered.readUInt8(at) ^ 0xff, at);
      return altered;
    };
  it.each<readonly [string, AzureKnobs, string]>([
    ['is missing', { errnos: ['ENOENT'] }, 'ATTESTER_NO_TEE'],
    ['is forbidden', { errnos: ['EACCES'] }, 'ATTESTER_FORBIDDEN'],
    ['fails', { errnos: ['EIO'] }, 'ATTESTER_IO'],
    ['stays busy', { errnos: ['EBUSY', 'EBUSY', 'EBUSY'] }, 'ATTESTER_BUSY'],
    ['stays in TPM_RC_RETRY', refuse(0x137, 0x922), 'ATTESTER_BUSY'],
    ['demands a password', refuse(0x137, 0x9a2), 'ATTESTER_TPM_REFUSED'],
    ['has no attestation key', refuse(0x158, 0x18b), 'ATTESTER_TPM_REFUSED'],
    ['cuts its answer', { tamper: new Map([[0x158, cut]]) }, 'ATTESTER_TPM_MALFORMED'],
    [
      'answers nothing',
      { tamper: new Map([[0x169, () => Buffer.alloc(0)]]) },
      'ATTESTER_TPM_MALFORMED',
    ],
    ['never renews its report', { renewalReads: 1_000_000 }, 'ATTESTER_VTPM_STALE'],
    ['has another magic', { alterReport: flip(0) }, 'ATTESTER_HCL_MALFORMED'],
    ['names another report type', { alterReport: flip(1224) }, 'ATTESTER_HCL_MALFORMED'],
    ['claims a longer document', { alterReport: flip(1234) }, 'ATTESTER_HCL_MALFORMED'],
    ['shows a document not reported', { alterReport: flip(1240) }, 'ATTESTER_HCL_MALFORMED'],
  ])('that %s gives a typed error', async (_what, knobs, code) => {
    expect(codeOf((await collect(knobs)).outcome)).toBe(code);
  });

  it('that quotes other data is noticed', async () => {
    const at = 10 + 4 + 2 + 6 + 2 + 34 + 2;
    const tamper = new Map([[0x158, flip(at)]]);
    expect(codeOf((await collect({ tamper })).outcome)).toBe('ATTESTER_REPORT_DATA_MISMATCH');
  });

  it('without a report is no confidential VM', async () => {
    const refusals = new Map([[0x169, [0x18b, 0x18b]]]);
    expect(codeOf((await collect({ refusals })).outcome)).toBe('ATTESTER_NO_TEE');
  });

  it('of a kind that is not accepted is refused before anything is quoted', async () => {
    const { azure, outcome } = await collect({ tee: 'tdx' }, { accept: ['az-snp'] });
    expect(codeOf(outcome)).toBe('ATTESTER_PROVIDER_UNKNOWN');
    expect(azure.requests).toEqual([]);
  });

  it.each([
    ['fails', { status: 500, body: '' }],
    ['knows nothing', { status: 404, body: '' }],
    ['answers HTML', { status: 200, body: '<html>' }],
    ['leaves a field out', { status: 200, body: '{}' }],
    ['gives no certificate', { status: 200, body: '{"vcekCert":"-----BEGIN"}' }],
  ])('with a metadata service that %s gives a typed error', async (_what, answer) => {
    expect(codeOf((await collect({ imds: () => answer })).outcome)).toBe('ATTESTER_IMDS');
  });

  it('never throws anything untyped, whatever one answer is changed to (I10)', async () => {
    for (const code of [0x169, 0x14e, 0x137, 0x12a, 0x17e, 0x158]) {
      for (let at = 0; at < 60; at += 1) {
        const { outcome } = await collect(
          { tamper: new Map([[code, flip(at)]]) },
          { renewalMsMax: 0, retry: { attemptsMax: 1 } },
        );
        expect(codeOf(outcome)).toMatch(/^(ATTESTER_[A-Z_]+|az-snp)$/);
      }
    }
  });
});

describe("the machine's own interfaces", () => {
  it('find no TPM where there is none', async () => {
    const tpm = nodeTpmDevice('/nonexistent/tpmrm0');
    const own = createAzureProvider({ tpm, imds: nodeImds(), accept: ['az-snp'] });
    const collecting = own.collect(reportData);
    await expect(collecting).rejects.toMatchObject({ code: 'ATTESTER_NO_TEE' });
  });

  it('speak HTTP with limits', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/long') response.end(Buffer.alloc(100_000));
      else request.pipe(response.writeHead(201, { echo: request.headers['metadata'] ?? 'none' }));
    });
    const imds = nodeImds({ host: '127.0.0.1', port: await portOf(server) });
    const body = Buffer.from('abc');
    const headers = { Metadata: 'true' };
    const answer = await imds.exchange({ method: 'POST', path: '/', headers, body });
    expect({ ...answer, body: Buffer.from(answer.body).toString() }).toEqual({
      status: 201,
      body: 'abc',
    });
    const long = imds.exchange({ method: 'GET', path: '/long', headers });
    await expect(long).rejects.toThrow(Error);
    server.close();
  });
});

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

const VECTORS = new URL('../../../../shared/vectors/attestation/trustee/', import.meta.url);

describe.skipIf(!existsSync(VECTORS))('evidence from real machines', () => {
  it.each(['snp', 'tdx'] as const)('has a readable report (%s)', (tee) => {
    const report = readFileSync(new URL(`az-${tee}-vtpm/hcl-report.bin`, VECTORS));
    const { kind, userData } = parseHclReport(report);
    expect(kind).toBe(`az-${tee}`);
    expect(userData).toBe('00'.repeat(64));
  });

  it('has a readable quote whose digest is that of its registers', () => {
    const file = new URL('az-snp-vtpm/evidence-v2.json', VECTORS);
    const { tpm_quote: quote } = JSON.parse(readFileSync(file, 'utf8')) as {
      readonly tpm_quote: { readonly message: string; readonly pcrs: readonly string[] };
    };
    const { pcrDigest } = readAttest(Buffer.from(quote.message, 'hex'));
    expect(hex(pcrDigest)).toBe(hex(sha256(Buffer.from(quote.pcrs.join(''), 'hex'))));
  });
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
