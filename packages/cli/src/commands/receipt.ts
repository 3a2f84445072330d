/** `witan receipt get|verify`: a leaf of the audit log with its proof, fetched, or checked here. */
import { decodeRecord, type PinnedDeployment, type ReceiptOf } from '@witan/client';
import { nodeCrypto } from '@witan/keys';
import {
  decodeReceipt,
  encodeReceipt,
  ManifestError,
  verifyReceipt,
  type VerifiedReceipt,
} from '@witan/manifest';
import { storeOf, type ClusterOptions, type CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { readInput, refuseExisting, writeOutput } from '../files.ts';
import { describeLeaf, headToJson, leafToJson, timeOf } from '../leaves.ts';
import { table } from '../printer.ts';
import { trusted, type TrustOptions } from './trust.ts';

export interface ReceiptGetOptions extends TrustOptions {
  readonly generation?: string;
  readonly recovery?: string;
  readonly index?: string;
  readonly out?: string;
}

export interface ReceiptVerifyOptions extends Pick<ClusterOptions, 'configDir'> {
  readonly trust?: string;
}

const SERIAL = /^[0-9a-f]{32}$/;
const NUMBER = /^(0|[1-9]\d{0,15})$/;

/** @throws CliError CLI_USAGE, CLI_FILE_EXISTS, CLI_FILE_NOT_WRITTEN; ClientError */
export async function receiptGet(
  context: CommandContext,
  serial: string | undefined,
  options: ReceiptGetOptions,
): Promise<void> {
  const of = wantedLeaf(serial, options);
  const { out } = options;
  if (out !== undefined) await refuseExisting([out]);
  const { client } = await trusted(context, options);
  try {
    const { receipt, leaf } = await client.getReceipt(of);
    const content = encodeReceipt(receipt);
    if (out !== undefined) await writeOutput({ path: out, content });
    const file = JSON.parse(new TextDecoder().decode(content)) as {
      readonly [name: string]: string;
    };
    const said = `Leaf ${receipt.index}, ${leaf.kind}: ${describeLeaf(leaf)}, ${timeOf(leaf)}.\n`;
    context.printer.result(
      {
        ok: true,
        leaf: leafToJson(receipt.index, leaf),
        ...(out === undefined ? { receipt: file } : { out }),
      },
      out === undefined ? new TextDecoder().decode(content) : `${said}Receipt in ${out}.\n`,
    );
    if (out === undefined) context.printer.note(said);
  } finally {
    client.close();
  }
}

function wantedLeaf(serial: string | undefined, options: ReceiptGetOptions): ReceiptOf {
  const { generation, recovery, index } = options;
  const given = [serial, generation, recovery, index].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw usage('SERIAL, --generation, --recovery or --index', 'exactly one', given.length);
  }
  if (serial !== undefined) {
    const plain = serial.replaceAll(':', '').toLowerCase();
    if (!SERIAL.test(plain)) throw usage('SERIAL', '32 hex digits', serial);
    return { kind: 'serial', serial: plain };
  }
  if (generation !== undefined) {
    return { kind: 'generation', generation: numberOf('--generation', generation) };
  }
  if (recovery !== undefined) return { kind: 'recovery', epoch: numberOf('--recovery', recovery) };
  return { kind: 'index', index: numberOf('--index', index ?? '') };
}

/** @throws CliError CLI_USAGE */
export function numberOf(option: string, text: string): number {
  if (NUMBER.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw usage(option, 'a whole number', text);
}

function usage(option: string, expected: string, found: string | number): CliError {
  const fields = { option, expected, found };
  return new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}

/**
 * Offline: trusts the history key of one cluster that was verified before.
 *
 * @throws CliError CLI_RECEIPT_REFUSED, CLI_NOTHING_TO_TRUST, CLI_FILE_UNREADABLE; ManifestError
 *   RECEIPT_MALFORMED; ClientError CLIENT_STORE_DAMAGED
 */
export async function receiptVerify(
  context: CommandContext,
  file: string,
  options: ReceiptVerifyOptions,
): Promise<void> {
  const receipt = decodeReceipt(await readInput(file, 'receipt'));
  const trust = await trustOf(context, options, receipt.mark.mark.clusterId);
  const verified = checked(() => verifyReceipt(receipt, trust, nodeCrypto));
  const { leaf, mark, log, isUnderFormerKey } = verified;
  const { clusterId, epoch, generation, commitIndex } = mark;
  context.printer.result(
    {
      ok: true,
      clusterId,
      leaf: leafToJson(receipt.index, leaf),
      log: headToJson(log),
      isUnderFormerKey,
      mark: { epoch, generation, commitIndex, time: new Date(mark.timeMs).toISOString() },
    },
    describe(receipt.index, verified),
  );
}

function describe(index: number, verified: VerifiedReceipt): string {
  const { leaf, mark, log, isUnderFormerKey } = verified;
  const rows = [
    ['cluster', mark.clusterId],
    ['leaf', `${index} of ${log.size}, ${leaf.kind}`],
    ['what', describeLeaf(leaf)],
    ['when', timeOf(leaf)],
    ['state', `epoch ${leaf.epoch}, generation ${leaf.generation}, index ${leaf.index}`],
  ];
  const former =
    'It is signed by a history key that owners have replaced: if that was because the key was ' +
    'stolen, get the receipt anew.\n';
  return `${table(rows)}The receipt is good.\n${isUnderFormerKey ? former : ''}`;
}

async function trustOf(
  context: CommandContext,
  options: ReceiptVerifyOptions,
  cluster: PinnedDeployment['clusterId'],
): Promise<PinnedDeployment> {
  const { trust } = options;
  if (trust !== undefined) return decodeRecord(await readInput(trust, 'trust file'), trust);
  const pinned = await storeOf(context, options).load(cluster);
  if (pinned !== undefined) return pinned;
  const message = 'this cluster was never verified here; run witan verify, or give --trust';
  throw new CliError('CLI_NOTHING_TO_TRUST', message, { fields: { found: cluster } });
}

function checked(check: () => VerifiedReceipt): VerifiedReceipt {
  try {
    return check();
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    const fields = { check: cause.code, ...cause.fields };
    throw new CliError('CLI_RECEIPT_REFUSED', cause.message, { fields, cause });
  }
}
