/** A store over a mirror of test vendors, with its own time. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AMD_ROOTS, INTEL_ROOTS, type SnpProduct } from '@witan/attestation';
import { NOW_MS } from '@witan/attestation/testing';
import type { UnixMillis } from '@witan/core';
import {
  createEndorsementStore,
  type EndorsementEvent,
  type EndorsementStore,
  type EndorsementStoreOptions,
  type Timer,
} from '../../src/index.ts';
import {
  createAmdVendor,
  createIntelVendor,
  startMirror,
  together,
  type AmdVendor,
  type IntelVendor,
  type Mirror,
} from '../../testing/index.ts';

export const DAY_MS: number = 24 * 3600 * 1000;

/** Time that passes only when somebody waits for it, and then at once. */
export class FakeTimer implements Timer {
  readonly waits: number[] = [];
  #nowMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  pass(durationMs: number): void {
    this.#nowMs += durationMs;
  }

  async wait(durationMs: number, signal: AbortSignal): Promise<void> {
    this.waits.push(durationMs);
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    this.#nowMs += durationMs;
  }
}

/** Vendors, their mirror, a directory, and stores made over them. */
export interface Bench {
  readonly amd: AmdVendor;
  readonly intel: IntelVendor;
  readonly mirror: Mirror;
  readonly directory: string;
  readonly timer: FakeTimer;
  readonly events: EndorsementEvent[];
  /** The time of day that stores see. */
  nowMs: number;
  /** A new store each time: a new process over the same directory. */
  store(options?: Partial<EndorsementStoreOptions>): EndorsementStore;
  kinds(): readonly string[];
  close(): Promise<void>;
}

/** RSA keys take seconds; all tests of a file share them. */
const vendors = new Map<SnpProduct, AmdVendor>();

function amdVendor(product: SnpProduct): AmdVendor {
  const [first] = vendors.values();
  const vendor = vendors.get(product) ?? createAmdVendor(product, first?.authorities);
  vendors.set(product, vendor);
  return vendor;
}

export async function createBench(product: SnpProduct = 'Milan'): Promise<Bench> {
  const amd = amdVendor(product);
  const intel = createIntelVendor();
  const mirror = await startMirror(together(amd.answers, intel.answers));
  const directory = await mkdtemp(join(tmpdir(), 'witan-endorsements-'));
  const stores: EndorsementStore[] = [];
  const bench: Bench = {
    amd,
    intel,
    mirror,
    directory,
    timer: new FakeTimer(),
    events: [],
    nowMs: NOW_MS,
    store: (options = {}) => {
      const store = createEndorsementStore({
        directory: join(directory, 'cache'),
        maximumAgeMs: 30 * DAY_MS,
        clock: { now: () => bench.nowMs as UnixMillis },
        timer: bench.timer,
        proxy: 'none',
        pace: { burst: 1000 },
        baseUrls: { amdKds: mirror.url, intelPcs: mirror.url, intelCertificates: mirror.url },
        roots: {
          snp: { production: AMD_ROOTS, development: [amd.authorities.fingerprint] },
          tdx: { production: INTEL_ROOTS, development: [intel.hierarchy.fingerprint] },
        },
        onEvent: (event) => {
          bench.events.push(event);
        },
        ...options,
      });
      stores.push(store);
      return store;
    },
    kinds: () => bench.events.map(({ kind }) => kind),
    close: async () => {
      for (const store of stores) store.close();
      await Promise.all(stores.map((store) => store.idle()));
      await mirror.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return bench;
}

/** Code of the problem of each part that has one, by key. */
export function problemsOf(
  parts: readonly { readonly key: string; readonly problem: { code: string } | undefined }[],
): Readonly<Record<string, string>> {
  const found = parts.flatMap(({ key, problem }) => (problem ? [[key, problem.code]] : []));
  return Object.fromEntries(found) as Readonly<Record<string, string>>;
}
