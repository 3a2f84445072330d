/** The file tree against what Linux does (drivers/virt/coco/guest/report.c, fs/configfs/file.c). */
import { describe, expect, it } from 'vitest';
import { createTsmProvider, detectTee, type AttesterError } from '@witan/attester';
import { TSM_ROOT, TsmTree, treeFileSystem, type TsmFaults } from '../src/index.ts';

/** Report data at its place, so that tests need no signature; counts how many were made. */
function treeWith(faults: TsmFaults = {}, privlevelFloor = 0): { tree: TsmTree; made: number[] } {
  const made: number[] = [];
  const tree = new TsmTree({
    privlevelFloor,
    faults,
    makeReport: (reportData, vmpl) => {
      made.push(vmpl);
      const outblob = new Uint8Array(1184);
      outblob[0x30] = vmpl;
      outblob.set(reportData, 0x50);
      return { outblob, auxblob: Uint8Array.of(made.length) };
    },
  });
  return { tree, made };
}

const item = `${TSM_ROOT}/a`;
const reportData = new Uint8Array(64).fill(9);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const data = (value: string): unknown => ({ kind: 'data', data: Buffer.from(value) });
const errno = (name: string): unknown => ({ kind: 'errno', errno: name });
const DONE = { kind: 'done' };

function openItem(faults: TsmFaults = {}, floor = 0): { tree: TsmTree; made: number[] } {
  const opened = treeWith(faults, floor);
  expect(opened.tree.mkdir(item)).toEqual(DONE);
  return opened;
}

describe('the simulated configfs-tsm', () => {
  it('makes and removes items like directories', () => {
    const { tree } = openItem();
    expect(tree.mkdir(item)).toEqual(errno('EEXIST'));
    expect(tree.mkdir(TSM_ROOT)).toEqual(errno('EEXIST'));
    expect(tree.mkdir(`${item}/below`)).toEqual(errno('EPERM'));
    expect(tree.mkdir('/sys/kernel/config/other')).toEqual(errno('ENOENT'));
    expect(tree.mkdir(`${TSM_ROOT}/../b`)).toEqual(errno('ENOENT'));
    expect(tree.rmdir(`${item}/inblob`)).toEqual(errno('EPERM'));
    expect(tree.rmdir(item)).toEqual(DONE);
    expect(tree.rmdir(item)).toEqual(errno('ENOENT'));
    expect(tree.read(`${item}/provider`)).toEqual(errno('ENOENT'));
  });

  it('limits the items of a guest', () => {
    const { tree } = treeWith();
    for (let i = 0; i < 64; i += 1) expect(tree.mkdir(`${TSM_ROOT}/i${i}`)).toEqual(DONE);
    expect(tree.mkdir(`${TSM_ROOT}/one-more`)).toEqual(errno('ENOMEM'));
  });

  it('ends text with a newline and keeps the directions of attributes', () => {
    const { tree } = openItem();
    expect(tree.read(`${item}/provider`)).toEqual(data('sev_guest\n'));
    expect(tree.read(`${item}/generation`)).toEqual(data('0\n'));
    expect(tree.read(`${item}/inblob`)).toEqual(errno('EACCES'));
    expect(tree.write(`${item}/outblob`, reportData)).toEqual(errno('EACCES'));
    expect(tree.write(`${item}/no-such`, reportData)).toEqual(errno('ENOENT'));
    expect(tree.read(item)).toEqual(errno('EISDIR'));
  });

  it('refuses more than 64 bytes at the write and fewer only when the report is made', () => {
    const { tree } = openItem();
    expect(tree.write(`${item}/inblob`, new Uint8Array(65))).toEqual(errno('EFBIG'));
    expect(tree.read(`${item}/generation`)).toEqual(data('0\n'));
    expect(tree.write(`${item}/inblob`, new Uint8Array(63))).toEqual(DONE);
    expect(tree.read(`${item}/generation`)).toEqual(data('1\n'));
    expect(tree.read(`${item}/outblob`)).toEqual(errno('EINVAL'));
  });

  it('has no report before report data was written', () => {
    const { tree } = openItem();
    expect(tree.read(`${item}/outblob`)).toEqual(errno('EINVAL'));
    expect(tree.read(`${item}/auxblob`)).toEqual(errno('EINVAL'));
  });

  it('makes the report at the first read and keeps it until the next write', () => {
    const { tree, made } = openItem();
    tree.write(`${item}/inblob`, reportData);
    expect(made).toHaveLength(0);
    const first = tree.read(`${item}/outblob`);
    expect(tree.read(`${item}/outblob`)).toEqual(first);
    tree.read(`${item}/auxblob`);
    expect(made).toHaveLength(1);
    tree.write(`${item}/inblob`, new Uint8Array(64).fill(8));
    expect(tree.read(`${item}/outblob`)).not.toEqual(first);
    expect(made).toHaveLength(2);
  });

  it('counts every write that took effect and hides one that did not', () => {
    const { tree } = openItem({ inblobLostCount: 1 });
    expect(tree.write(`${item}/inblob`, reportData)).toEqual(DONE);
    expect(tree.read(`${item}/generation`)).toEqual(data('0\n'));
    tree.write(`${item}/privlevel`, text('2\n'));
    tree.write(`${item}/inblob`, reportData);
    expect(tree.read(`${item}/generation`)).toEqual(data('2\n'));
  });

  it.each(['4', '-1', '', 'x', '1 2', '0x1'])('refuses privlevel %j', (level) => {
    const { tree } = openItem();
    expect(tree.write(`${item}/privlevel`, text(level))).toEqual(errno('EINVAL'));
  });

  it('refuses a privlevel below the floor', () => {
    const { tree } = openItem({}, 2);
    expect(tree.read(`${item}/privlevel_floor`)).toEqual(data('2\n'));
    expect(tree.write(`${item}/privlevel`, text('1'))).toEqual(errno('EINVAL'));
    expect(tree.write(`${item}/privlevel`, text('3'))).toEqual(DONE);
  });
});

