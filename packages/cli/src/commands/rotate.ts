/** `witan rotate …` and `witan revocations`: keys that grow old, and certificates that end. */
import type {
  CaProgress,
  Deployment,
  RecordedRotation,
  RevocationsAnswer,
  RotationsAnswer,
  SeedProgress,
  SettledDeployment,
} from '@witan/client';
import { epoch } from '@witan/core';
import { rotationOfText, type RotationStep } from '@witan/manifest';
import { rotationChange } from '../approvals/change.ts';
import { collect, reportGiven, sendEach, type CollectOptions } from '../approvals/one-by-one.ts';
import { ACTIVATE_SEED, wordsWithCommitment } from '../checks/seed-commitment.ts';
import { noteClocks } from '../checks/clocks.ts';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { keepDealt } from '../dealt-shares.ts';
import { writeOutput } from '../files.ts';
import { table, type Json } from '../printer.ts';
import { withClient } from './cluster.ts';
import type { TrustOptions } from './trust.ts';

export interface RotateOptions extends TrustOptions, CollectOptions {
  readonly force?: boolean;
  /** Of the next seed, 64 hex digits. */
  readonly commitment?: string;
}

export interface RevocationsOptions extends TrustOptions {
  readonly out?: string;
}

/** @throws CliError, ClientError */
export async function rotate(
  context: CommandContext,
  words: string,
  options: RotateOptions,
): Promise<void> {
  // Before anybody is asked: no other words depend on what the cluster says.
  if (words !== ACTIVATE_SEED) readStep(words, options.force === true);
  await withClient(context, options, async (client) => {
    const deployment = await client.getDeployment();
    if (deployment.kind === 'founded') throw noManifest();
    noteClocks(context, deployment.mark.timeMs);
    const before = await client.getRotations();
    const step = readStep(
      wordsWithCommitment(words, before.seed, options.commitment),
      options.force === true,
    );
    refuseUnknownSecret(deployment, step);
    const { clusterId, transitionHash: previousTransition } = before;
    const place = { clusterId, previousTransition, number: before.records.length };
    const change = rotationChange({ ...place, epoch: epoch(before.epoch) }, step);
    const collected = await collect(context, options, deployment.manifest, change);
    if (collected.kind === 'prepared') return;
    const { approvals, names: approvedBy } = collected;
    if (collected.kind === 'one-by-one') {
      const given = await sendEach(client, change, approvals);
      reportGiven(context, approvedBy, change, given);
      if (given.inEffect && deals(step)) await keepDealt(context, options, client, deployment);
      return;
    }
    const record = await client.rotate({ ...place, step, approvals });
    const after = await client.getRotations();
    context.printer.result(
      { ok: true, ...recordToJson(record), approvedBy, ...statusToJson(after) },
      `Step ${record.number}: ${record.step}${versionOf(record)}.\n` +
        `Approved by ${approvedBy.join(', ')}.\n${describeNext(step, after)}`,
    );
    if (deals(step)) await keepDealt(context, options, client, deployment);
  });
}

/** Whether a step deals new recovery shares. */
function deals(step: RotationStep): boolean {
  return step.target === 'seed' && step.step === 'activate';
}

/** @throws CliError, ClientError */
export async function rotations(context: CommandContext, options: TrustOptions): Promise<void> {
  const { answer, nameOf } = await withClient(context, options, async (client) => ({
    nameOf: namesIn(await client.getDeployment()),
    answer: await client.getRotations(),
  }));
  const head = ['STEP', 'WHAT', 'VERSION', 'TIME', 'APPROVED BY'];
  const rows = answer.records.map((record) => [
    String(record.number),
    record.step,
    String(record.version),
    new Date(record.timeMs).toISOString(),
    record.approvedBy.map(nameOf).join(', '),
  ]);
  const sealing = answer.sealingPending ? 'A new generation of sealing keys is to begin.\n' : '';
  const records = answer.records.map(recordToJson);
  context.printer.result(
    { ok: true, clusterId: answer.clusterId, records, ...statusToJson(answer) },
    `${rows.length === 0 ? 'Nothing was rotated yet.\n' : table([head, ...rows])}` +
      `${describeCa('Root CA', answer.root)}${describeCa('Mesh CA', answer.meshCa)}` +
      `${describeSeed(answer.seed)}${sealing}`,
  );
}

/** Owners by name; those of former manifests alone by the beginning of their fingerprint. */
function namesIn(deployment: Deployment): (fingerprint: string) => string {
  const owners = deployment.kind === 'settled' ? deployment.manifest.owners : [];
  const names = new Map(owners.map(({ fingerprint, name }) => [String(fingerprint), name]));
  return (fingerprint) => names.get(fingerprint) ?? `${fingerprint.slice(0, 12)}…`;
}

