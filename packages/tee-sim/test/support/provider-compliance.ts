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

/** Makes the provider under test on a file system. */
export type Provide = (fs: TsmFileSystem) => EvidenceProvider<TsmKind>;

const provideReal: Provide = (fs) =>
  createTsmProvider({ fs, accept: ['snp', 'tdx'], retry: { delayMs: 1, delayMsMax: 2 } });

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
  it.each(PROVIDER_CASES)('$name', async ({ run }) => {
    await expect(run(make(), provideReal)).resolves.toBeUndefined();
  });
  testTree(make);
}

/** What a provider must do; a plain list, so that it can be run on providers that do not. */
export const PROVIDER_CASES: readonly {
  readonly name: string;
  readonly run: (tsm: TsmUnderTest, provide: Provide) => Promise<void>;
}[] = [
  {
    name: 'gives evidence over the bytes that were asked for, fresh each time',
    run: async ({ fs }, provide) => {
      const provider = provide(fs);
      const [first, second] = [fresh(), fresh()];
      expect(reportDataIn(await provider.collect(first))).toEqual(first);
      expect(reportDataIn(await provider.collect(second))).toEqual(second);
      expect(['snp', 'tdx']).toContain(provider.kind);
    },
  },
  {
    name: 'keeps concurrent requests apart',
    run: async ({ fs }, provide) => {
      const provider = provide(fs);
      const wanted = Array.from({ length: 4 }, fresh);
      const found = await Promise.all(wanted.map(async (data) => await provider.collect(data)));
      expect(found.map(reportDataIn)).toEqual(wanted);
    },
  },
  {
    name: 'refuses report data of 0, 63 and 65 bytes',
    run: async ({ fs }, provide) => {
      for (const byteLength of [0, 63, 65]) {
        const asked = provide(fs).collect(new Uint8Array(byteLength));
        await expect(asked).rejects.toMatchObject({ code: 'ATTESTER_REPORT_DATA_SIZE' });
      }
    },
  },
  {
    name: 'tries again when another writer came between its write and its read',
    run: async ({ fs }, provide) => {
      const wanted = fresh();
      const found = await provide(withIntruder(fs)).collect(wanted);
      expect(reportDataIn(found)).toEqual(wanted);
    },
  },
  {
    name: 'tries again when another writer wrote the same bytes',
    run: async ({ fs }, provide) => {
      const paths: string[] = [];
      const wanted = fresh();
      const counted: TsmFileSystem = {
        ...withIntruder(fs, wanted),
        mkdir: async (path) => {
          paths.push(path);
          await fs.mkdir(path);
        },
      };
      expect(reportDataIn(await provide(counted).collect(wanted))).toEqual(wanted);
      // What an item gave that somebody else wrote to was thrown away, item and all.
      expect(new Set(paths).size).toBe(2);
    },
  },
  {
    name: 'tries again when the write of its report data did not take effect',
    run: async ({ fs }, provide) => {
      let lost = false;
      const wanted = fresh();
      const losing: TsmFileSystem = {
        ...fs,
        writeFile: async (path, data) => {
          if (path.endsWith('/inblob') && !lost) lost = true;
          else await fs.writeFile(path, data);
        },
      };
      expect(reportDataIn(await provide(losing).collect(wanted))).toEqual(wanted);
    },
  },
];

/** Somebody else writes to the first item, just before its report is read. */
function withIntruder(fs: TsmFileSystem, data: Uint8Array = fresh()): TsmFileSystem {
  let intruded = false;
  return {
    ...fs,
    readFile: async (path, bytesMax) => {
      if (path.endsWith('/outblob') && !intruded) {
        intruded = true;
        await fs.writeFile(path.replace(/outblob$/, 'inblob'), data);
      }
      return await fs.readFile(path, bytesMax);
    },
  };
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
