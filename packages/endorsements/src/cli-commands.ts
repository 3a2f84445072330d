/**
 * The commands `endorsements export`, `import` and `list`, as functions with structured results.
 * Printing, reading of arguments and exit codes belong to the command line.
 */
import type { SnpEvidence, TdxEvidence } from '@witan/attestation';
import type { ItemState } from './acquire.ts';
import type { GatheredPart } from './gather/choose.ts';
import type { EndorsementKind, EndorsementRequest } from './request.ts';
import {
  createEndorsementStore,
  type EndorsementStore,
  type EndorsementStoreOptions,
} from './store.ts';
import type { ExportReport, ImportReport } from './transfer.ts';

/** A store with a directory, which these commands are about. */
export type DirectoryStoreOptions = EndorsementStoreOptions & { readonly directory: string };

/** What to export. */
export interface ExportCommandOptions {
  readonly store: DirectoryStoreOptions;
  /** Where the bundle is written. */
  readonly file: string;
  /** What these need is gathered first, and then only what was named is exported. */
  readonly evidence?: readonly (SnpEvidence | TdxEvidence)[];
  /** Endorsements by name, gathered likewise. */
  readonly requests?: readonly EndorsementRequest[];
}

/** What was exported. */
export interface ExportCommandResult extends ExportReport {
  /** What was named, with what is missing; empty when the whole cache was exported. */
  readonly gathered: readonly GatheredPart[];
}

/** What to import. */
export interface ImportCommandOptions {
  readonly store: DirectoryStoreOptions;
  readonly file: string;
}

/** What to list. */
export interface ListCommandOptions {
  readonly store: DirectoryStoreOptions;
}

/** One line of the list. Times are ISO 8601. */
export interface ListedEndorsement {
  readonly key: string;
  readonly kind: EndorsementKind;
  readonly state: ItemState;
  readonly fetchedAt: string;
  readonly validFrom: string;
  readonly validUntil: string;
  readonly bytes: number;
  /** SHA-256 of the root certificate in hex. */
  readonly rootFingerprint: string;
  /** Of Intel's documents only. */
  readonly tcbEvaluationDataNumber: number | undefined;
}

/** What a cache directory holds. */
export interface ListCommandResult {
  readonly directory: string;
  readonly items: readonly ListedEndorsement[];
}

/**
 * Writes a bundle of the cache, or of what some evidence needs.
 *
 * @throws EndorsementsError as `exportBundle` of the store
 */
export async function exportCommand(options: ExportCommandOptions): Promise<ExportCommandResult> {
  return withStore(options.store, async (store) => {
    const { file, evidence = [], requests = [] } = options;
    if (evidence.length + requests.length === 0) {
      return { ...(await store.exportBundle(file)), gathered: [] };
    }
    const parts: GatheredPart[] = [...(await store.obtain(requests))];
    for (const each of evidence) {
      // Without its own endorsements: what travels with evidence is not in the cache.
      parts.push(...(await store.endorsementsFor({ ...each, endorsements: {} })).parts);
    }
    const gathered = [...new Map(parts.map((part) => [part.key, part])).values()];
    const held = gathered.filter(({ source }) => source === 'cache' || source === 'network');
    const report = await store.exportBundle(file, { keys: held.map(({ key }) => key) });
    return { ...report, gathered };
  });
}

/** Takes a bundle into the cache. Throws EndorsementsError as `importBundle` of the store. */
export async function importCommand(options: ImportCommandOptions): Promise<ImportReport> {
  return withStore(options.store, (store) => store.importBundle(options.file));
}

/** Shows what the cache holds. What is damaged or leads to no accepted root is left out. */
export async function listCommand(options: ListCommandOptions): Promise<ListCommandResult> {
  return withStore(options.store, async (store) => {
    const items = (await store.list()).map(({ item, fetchedAt, bytes, state }) => ({
      key: item.key,
      kind: item.request.kind,
      state,
      fetchedAt: isoOf(fetchedAt),
      validFrom: isoOf(item.notBefore),
      validUntil: isoOf(item.notAfter),
      bytes,
      rootFingerprint: item.rootFingerprint,
      tcbEvaluationDataNumber: item.version.tcbEvaluationDataNumber,
    }));
    return { directory: options.store.directory, items };
  });
}

async function withStore<Result>(
  options: EndorsementStoreOptions,
  run: (store: EndorsementStore) => Promise<Result>,
): Promise<Result> {
  const store = createEndorsementStore(options);
  try {
    return await run(store);
  } finally {
    store.close();
  }
}

/** A time outside of what Date can show is shown as the number that it is. */
function isoOf(millis: number): string {
  const date = new Date(millis);
  return Number.isNaN(date.getTime()) ? `${millis} ms` : date.toISOString();
}
