/**
 * Evidence through configfs-tsm (Linux Documentation/ABI/testing/configfs-tsm-report).
 *
 * One directory per request: two requests that shared one would overwrite each other's report data.
 * The kernel throws away the result of committing `inblob`, so only `generation` tells whether the
 * write took effect, and only reading it again tells that nobody else wrote in between. Whatever
 * slips through all that is caught by comparing the report data in the report itself.
 */
import { randomBytes } from 'node:crypto';
import { toHex, utf8 } from '@witan/core';
import { AttesterError, errnoOf } from './errors.ts';
import type { TsmFileSystem } from './file-system.ts';
import { KnownKind } from './known-kind.ts';
import type { CollectOptions, Evidence, EvidenceOf, EvidenceProvider } from './provider.ts';
import { demandReportDataSize, snpReportOver, tdxQuoteOver } from './report-data.ts';
import {
  retrying,
  retryPolicy,
  throwIfAborted,
  type RetryOptions,
  type Transient,
} from './retry.ts';
import { readLocalConfigId } from './td-measurements.ts';
import { isTransient, tsmError, type TsmStep } from './tsm-errors.ts';

/** Where the kernel offers reports. */
export const TSM_BASE_PATH = '/sys/kernel/config/tsm/report';

const TEXT_BYTES_MAX = 4096;
/** TSM_REPORT_OUTBLOB_MAX was 32 KiB and grew to 16 MiB; reports and quotes need far less. */
const OUTBLOB_BYTES_MAX = 64 * 1024;
/** The kernel's own buffer for the host's certificates is 16 KiB (SEV_FW_BLOB_MAX_SIZE). */
const AUXBLOB_BYTES_MAX = 64 * 1024;
const CLEANUP_ATTEMPTS_MAX = 5;

/** What the kernel's drivers call themselves. */
const KINDS: ReadonlyMap<string, TsmKind> = new Map([
  ['sev_guest', 'snp'],
  ['tdx_guest', 'tdx'],
]);

/** Kinds of evidence that configfs-tsm gives. */
export type TsmKind = 'snp' | 'tdx';

/** Where the tree is, and how often to try. */
export interface TsmProviderOptions<Kind extends TsmKind = 'snp'> {
  readonly fs: TsmFileSystem;
  /** Default `TSM_BASE_PATH`. */
  readonly basePath?: string;
  /** Kinds that the caller is ready for; the kernel says which one it is. Default `['snp']`. */
  readonly accept?: readonly [Kind, ...(readonly Kind[])];
  /** VMPL 0 to 3 to ask for; left to the kernel's default (0) when absent. SEV-SNP only. */
  readonly privlevel?: number;
  readonly retry?: RetryOptions;
}

/** A provider for SEV-SNP and TDX guests. Touches nothing before the first `collect`. */
export function createTsmProvider<Kind extends TsmKind = 'snp'>(
  options: TsmProviderOptions<Kind>,
): EvidenceProvider<Kind> {
  const { fs, basePath = TSM_BASE_PATH, privlevel } = options;
  if (
    privlevel !== undefined &&
    !(Number.isInteger(privlevel) && privlevel >= 0 && privlevel <= 3)
  ) {
    throw new AttesterError('ATTESTER_PRIVLEVEL_RANGE', 'the privilege level is not a VMPL', {
      fields: { expected: 'a whole number from 0 to 3', found: privlevel },
    });
  }
  const policy = retryPolicy(options.retry);
  // Without `accept`, Kind is its default.
  const accept = options.accept ?? (['snp'] as readonly string[] as readonly Kind[]);
  const kind = new KnownKind(accept);
  return {
    get kind(): Kind {
      return kind.get();
    },
    collect: async (reportData, { signal }: CollectOptions = {}) => {
      demandReportDataSize(reportData);
      const request: TsmRequest<Kind> = {
        fs,
        basePath,
        kind,
        privlevel,
        reportData: reportData.slice(),
        signal,
      };
      return await retrying(policy, signal, () => attemptOnce(request));
    },
    ...(accept.some((accepted) => accepted === 'tdx')
      ? { localConfigId: async () => await readLocalConfigId(fs) }
      : {}),
  };
}

interface TsmRequest<Kind extends TsmKind> {
  readonly fs: TsmFileSystem;
  readonly basePath: string;
  readonly kind: KnownKind<Kind>;
  readonly privlevel: number | undefined;
  readonly reportData: Uint8Array;
  readonly signal: AbortSignal | undefined;
}

type Attempt<Kind extends TsmKind> =
  { readonly kind: 'done'; readonly result: EvidenceOf<Kind> } | Transient;

async function attemptOnce<Kind extends TsmKind>(
  request: TsmRequest<Kind>,
): Promise<Attempt<Kind>> {
  const path = `${request.basePath}/witan-${toHex(randomBytes(16))}`;
  try {
    await request.fs.mkdir(path);
  } catch (error) {
    return transientOrThrow('mkdir', path, error);
  }
  let outcome: Attempt<Kind>;
  try {
    outcome = await collectIn(path, request);
  } catch (error) {
    // The first failure is the one to report; a failed clean-up after it adds nothing.
    await removeItem(path, request.fs).catch(() => undefined);
    throw error;
  }
  await removeItem(path, request.fs);
  return outcome;
}

