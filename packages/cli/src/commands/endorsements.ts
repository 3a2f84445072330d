/**
 * `witan endorsements export`, `import` and `list`: certificates, revocation lists and collateral
 * of the hardware vendors, carried to sites without a network in one file.
 */
import { join } from 'node:path';
import { AMD_ROOTS, INTEL_ROOTS, SNP_PRODUCTS, type SnpProduct } from '@witan/attestation';
import { configDirectory } from '@witan/client';
import { describeError, type Clock } from '@witan/core';
import {
  endorsementSettings,
  exportCommand,
  hardwareEvidence,
  importCommand,
  listCommand,
  parseKey,
  type DirectoryStoreOptions,
  type EndorsementRequest,
  type GatheredPart,
} from '@witan/endorsements';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { readEvidenceFile } from '../evidence/evidence-file.ts';
import { readTrustRoots, warnOfRoots } from '../evidence/trust-roots.ts';
import { refuseExisting } from '../files.ts';
import { table, type Json } from '../printer.ts';

/** Options that all three commands take, as commander gives them. */
export interface CacheOptions {
  readonly endorsements?: string;
  readonly mirror?: readonly string[];
  readonly proxy?: string;
  readonly offline?: boolean;
  readonly maxAge?: string;
  readonly trustRoot?: readonly string[];
}

/** Options of `export`. */
export interface ExportOptions extends CacheOptions {
  readonly out: string;
  readonly for?: readonly string[];
  readonly product?: readonly string[];
  readonly chipId?: string;
  readonly tcb?: string;
  readonly fmspc?: readonly string[];
}

/**
 * Writes a bundle of the cache, or of what was named.
 *
 * @throws CliError CLI_ENDORSEMENTS_INCOMPLETE after the bundle was written without what cannot be
 *   had; CLI_USAGE, CLI_FILE_EXISTS, CLI_FILE_UNREADABLE; EndorsementsError
 */
export async function endorsementsExport(
  context: CommandContext,
  options: ExportOptions,
  clock: Clock,
): Promise<void> {
  const requests = requestsOf(options);
  await refuseExisting([options.out]);
  const evidence = [];
  for (const path of options.for ?? []) {
    evidence.push(hardwareEvidence((await readEvidenceFile(path)).evidence));
  }
  const store = await storeOptions(context, options, clock);
  const done = await exportCommand({ store, file: options.out, requests, evidence });
  const missing = done.gathered.filter(({ source }) => source === 'missing');
  const { file, bytes, sha256, manifest } = done;
  const rows = manifest.map((entry) => [entry.key, isoOf(entry.validUntil), entry.sha256]);
  context.printer.result(
    {
      ok: missing.length === 0,
      file,
      bytes,
      sha256,
      manifest: manifest.map((entry) => ({ ...entry })),
      missing: missing.map(describeMissing),
    },
    `${table([['ENDORSEMENT', 'VALID UNTIL', 'SHA-256'], ...rows])}${describeAll(missing)}` +
      `Bundle written: ${file} (${bytes} bytes)\n  SHA-256 ${sha256}\n`,
  );
  if (missing.length === 0) return;
  const fields = { file, missing: missing.map(({ key }) => key).slice(0, 16) };
  const message = 'the bundle was written without what could not be had';
  throw new CliError('CLI_ENDORSEMENTS_INCOMPLETE', message, { fields });
}

/** Takes a bundle into the cache. @throws EndorsementsError, CliError CLI_FILE_UNREADABLE */
export async function endorsementsImport(
  context: CommandContext,
  file: string,
  options: CacheOptions,
  clock: Clock,
): Promise<void> {
  const store = await storeOptions(context, options, clock);
  const { imported, keptNewer, expired } = await importCommand({ store, file });
  const rows = [
    ...imported.map((key) => ['imported', key]),
    ...keptNewer.map((key) => ['not needed', key]),
    ...expired.map((key) => ['not valid now', key]),
  ];
  const { directory } = store;
  const counts = `${imported.length} imported, ${keptNewer.length} not needed`;
  context.printer.result(
    { ok: true, file, directory, imported, keptNewer, expired },
    `${table(rows)}${counts}, ${expired.length} not valid now, in ${directory}\n`,
  );
}

