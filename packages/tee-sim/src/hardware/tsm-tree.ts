/**
 * /sys/kernel/config/tsm/report as the kernel behaves (Linux drivers/virt/coco/guest/report.c and
 * fs/configfs/file.c), for one guest. In memory, without I/O; failures are errno names as values.
 *
 * What must be true to the kernel: a binary attribute is committed at close and the result of the
 * commit is thrown away; `generation` counts writes that took effect; the report is made at the
 * first read after a write and kept until the next write.
 */
import type { ReportMaker, SignedReport } from './reports.ts';

/** errno names that the tree gives. */
export type TsmErrno =
  | 'EACCES'
  | 'EBUSY'
  | 'EEXIST'
  | 'EFBIG'
  | 'EINTR'
  | 'EINVAL'
  | 'EISDIR'
  | 'ENOENT'
  | 'ENOMEM'
  | 'ENXIO'
  | 'EPERM';

/** What an operation gives. */
export type TsmResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'data'; readonly data: Uint8Array }
  | { readonly kind: 'errno'; readonly errno: TsmErrno };

/** Failures to inject. Each counts down to zero, then all is well. */
export interface TsmFaults {
  /** So many commits of `inblob` are lost, as when the kernel answers EBUSY at close. */
  readonly inblobLostCount?: number;
  /** So many report requests fail with EBUSY, as when the firmware limits the rate. */
  readonly outblobBusyCount?: number;
  /** So many report requests fail with EINTR. */
  readonly outblobInterruptedCount?: number;
  /** After so many report requests another process writes to the item, once for each. */
  readonly intruderCount?: number;
  /** Behave like a kernel without a TEE: `mkdir` gives ENXIO. */
  readonly noProvider?: boolean;
}

/** What the tree is made from. */
export interface TsmTreeOptions {
  /** What the guest runs in; decides which attributes there are. Default `snp`. */
  readonly tee?: 'snp' | 'tdx';
  /** Lowest VMPL that an SEV-SNP guest may ask for, 0 to 3. */
  readonly privlevelFloor: number;
  readonly makeReport: ReportMaker;
  readonly faults?: TsmFaults;
  /**
   * TDX: MRCONFIGID as the module itself reports it, 48 bytes, served as Linux 6.16 does. Absent:
   * an older kernel.
   */
  readonly localConfigId?: Uint8Array;
}

/** Where the tree is. */
export const TSM_ROOT = '/sys/kernel/config/tsm/report';

/** Linux Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest. */
const LOCAL_CONFIG_ID = '/sys/devices/virtual/misc/tdx_guest/measurements/mrconfigid';

const INBLOB_BYTES_MAX = 64;
const PRIVLEVEL_MAX = 3;
/** What the drivers call themselves. */
const PROVIDERS = { snp: 'sev_guest', tdx: 'tdx_guest' } as const;
/** Attributes that tdx_guest does not have (drivers/virt/coco/tdx-guest). */
const SNP_ONLY: ReadonlySet<string> = new Set(['privlevel', 'privlevel_floor', 'auxblob']);
/** Items of one guest; the kernel's limit is its memory. */
const ITEMS_MAX = 64;
const NAME_CHARACTERS_MAX = 255;

const READABLE: ReadonlySet<string> = new Set([
  'provider',
  'generation',
  'privlevel_floor',
  'outblob',
  'auxblob',
]);
const WRITABLE: ReadonlySet<string> = new Set(['inblob', 'privlevel']);

interface Item {
  inblob: Uint8Array;
  privlevel: number;
  writeGeneration: number;
  readGeneration: number;
  report: SignedReport | undefined;
}

type Place =
  | { readonly kind: 'root' }
  | { readonly kind: 'item'; readonly name: string }
  | { readonly kind: 'attribute'; readonly name: string; readonly attribute: string };

const DONE: TsmResult = { kind: 'done' };

function failed(errno: TsmErrno): TsmResult {
  return { kind: 'errno', errno };
}

/** One guest's view of configfs-tsm. */
export class TsmTree {
  readonly #options: TsmTreeOptions;
  readonly #tee: 'snp' | 'tdx';
  readonly #items = new Map<string, Item>();
  #inblobLostLeft: number;
  #outblobBusyLeft: number;
  #outblobInterruptedLeft: number;
  #intrudersLeft: number;

  constructor(options: TsmTreeOptions) {
    this.#options = options;
    this.#tee = options.tee ?? 'snp';
    this.#inblobLostLeft = options.faults?.inblobLostCount ?? 0;
    this.#outblobBusyLeft = options.faults?.outblobBusyCount ?? 0;
    this.#outblobInterruptedLeft = options.faults?.outblobInterruptedCount ?? 0;
    this.#intrudersLeft = options.faults?.intruderCount ?? 0;
  }

