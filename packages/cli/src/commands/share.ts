/**
 * `witan share …`: recovery shares of owners. The cluster hands out what is encrypted; opening
 * needs the owner's private key and happens here, and an opened share goes to a file and nowhere
 * else, unless the user asks for standard output.
 */
import type { SettledDeployment } from '@witan/client';
import { ClientError, isSimulated } from '@witan/client';
import { Secret } from '@witan/core';
import {
  KeysError,
  checkShare,
  checkShareAgainstJwe,
  commitmentOf,
  decodeRecoveryHeaderUnverified,
  decodeShareFile,
  encodeShareFile,
  loadShareOwnerPrivateKey,
  openShare,
  type RecoveryShare,
} from '@witan/keys';
import type { RecoveryHeader } from '@witan/manifest';
import { parseStored, type CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { readInput, refuseExisting, writeOutput } from '../files.ts';
import { SIMULATED_WARNING, table, type Json } from '../printer.ts';
import { describeWritten, namedShares, writeShares, writtenToJson } from '../share-files.ts';
import { trusted, type Trusted, type TrustOptions } from './trust.ts';

export interface ShareGetOptions extends TrustOptions {
  readonly owner?: readonly string[];
  readonly all?: boolean;
  /** A directory; absent: standard output. */
  readonly out?: string;
}

export interface ShareOpenOptions {
  readonly share: string;
  readonly key: string;
  /** A file, or "-" for standard output. */
  readonly out: string;
}

export interface ShareVerifyOptions extends TrustOptions {
  readonly share: string;
  readonly jwe?: string;
  readonly header?: string;
}

const STANDARD_OUTPUT = '-';

interface Shares {
  readonly deployment: Pick<SettledDeployment, 'clusterId' | 'simulated' | 'manifest'>;
  readonly header: RecoveryHeader;
}

/** @throws CliError CLI_NO_SHARES; ClientError */
export async function shareList(context: CommandContext, options: TrustOptions): Promise<void> {
  const { deployment, header } = await fetchShares(context, options);
  const { clusterId, simulated, manifest } = deployment;
  const { resharing, threshold } = header;
  const shares = namedShares(header, manifest);
  const rows = shares.map(({ owner, index, fingerprint }) => [
    owner,
    `${index} of ${shares.length}`,
    String(threshold),
    String(resharing),
    fingerprint,
  ]);
  const head = ['OWNER', 'SHARE', 'NEEDED', 'RESHARING', 'KEY'];
  context.printer.result(
    {
      ok: true,
      simulated,
      clusterId,
      resharing,
      threshold,
      shares: shares.map(({ owner, index, fingerprint, commitment }) => ({
        owner,
        index,
        fingerprint,
        commitment,
      })),
    },
    `${simulated ? SIMULATED_WARNING : ''}${table([head, ...rows])}`,
  );
}

/** @throws CliError CLI_NO_SHARES, CLI_NOT_A_SHARE_OWNER, CLI_USAGE; ClientError */
export async function shareGet(context: CommandContext, options: ShareGetOptions): Promise<void> {
  const wanted = options.owner ?? [];
  if ((wanted.length === 0) === (options.all !== true)) {
    const fields = { option: '--owner, --all', expected: 'one of the two', found: 'none or both' };
    throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
  }
  const { deployment, header } = await fetchShares(context, options);
  const all = namedShares(header, deployment.manifest);
  for (const name of wanted) {
    if (all.some(({ owner }) => owner === name)) continue;
    const fields = { expected: all.map(({ owner }) => owner).join(', '), found: name };
    throw new CliError('CLI_NOT_A_SHARE_OWNER', 'owner holds no share', { fields });
  }
  const chosen = options.all === true ? all : all.filter(({ owner }) => wanted.includes(owner));
  const { clusterId, simulated } = deployment;
  const { resharing, threshold } = header;
  if (options.out === undefined || options.out === STANDARD_OUTPUT) {
    const one = ({ owner, jwe }: { owner: string; jwe: string }): string =>
      chosen.length === 1 ? `${jwe}\n` : `${owner} ${jwe}\n`;
    if (simulated) context.printer.note(SIMULATED_WARNING);
    context.printer.result(
      { ok: true, simulated, clusterId, resharing, threshold, shares: chosen.map(toJson) },
      chosen.map(one).join(''),
    );
    return;
  }
  const written = await writeShares(options.out, header, chosen);
  context.printer.result(
    { ok: true, simulated, clusterId, ...writtenToJson(header, written) },
    `${simulated ? SIMULATED_WARNING : ''}${describeWritten(header, written)}` +
      `  header      ${written.header}\n`,
  );
}

function toJson(share: ReturnType<typeof namedShares>[number]): Json {
  return { ...share };
}

/** @throws CliError CLI_FILE_EXISTS, CLI_FILE_UNREADABLE, CLI_FILE_NOT_WRITTEN; KeysError */
export async function shareOpen(context: CommandContext, options: ShareOpenOptions): Promise<void> {
  const toFile = options.out !== STANDARD_OUTPUT;
  if (toFile) await refuseExisting([options.out]);
  const jwe = await readText(options.share, 'encrypted share');
  const pem = new Secret(await readInput(options.key, 'owner key'));
  const share = await openShare(jwe, loadShareOwnerPrivateKey(pem));
  pem.wipe();
  const file = encodeShareFile(share);
  try {
    const said = { ok: true, ...shareToJson(share) };
    if (toFile) {
      await writeOutput({ path: options.out, content: file.expose(), mode: 0o600 });
      const next = 'Keep it secret: with enough others it opens every secret of the cluster.';
      const text = `${describe(share)}  opened into ${options.out}\n${next}\n`;
      context.printer.result({ ...said, file: options.out }, text);
      return;
    }
    const text = Buffer.from(file.expose()).toString('utf8');
    context.printer.result({ ...said, share: text }, text);
  } finally {
    file.wipe();
    share.value.wipe();
  }
}

/** @throws CliError CLI_SHARE_MISMATCH, CLI_NO_SHARES; KeysError; ClientError */
export async function shareVerify(
  context: CommandContext,
  options: ShareVerifyOptions,
): Promise<void> {
  const share = decodeShareFile(new Secret(await readInput(options.share, 'opened share')));
  const against: string[] = [];
  const check = (what: string, run: () => void): void => {
    compare(what, run);
    against.push(what);
  };
  if (options.jwe !== undefined) {
    const jwe = await readText(options.jwe, 'encrypted share');
    check('jwe', () => {
      checkShareAgainstJwe(jwe, share);
    });
  }
  if (options.header !== undefined) {
    const bytes = await readInput(options.header, 'recovery header');
    const header = decodeRecoveryHeaderUnverified(bytes);
    check('header', () => {
      checkShare(header, share);
    });
  }
  if (against.length === 0) {
    const { header } = await fetchShares(context, options);
    check('cluster', () => {
      checkShare(header, share);
    });
  }
  share.value.wipe();
  context.printer.result(
    { ok: true, against, ...shareToJson(share) },
    `${describe(share)}  is the one that was dealt, by the ${against.join(' and the ')}\n`,
  );
}

/** Refusals that say that a share is another one, and not that a file is malformed. */
const MISMATCHES: readonly string[] = [
  'KEYS_SHARE_WRONG_CLUSTER',
  'KEYS_SHARE_WRONG_RESHARING',
  'KEYS_SHARE_MIXED',
  'KEYS_SHARE_DAMAGED',
];

function compare(against: string, run: () => void): void {
  try {
    run();
  } catch (cause) {
    if (!(cause instanceof KeysError) || !MISMATCHES.includes(cause.code)) throw cause;
    const fields = { against, check: cause.code, ...cause.fields };
    throw new CliError('CLI_SHARE_MISMATCH', 'the share does not fit', { fields, cause });
  }
}

async function fetchShares(context: CommandContext, options: TrustOptions): Promise<Shares> {
  const trust = await trusted(context, options);
  const { client } = trust;
  try {
    const deployment = await client.getDeployment();
    if (deployment.kind !== 'settled') throw new ClientError('CLIENT_NO_MANIFEST');
    const { recoveryHeader: header } = deployment;
    if (header !== undefined) return { deployment, header };
    const fields = { generation: deployment.mark.generation };
    throw new CliError('CLI_NO_SHARES', 'no owner holds a recovery share', { fields });
  } catch (error) {
    if (!isUnanswered(error)) throw error;
    const shares = await sharesOfDisks(context, trust);
    if (shares === undefined) throw error;
    return shares;
  } finally {
    client.close();
  }
}

/** Its reason is that of the last attempt, which need not be that the replica waits. */
function isUnanswered(error: unknown): boolean {
  return error instanceof ClientError && error.code === 'CLIENT_UNREACHABLE';
}

/** A cluster that waits for its owners' shares still has them on its disks, encrypted. */
async function sharesOfDisks(
  context: CommandContext,
  { client, pinned, expected }: Trusted,
): Promise<Shares | undefined> {
  if (pinned === undefined) return undefined;
  const { clusterId } = pinned;
  const header = await client.getRecoveryHeader(clusterId).catch((error: unknown) => {
    if (isUnanswered(error)) return undefined;
    throw error;
  });
  if (header === undefined) return undefined;
  const text =
    'The cluster waits for a recovery. These shares are what its disks hold; only opening one, ' +
    'and handing it in, shows that they are the true ones.\n';
  context.printer.note(text);
  const manifest = expected ?? parseStored(pinned.manifest);
  const simulated = isSimulated(manifest, pinned.rootCertificate);
  return { header, deployment: { clusterId, simulated, manifest } };
}

async function readText(path: string, what: string): Promise<string> {
  return Buffer.from(await readInput(path, what))
    .toString('latin1')
    .trim();
}

function describe({ index, count, threshold, resharing, owner }: RecoveryShare): string {
  return (
    `Share ${index} of ${count}, ${threshold} needed, resharing ${resharing}\n` + `  key ${owner}\n`
  );
}

function shareToJson(share: RecoveryShare): { readonly [name: string]: Json } {
  const { clusterId, resharing, threshold, count, index, owner } = share;
  const commitment = commitmentOf(share);
  return { clusterId, resharing, threshold, count, index, fingerprint: owner, commitment };
}