describe("attester's provider on the simulated configfs-tsm", () => {
  const retry = { delayMs: 1, delayMsMax: 2 };
  const codeFor = async (faults: TsmFaults, privlevel?: number, floor = 0): Promise<string> => {
    const { tree } = treeWith(faults, floor);
    const options = privlevel === undefined ? {} : { privlevel };
    const provider = createTsmProvider({ fs: treeFileSystem(tree), retry, ...options });
    return await provider.collect(reportData).then(
      ({ report }) => `vmpl ${report[0x30]}`,
      (error: AttesterError) => error.code,
    );
  };

  it('collects at the default and at a chosen level', async () => {
    expect(await codeFor({})).toBe('vmpl 0');
    expect(await codeFor({}, 3)).toBe('vmpl 3');
    expect(await codeFor({}, 1, 2)).toBe('ATTESTER_PRIVLEVEL_REFUSED');
  });

  it('retries what passes and gives up on what stays', async () => {
    expect(await codeFor({ inblobLostCount: 2 })).toBe('vmpl 0');
    expect(await codeFor({ outblobBusyCount: 2, outblobInterruptedCount: 2 })).toBe('vmpl 0');
    expect(await codeFor({ intruderCount: 2 })).toBe('vmpl 0');
    expect(await codeFor({ inblobLostCount: 1000 })).toBe('ATTESTER_BUSY');
    expect(await codeFor({ outblobBusyCount: 1000 })).toBe('ATTESTER_BUSY');
    expect(await codeFor({ intruderCount: 1000 })).toBe('ATTESTER_CONTENDED');
    expect(await codeFor({ noProvider: true })).toBe('ATTESTER_NO_TEE');
  });

  it('leaves no item behind, whatever happens', async () => {
    for (const faults of [{}, { outblobBusyCount: 1000 }, { intruderCount: 1000 }]) {
      const { tree } = treeWith(faults);
      const provider = createTsmProvider({ fs: treeFileSystem(tree), retry });
      for (let i = 0; i < 20; i += 1) await provider.collect(reportData).catch(() => undefined);
      for (let i = 0; i < 64; i += 1) expect(tree.mkdir(`${TSM_ROOT}/i${i}`)).toEqual(DONE);
    }
  });

  it('collects in a TDX guest, which has neither levels nor certificates', async () => {
    const quoted = (faults: TsmFaults): TsmTree =>
      new TsmTree({
        tee: 'tdx',
        privlevelFloor: 0,
        faults,
        makeReport: (data) => {
          const outblob = new Uint8Array(2000);
          outblob[0] = 4;
          outblob.set(data, 48 + 520);
          return { outblob, auxblob: Uint8Array.of(1) };
        },
      });
    const tree = quoted({ intruderCount: 1, outblobBusyCount: 1, inblobLostCount: 1 });
    expect(tree.mkdir(item)).toEqual(DONE);
    expect(tree.read(`${item}/provider`)).toEqual(data('tdx_guest\n'));
    for (const attribute of ['auxblob', 'privlevel', 'privlevel_floor']) {
      expect(tree.read(`${item}/${attribute}`)).toEqual(errno('ENOENT'));
      expect(tree.write(`${item}/${attribute}`, text('1'))).toEqual(errno('ENOENT'));
    }
    const fs = treeFileSystem(tree);
    const own = createTsmProvider({ fs, accept: ['snp', 'tdx'], privlevel: 1, retry });
    expect(await own.collect(reportData)).toMatchObject({ kind: 'tdx', endorsements: {} });
    const alwaysIn = createTsmProvider({
      fs: treeFileSystem(quoted({ intruderCount: 1000 })),
      accept: ['tdx'],
      retry,
    });
    await expect(alwaysIn.collect(reportData)).rejects.toMatchObject({
      code: 'ATTESTER_CONTENDED',
    });
    expect(await detectTee({ fs })).toEqual({ kind: 'tdx' });
  });

  it('detects the TEE', async () => {
    expect(await detectTee({ fs: treeFileSystem(treeWith().tree) })).toEqual({ kind: 'snp' });
    const none = await detectTee({ fs: treeFileSystem(treeWith({ noProvider: true }).tree) });
    expect(none).toMatchObject({ kind: 'none', error: { code: 'ATTESTER_NO_TEE' } });
  });
});