function transientOrThrow(step: TsmStep, path: string, error: unknown): Transient {
  const typed = tsmError(step, path, error);
  // A name in use was not unguessable enough, or the item outlived a crash: take another name.
  if (isTransient(error) || errnoOf(error) === 'EEXIST') return { kind: 'transient', error: typed };
  throw typed;
}

/** Steps 2 to 8 of the sequence, inside an item that exists. */
async function collectIn<Kind extends TsmKind>(
  path: string,
  request: TsmRequest<Kind>,
): Promise<Attempt<Kind>> {
  const { fs, reportData, signal } = request;
  const read = async (name: TsmStep, bytesMax: number): Promise<Uint8Array> => {
    throwIfAborted(signal);
    return await inStep(name, () => fs.readFile(`${path}/${name}`, bytesMax));
  };
  const write = async (name: TsmStep, data: Uint8Array): Promise<void> => {
    throwIfAborted(signal);
    await inStep(name, () => fs.writeFile(`${path}/${name}`, data));
  };
  try {
    const provider = asciiLine(await read('provider', TEXT_BYTES_MAX));
    const kind = request.kind.learn(KINDS.get(provider), provider);
    // Privilege levels exist inside SEV-SNP guests alone; a TDX guest has no such attribute.
    const privlevel = kind === 'snp' ? request.privlevel : undefined;
    if (privlevel !== undefined) await write('privlevel', utf8(String(privlevel)));
    await write('inblob', reportData);
    const writes = privlevel === undefined ? '1' : '2';
    const before = asciiLine(await read('generation', TEXT_BYTES_MAX));
    if (before !== writes) return generationDiffers(path, writes, before);
    const outblob = await read('outblob', OUTBLOB_BYTES_MAX);
    const auxblob = await readAuxblob(read);
    const after = asciiLine(await read('generation', TEXT_BYTES_MAX));
    if (after !== writes) return generationDiffers(path, writes, after);
    return { kind: 'done', result: evidenceOf(kind, path, outblob, auxblob, reportData) };
  } catch (error) {
    if (error instanceof StepError) return transientOrThrow(error.step, path, error.cause);
    throw error;
  }
}

/** Carries the step beside what the file system threw; never leaves this module. */
class StepError extends Error {
  readonly step: TsmStep;

  constructor(step: TsmStep, cause: unknown) {
    super('step failed', { cause });
    this.step = step;
  }
}

async function inStep<Result>(step: TsmStep, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw new StepError(step, error);
  }
}

/** Kernels and TEEs without auxiliary data have no such attribute, or an empty one. */
async function readAuxblob(
  read: (name: TsmStep, bytesMax: number) => Promise<Uint8Array>,
): Promise<Uint8Array | undefined> {
  try {
    const blob = await read('auxblob', AUXBLOB_BYTES_MAX);
    return blob.byteLength === 0 ? undefined : blob;
  } catch (error) {
    if (error instanceof StepError && errnoOf(error.cause) === 'ENOENT') return undefined;
    throw error;
  }
}

function asciiLine(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, TEXT_BYTES_MAX)).trim();
}

/** Fewer writes than made: a commit failed unseen. More: someone else wrote to this item. */
function generationDiffers(path: string, expected: string, found: string): Transient {
  const lost = /^\d+$/.test(found) && Number(found) < Number(expected);
  const fields = { step: 'generation', path, expected, found: found.slice(0, 64) };
  const error = lost
    ? new AttesterError('ATTESTER_BUSY', 'the TEE stayed busy through all attempts', { fields })
    : new AttesterError('ATTESTER_CONTENDED', 'another process wrote to the report item', {
        fields,
      });
  return { kind: 'transient', error };
}

function evidenceOf<Kind extends TsmKind>(
  kind: Kind,
  path: string,
  outblob: Uint8Array,
  auxblob: Uint8Array | undefined,
  reportData: Uint8Array,
): EvidenceOf<Kind> {
  const evidence: Evidence =
    kind === 'snp'
      ? {
          kind: 'snp',
          report: snpReportOver(path, outblob, reportData),
          endorsements: auxblob === undefined ? {} : { certificateTable: auxblob },
        }
      : // Nothing is defined for `auxblob` of TDX; the kernel has none.
        { kind: 'tdx', quote: tdxQuoteOver(path, outblob, reportData), endorsements: {} };
  // The branch above is the one of `kind`, which the compiler cannot follow.
  return evidence as EvidenceOf<Kind>;
}

/** Each item left behind holds kernel memory for ever, so a failure here is not passed over. */
async function removeItem(path: string, fs: TsmFileSystem): Promise<void> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      await fs.rmdir(path);
      return;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      if (isTransient(error) && attempts < CLEANUP_ATTEMPTS_MAX) continue;
      throw new AttesterError('ATTESTER_CLEANUP_FAILED', 'the report item cannot be removed', {
        fields: { path, errno: errnoOf(error) ?? 'unknown' },
        cause: error,
      });
    }
  }
}