/** Shows what the cache holds. @throws EndorsementsError, CliError CLI_FILE_UNREADABLE */
export async function endorsementsList(
  context: CommandContext,
  options: CacheOptions,
  clock: Clock,
): Promise<void> {
  const store = await storeOptions(context, options, clock);
  const { directory, items } = await listCommand({ store });
  const rows = items.map(({ key, state, fetchedAt, validUntil }) => [
    key,
    state,
    fetchedAt,
    validUntil,
  ]);
  const listed = items.map((item): Json => ({ ...item }));
  context.printer.result(
    { ok: true, directory, items: listed },
    items.length === 0
      ? `Nothing in ${directory}\n`
      : table([['ENDORSEMENT', 'STATE', 'FETCHED', 'VALID UNTIL'], ...rows]),
  );
}

async function storeOptions(
  { env, printer }: CommandContext,
  options: CacheOptions,
  clock: Clock,
): Promise<DirectoryStoreOptions> {
  const { endorsements, mirror, proxy, offline, maxAge, trustRoot = [] } = options;
  const settings = endorsementSettings(
    {
      endorsements,
      'endorsements-mirror': mirror,
      'endorsements-proxy': proxy,
      'endorsements-offline': offline,
      'endorsements-max-age': maxAge,
    },
    env,
  );
  const roots = await readTrustRoots(trustRoot);
  printer.note(warnOfRoots(roots));
  const development = roots.map(({ fingerprint }) => fingerprint);
  const { given: _given, directory, ...rest } = settings;
  return {
    ...rest,
    directory: directory ?? join(configDirectory(env), 'endorsements'),
    clock,
    roots: {
      snp: { production: AMD_ROOTS, development },
      tdx: { production: INTEL_ROOTS, development },
    },
    onEvent: (event) => {
      if ('error' in event) printer.note(`${event.key}: ${describeError(event.error)}\n`);
    },
  };
}

/** @throws CliError CLI_USAGE */
function requestsOf(options: ExportOptions): readonly EndorsementRequest[] {
  const { product: products = [], chipId, tcb, fmspc: families = [] } = options;
  const requests: EndorsementRequest[] = [];
  for (const product of products.map(readProduct)) {
    for (const signer of ['VCEK', 'VLEK'] as const) {
      requests.push({ kind: 'amd-chain', product, signer }, { kind: 'amd-crl', product, signer });
    }
  }
  if (chipId !== undefined || tcb !== undefined) {
    const [name, ...others] = products;
    if (name === undefined || others.length > 0) throw usage('--product', 'one for --chip-id', '');
    const vcek = parseKey(
      `amd-vcek/${readProduct(name)}/${(chipId ?? '').toLowerCase()}/${tcb ?? ''}`,
    );
    if (vcek === undefined) {
      const expected =
        '--chip-id with 128 hex digits (Turin: 16), and --tcb with BL.TEE.SNP.UCODE ' +
        '(Turin: FMC.BL.TEE.SNP.UCODE)';
      throw usage('--chip-id', expected, `${chipId ?? ''} ${tcb ?? ''}`);
    }
    requests.push(vcek);
  }
  for (const family of families) {
    const tcbInfo = parseKey(`intel-tcb-info/${family.toLowerCase()}`);
    if (tcbInfo === undefined) throw usage('--fmspc', '12 hex digits', family);
    requests.push(tcbInfo);
  }
  if (families.length > 0) {
    requests.push(
      { kind: 'intel-qe-identity' },
      { kind: 'intel-root-crl' },
      { kind: 'intel-pck-crl', authority: 'platform' },
      { kind: 'intel-pck-crl', authority: 'processor' },
    );
  }
  return requests;
}

function readProduct(name: string): SnpProduct {
  const product = SNP_PRODUCTS.find((known) => known.toLowerCase() === name.toLowerCase());
  if (product === undefined) throw usage('--product', SNP_PRODUCTS.join(', '), name);
  return product;
}

function usage(option: string, expected: string, found: string): CliError {
  const fields = { option, expected, found: found.slice(0, 160) };
  return new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}

function describeMissing({ key, problem }: GatheredPart): Json {
  const description = problem === undefined ? '' : describeError(problem);
  return { key, code: problem?.code ?? '', description };
}

function describeAll(missing: readonly GatheredPart[]): string {
  return missing
    .map(
      ({ key, problem }) =>
        `MISSING ${key}: ${problem === undefined ? '' : describeError(problem)}\n`,
    )
    .join('');
}

function isoOf(millis: number): string {
  const date = new Date(millis);
  return Number.isNaN(date.getTime()) ? `${millis} ms` : date.toISOString();
}
