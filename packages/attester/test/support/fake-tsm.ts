/**
 * A configfs-tsm in memory that behaves, with knobs for the ways in which a kernel may not. The
 * kernel's full semantics are simulated and tested in @witan/tee-sim.
 */
import type { TsmFileSystem } from '../../src/index.ts';

export interface FakeTsm {
  readonly fs: TsmFileSystem;
  /** Operations in the order of their coming, as `mkdir`, `write inblob`, … */
  readonly log: readonly string[];
  /** Items that exist now. */
  readonly items: ReadonlySet<string>;
  /** Names of all items that ever existed. */
  readonly names: readonly string[];
}

export interface Knobs {
  /** errno names by operation, such as `{ 'read outblob': 'EIO' }`. */
  readonly errno?: Readonly<Record<string, string>>;
  /** Contents of read attributes, instead of the right ones. */
  readonly content?: Readonly<Record<string, Uint8Array | string>>;
  readonly before?: (operation: string) => void;
  /** What the guest runs in; a quote of version 4 or 5 in TDX. Default `snp`. */
  readonly tee?: 'snp' | 'tdx4' | 'tdx5';
}

interface Item {
  inblob: Uint8Array;
  generation: number;
}

/**
 * REPORT_DATA of a report, and REPORTDATA of a quote behind header and, in version 5, descriptor.
 */
const REPORT_DATA_OFFSETS = { snp: 0x50, tdx4: 48 + 520, tdx5: 48 + 6 + 520 } as const;

const bytesOf = (value: Uint8Array | string): Uint8Array =>
  typeof value === 'string' ? new TextEncoder().encode(value) : value;

export function fakeTsm(knobs: Knobs = {}): FakeTsm {
  const { tee = 'snp' } = knobs;
  const isTdx = tee !== 'snp';
  const log: string[] = [];
  const names: string[] = [];
  const state = new Map<string, Item>();
  const items = new Set<string>();
  const step = async (operation: string): Promise<void> => {
    log.push(operation);
    knobs.before?.(operation);
    const errno = knobs.errno?.[operation];
    if (errno !== undefined) throw Object.assign(new Error(errno), { code: errno });
    await Promise.resolve();
  };
  const split = (path: string): { item: Item; attribute: string } => {
    const at = path.lastIndexOf('/');
    const item = state.get(path.slice(0, at));
    if (item === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    return { item, attribute: path.slice(at + 1) };
  };
  const attributes: Readonly<Record<string, (item: Item) => Uint8Array | string>> = {
    provider: () => (isTdx ? 'tdx_guest\n' : 'sev_guest\n'),
    generation: (item) => `${item.generation}\n`,
    outblob: (item) => {
      const blob = new Uint8Array(tee === 'snp' ? 1184 : 5000);
      if (isTdx) blob[0] = tee === 'tdx5' ? 5 : 4;
      blob.set(item.inblob, REPORT_DATA_OFFSETS[tee]);
      return blob;
    },
    ...(isTdx ? {} : { auxblob: () => Uint8Array.of(1, 2, 3) }),
  };
  const fs: TsmFileSystem = {
    mkdir: async (path) => {
      await step('mkdir');
      state.set(path, { inblob: new Uint8Array(), generation: 0 });
      items.add(path);
      names.push(path);
    },
    rmdir: async (path) => {
      await step('rmdir');
      state.delete(path);
      items.delete(path);
    },
    writeFile: async (path, data) => {
      const { item, attribute } = split(path);
      await step(`write ${attribute}`);
      if (attribute === 'inblob') item.inblob = data.slice();
      item.generation += 1;
    },
    readFile: async (path) => {
      const { item, attribute } = split(path);
      await step(`read ${attribute}`);
      const content = knobs.content?.[attribute] ?? attributes[attribute]?.(item);
      if (content === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
      return bytesOf(content);
    },
  };
  return { fs, log, items, names };
}
