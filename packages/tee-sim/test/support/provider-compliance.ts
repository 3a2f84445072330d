/**
 * What a configfs-tsm and the provider on it must do, whatever TEE is behind: run on simulated
 * directories of both kinds, and on the kernel's own where a machine has one.
 */
import { expect, it } from 'vitest';
import { randomBytes } from 'node:crypto';
import { parseSnpReport, parseTdxQuote } from '@witan/attestation';
import {
  createTsmProvider,
  TSM_BASE_PATH,
  type EvidenceProvider,
  type SnpEvidence,
  type TdxEvidence,
  type TsmFileSystem,
  type TsmKind,
} from '@witan/attester';

/** A directory under test. */
export interface TsmUnderTest {
  readonly fs: TsmFileSystem;
}

const REPORT_DATA_BYTES = 64;
const ATTRIBUTE_BYTES_MAX = 64 * 1024;

function reportDataIn(evidence: SnpEvidence | TdxEvidence): Uint8Array {
  return evidence.kind === 'snp'
    ? parseSnpReport(evidence.report).reportData
    : parseTdxQuote(evidence.quote).body.reportData;
}

function fresh(): Uint8Array {
  return new Uint8Array(randomBytes(REPORT_DATA_BYTES));
}

type Make = () => TsmUnderTest;

const provide = ({ fs }: TsmUnderTest): EvidenceProvider<TsmKind> =>
  createTsmProvider({ fs, accept: ['snp', 'tdx'] });

async function inItem<Result>(
  { fs }: TsmUnderTest,
  body: (path: string) => Promise<Result>,
): Promise<Result> {
  const path = `${TSM_BASE_PATH}/witan-test-${randomBytes(8).toString('hex')}`;
  await fs.mkdir(path);
  try {
    return await body(path);
  } finally {
    await fs.rmdir(path);
  }
}

async function read({ fs }: TsmUnderTest, path: string): Promise<Uint8Array> {
  return await fs.readFile(path, ATTRIBUTE_BYTES_MAX);
}

async function readText(tsm: TsmUnderTest, path: string): Promise<string> {
  return Buffer.from(await read(tsm, path))
    .toString('latin1')
    .trim();
}

/** Registers the suite. `make` is called once for each test. */
export function testTsmCompliance(make: Make): void {
  testProvider(make);
  testTree(make);
}

function testProvider(make: Make): void {
  it('gives evidence over the bytes that were asked for, fresh each time', async () => {
    const provider = provide(make());
    const [first, second] = [fresh(), fresh()];
    expect(reportDataIn(await provider.collect(first))).toEqual(first);
    expect(reportDataIn(await provider.collect(second))).toEqual(second);
    expect(['snp', 'tdx']).toContain(provider.kind);
  });

  it('keeps concurrent requests apart', async () => {
    const provider = provide(make());
    const wanted = Array.from({ length: 4 }, fresh);
    const found = await Promise.all(wanted.map(async (data) => await provider.collect(data)));
    expect(found.map(reportDataIn)).toEqual(wanted);
  });

  it.each([0, 63, 65])('refuses report data of %i bytes', async (byteLength) => {
    const asked = provide(make()).collect(new Uint8Array(byteLength));
    await expect(asked).rejects.toMatchObject({ code: 'ATTESTER_REPORT_DATA_SIZE' });
  });
}

function testTree(make: Make): void {
  it('counts writes, commits at close, and has nothing to read before one', async () => {
    const tsm = make();
    await inItem(tsm, async (path) => {
      expect(['sev_guest', 'tdx_guest']).toContain(await readText(tsm, `${path}/provider`));
      expect(await readText(tsm, `${path}/generation`)).toBe('0');
      await expect(read(tsm, `${path}/outblob`)).rejects.toMatchObject({ code: 'EINVAL' });
      await tsm.fs.writeFile(`${path}/inblob`, fresh());
      expect(await readText(tsm, `${path}/generation`)).toBe('1');
      await tsm.fs.writeFile(`${path}/inblob`, fresh());
      expect(await readText(tsm, `${path}/generation`)).toBe('2');
    });
  });

  it('takes 64 bytes: fewer fail at the read, more at the write', async () => {
    const tsm = make();
    await inItem(tsm, async (path) => {
      const inblob = `${path}/inblob`;
      await tsm.fs.writeFile(inblob, new Uint8Array(63));
      await expect(read(tsm, `${path}/outblob`)).rejects.toMatchObject({ code: 'EINVAL' });
      const tooMany = tsm.fs.writeFile(inblob, new Uint8Array(65));
      await expect(tooMany).rejects.toMatchObject({ code: 'EFBIG' });
    });
  });

  it('keeps a report until the next write', async () => {
    const tsm = make();
    await inItem(tsm, async (path) => {
      await tsm.fs.writeFile(`${path}/inblob`, fresh());
      const first = await read(tsm, `${path}/outblob`);
      expect(await read(tsm, `${path}/outblob`)).toEqual(first);
      await tsm.fs.writeFile(`${path}/inblob`, fresh());
      expect(await read(tsm, `${path}/outblob`)).not.toEqual(first);
    });
  });
}