/** @throws CliError CLI_FILE_NOT_WRITTEN; ClientError */
export async function revocations(
  context: CommandContext,
  options: RevocationsOptions,
): Promise<void> {
  const answer = await withClient(context, options, (client) => client.getRevocations());
  if (options.out !== undefined) await writeLists(options.out, answer);
  const head = ['SERIAL', 'WORKLOAD', 'REVOKED', 'WOULD EXPIRE'];
  const time = (ms: number): string => new Date(ms).toISOString();
  const rows = answer.revoked.map((one) => [
    one.serial,
    one.workload,
    time(one.revokedMs),
    time(one.notAfterMs),
  ]);
  const written = options.out === undefined ? '' : `Lists written to ${options.out}.\n`;
  const { revoked, revokedCount, listsLeftOut } = answer;
  const more = revokedCount - revoked.length;
  const notes =
    (more === 0 ? '' : `And ${more} earlier ones.\n`) +
    (listsLeftOut === 0
      ? ''
      : `${listsLeftOut} former mesh CAs have too many for a list: who demands lists refuses all ` +
        'that they have signed.\n');
  context.printer.result(
    {
      ok: true,
      clusterId: answer.clusterId,
      number: answer.number,
      revoked: revoked.map((one) => ({ ...one })),
      revokedCount,
      lists: answer.revocationLists.length,
      listsLeftOut,
    },
    `${rows.length === 0 ? 'No certificate is revoked.\n' : table([head, ...rows])}` +
      `${notes}${written}`,
  );
}

/** @throws CliError CLI_USAGE */
function readStep(words: string, force: boolean): RotationStep {
  const step = rotationOfText(force ? `${words} force` : words);
  if (step !== undefined) return step;
  const expected =
    'a secret’s name (DNS label), or prepare, activate or retire; --force only with these';
  const fields = { expected, found: words.slice(0, 80) };
  throw new CliError('CLI_USAGE', 'no step of a rotation; see --help', { fields });
}

/** The cluster refuses it as well; here nobody is asked to sign for a misspelt name. */
function refuseUnknownSecret({ manifest }: SettledDeployment, step: RotationStep): void {
  if (step.target !== 'secret') return;
  const names = new Set(
    [...manifest.workloads.values()].flatMap(({ secrets }) => secrets.map(({ name }) => name)),
  );
  if (names.has(step.name)) return;
  const fields = { expected: [...names].join(', '), found: step.name };
  throw new CliError('CLI_SECRET_UNKNOWN', 'no workload of the manifest lists it', { fields });
}

function noManifest(): CliError {
  const message = 'something can be rotated once a manifest says who the owners are';
  return new CliError('CLI_USAGE', message, { fields: { expected: 'a manifest', found: '' } });
}

async function writeLists(path: string, { revocationLists }: RevocationsAnswer): Promise<void> {
  const pem = revocationLists.map((der) => {
    const lines =
      Buffer.from(der)
        .toString('base64')
        .match(/.{1,64}/g) ?? [];
    return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`;
  });
  await writeOutput({ path, content: pem.join('') });
}

function describeNext(step: RotationStep, { root, meshCa, seed }: RotationsAnswer): string {
  switch (step.target) {
    case 'secret':
      return 'Workloads receive it when they next ask for credentials.\n';
    case 'sealing':
      return 'The leader begins a new generation of sealing keys.\n';
    case 'root':
      return describeCa('Root CA', root);
    case 'mesh-ca':
      return describeCa('Mesh CA', meshCa);
    case 'seed':
      return describeSeed(seed);
    default:
      return step satisfies never;
  }
}

function describeCa(
  what: string,
  { phase, active, holdersLeft, workloadsLeft }: CaProgress,
): string {
  const number = `${what} ${active}`;
  if (phase === 'idle') return `${number} is in use.\n`;
  const next = phase === 'prepared' ? 'activate' : 'retire';
  const before =
    phase === 'prepared' ? 'the next one is given out beside it' : 'the former one still counts';
  const left =
    holdersLeft === 0
      ? `Ready to ${next}.`
      : `${holdersLeft} to renew before ${next}: ${workloadsLeft.join(', ')}.`;
  return `${number} is in use, and ${before}. ${left}\n`;
}

function describeSeed({ phase, number, commitment, slotsLeft, neededBy }: SeedProgress): string {
  if (phase === 'idle') return `Seed ${number} is in use.\n`;
  if (phase === 'activated') {
    const left =
      neededBy.length === 0
        ? 'Ready to retire the former one.'
        : `To rotate before retire: ${neededBy.join(', ')}.`;
    return `Seed ${number} is in use, and the former one is still needed or kept. ${left}\n`;
  }
  const next = `Seed ${number} is in use, and the next one is handed to every member.`;
  if (commitment === undefined) return `${next} The leader has not recorded it yet.\n`;
  const left =
    slotsLeft.length === 0
      ? 'Ready to activate.'
      : `Not known to hold it: ${slotsLeft.join(', ')}.`;
  return `${next} ${left}\nIts commitment is ${commitment}.\n`;
}

function versionOf({ step, version }: RecordedRotation): string {
  return step === 'sealing' ? '' : `, version ${version}`;
}

function recordToJson(record: RecordedRotation): { readonly [name: string]: Json } {
  const { number, step, version, transitionHash, approvedBy, timeMs, index } = record;
  return { number, step, version, transitionHash, approvedBy, timeMs, index };
}

function statusToJson(answer: RotationsAnswer): { readonly [name: string]: Json } {
  const { root, meshCa, seed, sealingPending } = answer;
  const { phase, number, commitment = null, slotsLeft, neededBy } = seed;
  const seedJson = { phase, number, commitment, slotsLeft, neededBy };
  return { root: { ...root }, meshCa: { ...meshCa }, seed: seedJson, sealingPending };
}