  mkdir(path: string): TsmResult {
    const place = placeOf(path);
    if (place === undefined) return failed('ENOENT');
    if (place.kind === 'root') return failed('EEXIST');
    // An item is no group: nothing can be made inside it.
    if (place.kind === 'attribute') return failed(this.#items.has(place.name) ? 'EPERM' : 'ENOENT');
    if (this.#options.faults?.noProvider === true) return failed('ENXIO');
    if (this.#items.has(place.name)) return failed('EEXIST');
    if (this.#items.size >= ITEMS_MAX) return failed('ENOMEM');
    this.#items.set(place.name, {
      inblob: new Uint8Array(),
      privlevel: this.#options.privlevelFloor,
      writeGeneration: 0,
      readGeneration: 0,
      report: undefined,
    });
    return DONE;
  }

  rmdir(path: string): TsmResult {
    const place = placeOf(path);
    if (place === undefined) return failed('ENOENT');
    if (place.kind !== 'item') return failed('EPERM');
    return this.#items.delete(place.name) ? DONE : failed('ENOENT');
  }

  /** Open, read to the end, close. */
  read(path: string): TsmResult {
    const { localConfigId } = this.#options;
    if (path === LOCAL_CONFIG_ID && this.#tee === 'tdx' && localConfigId !== undefined) {
      return { kind: 'data', data: localConfigId };
    }
    const place = placeOf(path);
    if (place?.kind !== 'attribute') return failed(place === undefined ? 'ENOENT' : 'EISDIR');
    const item = this.#items.get(place.name);
    if (item === undefined || this.#lacks(place.attribute)) return failed('ENOENT');
    if (WRITABLE.has(place.attribute)) return failed('EACCES');
    switch (place.attribute) {
      case 'provider':
        return line(PROVIDERS[this.#tee]);
      case 'generation':
        return line(String(item.writeGeneration));
      case 'privlevel_floor':
        return line(String(this.#options.privlevelFloor));
      case 'outblob':
      case 'auxblob':
        return this.#readReport(item, place.attribute);
      default:
        return failed('ENOENT');
    }
  }

  /** Open, one write, close. */
  write(path: string, data: Uint8Array): TsmResult {
    const place = placeOf(path);
    if (place?.kind !== 'attribute') return failed(place === undefined ? 'ENOENT' : 'EISDIR');
    const item = this.#items.get(place.name);
    if (item === undefined || this.#lacks(place.attribute)) return failed('ENOENT');
    if (READABLE.has(place.attribute)) return failed('EACCES');
    switch (place.attribute) {
      case 'inblob':
        return this.#writeInblob(item, data);
      case 'privlevel':
        return this.#writePrivlevel(item, data);
      default:
        return failed('ENOENT');
    }
  }

  #lacks(attribute: string): boolean {
    return this.#tee === 'tdx' && SNP_ONLY.has(attribute);
  }

  #writeInblob(item: Item, data: Uint8Array): TsmResult {
    // The write itself fails only for its size; everything later happens at close, unseen.
    if (data.byteLength > INBLOB_BYTES_MAX) return failed('EFBIG');
    // No write at all means nothing to commit.
    if (data.byteLength === 0) return DONE;
    if (this.#inblobLostLeft > 0) {
      this.#inblobLostLeft -= 1;
      return DONE;
    }
    item.inblob = data.slice();
    item.writeGeneration += 1;
    return DONE;
  }

  #writePrivlevel(item: Item, data: Uint8Array): TsmResult {
    const text = Buffer.from(data).toString('latin1').replace(/\n$/, '');
    if (!/^[0-9]{1,10}$/.test(text)) return failed('EINVAL');
    const level = Number(text);
    if (level < this.#options.privlevelFloor || level > PRIVLEVEL_MAX) return failed('EINVAL');
    item.privlevel = level;
    item.writeGeneration += 1;
    return DONE;
  }

  #readReport(item: Item, attribute: 'outblob' | 'auxblob'): TsmResult {
    if (item.inblob.byteLength === 0) return failed('EINVAL');
    if (item.report === undefined || item.readGeneration !== item.writeGeneration) {
      if (item.inblob.byteLength !== INBLOB_BYTES_MAX) return failed('EINVAL');
      const fault = this.#requestFault();
      if (fault !== undefined) return failed(fault);
      item.report = this.#options.makeReport(item.inblob, item.privlevel);
      item.readGeneration = item.writeGeneration;
    }
    const data = item.report[attribute];
    const isLast = attribute === (this.#tee === 'snp' ? 'auxblob' : 'outblob');
    if (isLast && this.#intrudersLeft > 0) {
      this.#intrudersLeft -= 1;
      item.writeGeneration += 1;
    }
    return { kind: 'data', data };
  }

  #requestFault(): TsmErrno | undefined {
    if (this.#outblobBusyLeft > 0) {
      this.#outblobBusyLeft -= 1;
      return 'EBUSY';
    }
    if (this.#outblobInterruptedLeft > 0) {
      this.#outblobInterruptedLeft -= 1;
      return 'EINTR';
    }
    return undefined;
  }
}

function line(text: string): TsmResult {
  return { kind: 'data', data: Buffer.from(`${text}\n`, 'latin1') };
}

function placeOf(path: string): Place | undefined {
  if (path === TSM_ROOT) return { kind: 'root' };
  if (!path.startsWith(`${TSM_ROOT}/`)) return undefined;
  const [name = '', attribute, ...rest] = path.slice(TSM_ROOT.length + 1).split('/');
  const nameGood =
    name !== '' && name !== '.' && name !== '..' && name.length <= NAME_CHARACTERS_MAX;
  if (!nameGood || rest.length > 0 || attribute === '') return undefined;
  return attribute === undefined ? { kind: 'item', name } : { kind: 'attribute', name, attribute };
}
