/**
 * The initializer as a program: attest this pod, verify the Coordinator before anything of its is
 * believed, get certificate and secrets, write them. By default it keeps trying: the owner may set
 * the manifest, or list this pod in it, at any time.
 */
import { createHash, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import { configDigestFor, encodeEvidence, readConfigDigestUnverified } from '@witan/attestation';
import type { EvidenceProvider } from '@witan/attester';
import {
  backoffMs,
  ClientError,
  createClient,
  fileFloorStore,
  isTrustFailure,
  pause,
  type Client,
  type ClientEvent,
  type Credentials,
  type Expectations,
} from '@witan/client';
import { bytesEqual, CodedError, describeError, toHex } from '@witan/core';
import { nodeRandom, systemClock } from '@witan/keys';
import { standaloneReportData } from '@witan/transport';
import {
  developmentRootsOf,
  openEndorsements,
  type EndorsementEvent,
  type ProgramEndorsements,
} from '@witan/endorsements';
import { InitializerError } from './errors.ts';
import { removeOldVersions, writeOutput } from './files.ts';
import { readWorkloadInitdata, type WorkloadInitdata } from './initdata.ts';
import { outputFiles, secretFiles, trustFiles } from './output.ts';
import { keepRenewed } from './renew.ts';
import { INITIALIZER_USAGE, parseSettings, type Settings } from './settings.ts';

/** Kinds of evidence that an initializer may run on. */
type InitializerTee = 'snp' | 'tdx';

/** How the program is started. */
export interface RunOptions {
  /** Arguments behind the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly evidenceProvider: EvidenceProvider<InitializerTee>;
  /** `production` accepts no development root, whatever the initdata lists (I11). */
  readonly profile: 'production' | 'development';
  readonly stdout?: (text: string) => void;
  readonly stderr?: (text: string) => void;
  /** Stops waiting; SIGTERM and SIGINT do the same. */
  readonly signal?: AbortSignal;
}

const EXIT_OK = 0;
const EXIT_GAVE_UP = 1;
const EXIT_SETTINGS = 2;
const EXIT_REFUSED = 3;
const ATTEMPT_MS = 30_000;
const BACKOFF = { minMs: 500, maxMs: 15_000 };
const SELF_LABEL = 'witan/v1/initializer-self';

/** Runs until the credentials are written or there is no point in going on; never rejects. */
export async function run(options: RunOptions): Promise<number> {
  const stdout = options.stdout ?? ((text) => process.stdout.write(text));
  const stderr = options.stderr ?? ((text) => process.stderr.write(text));
  const stop = new AbortController();
  const onSignal = (): void => {
    stop.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  options.signal?.addEventListener('abort', onSignal);
  if (options.signal?.aborted === true) onSignal();
  try {
    const settings = parseSettings(options.argv, options.env);
    if (settings === undefined) {
      stdout(INITIALIZER_USAGE);
      return EXIT_OK;
    }
    const initdata = await readWorkloadInitdata(settings.initdataFile);
    await checkMeasured(initdata, options.evidenceProvider, stderr);
    const endorsements = openEndorsements({
      settings: settings.endorsements,
      profile: options.profile,
      developmentRoots: developmentRootsOf(initdata.coordinators),
      clock: systemClock,
      onEvent: (event) => {
        stderr(describeEndorsement(event));
      },
    });
    try {
      const task = { ...options, settings, initdata, endorsements, stderr, signal: stop.signal };
      return await obtain(task);
    } finally {
      endorsements.close();
    }
  } catch (error) {
    stderr(`witan-initializer: ${describeError(error)}\n`);
    if (!(error instanceof CodedError)) return EXIT_GAVE_UP;
    return error.code === 'INITIALIZER_OUTPUT_FAILED' ? EXIT_GAVE_UP : EXIT_SETTINGS;
  } finally {
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
  }
}

/**
 * The host mounts the file; the hardware says whether it is the one that was measured. Whoever
 * could exchange it could name other Coordinators. A SEV-SNP report comes from the processor
 * itself; a quote is made by the host, so a TDX guest also asks its own module.
 */
async function checkMeasured(
  initdata: WorkloadInitdata,
  provider: EvidenceProvider<InitializerTee>,
  stderr: (text: string) => void,
): Promise<void> {
  const digest = new Uint8Array(createHash('sha256').update(initdata.bytes).digest());
  const evidence = await provider.collect(standaloneReportData(SELF_LABEL, digest));
  const expected = configDigestFor(evidence.kind, digest);
  demandMeasured(readConfigDigestUnverified(evidence), expected);
  const local = await provider.localConfigId?.();
  if (local !== undefined) demandMeasured(local, expected);
  if (local !== undefined || evidence.kind === 'snp') return;
  stderr(
    'witan-initializer: the kernel (before Linux 6.16) does not show MRCONFIGID; ' +
      'initdata is confirmed by a quote alone, which comes from the host\n',
  );
}

/** @param found what the hardware says was measured at launch */
function demandMeasured(found: Uint8Array, expected: Uint8Array): void {
  if (bytesEqual(found, expected)) return;
  const message =
    'initdata is not the document that was measured at launch; ' +
    'launch the pod with the initdata that was generated for it';
  const fields = { expected: toHex(expected), found: toHex(found) };
  throw new InitializerError('INITIALIZER_INITDATA_NOT_MEASURED', message, { fields });
}

interface Task {
  readonly settings: Settings;
  readonly initdata: WorkloadInitdata;
  readonly evidenceProvider: EvidenceProvider<InitializerTee>;
  readonly endorsements: ProgramEndorsements;
  readonly profile: RunOptions['profile'];
  readonly stderr: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Gets credentials, trying again as the settings say, and renews them where that was asked for. */
async function obtain(task: Task): Promise<number> {
  const { settings, stderr, signal } = task;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const deadlineMs = performance.now() + settings.timeoutMs;
  // Settings that can never work are refused here, and not tried again and again.
  clientFor(task, ATTEMPT_MS, await knownCluster(settings)).close();
  for (let attempt = 0; ; attempt += 1) {
    const leftMs = deadlineMs - performance.now();
    try {
      const credentials = await once(task, privateKey, Math.min(leftMs, ATTEMPT_MS));
      if (!settings.renew) return EXIT_OK;
      await keepRenewed(credentials, {
        checkMs: settings.checkMs,
        signal,
        stderr,
        renew: () => once(task, privateKey, ATTEMPT_MS),
        trust: () => withClient(task, ATTEMPT_MS, (client) => client.getTrust()),
        writeTrust: (trust) => writeOutput(settings.outputDirectory, trustFiles(trust)),
      });
      return EXIT_OK;
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      stderr(`witan-initializer: ${describeError(error)}\n`);
      if (settings.once) return isRefusal(error) ? EXIT_REFUSED : EXIT_GAVE_UP;
    }
    const delayMs = backoffMs(attempt + 1, BACKOFF, nodeRandom);
    if (signal.aborted || performance.now() + delayMs >= deadlineMs) return EXIT_GAVE_UP;
    stderr(`witan-initializer: trying again in ${(delayMs / 1000).toFixed(1)} s\n`);
    await pause(delayMs, signal).catch(() => undefined);
    if (signal.aborted) return EXIT_GAVE_UP;
  }
}

/** One attempt; what it gets is written. */
async function once(task: Task, privateKey: KeyObject, timeoutMs: number): Promise<Credentials> {
  const { outputDirectory } = task.settings;
  return await withClient(task, timeoutMs, async (client) => {
    const { workload } = task.initdata;
    const credentials = await client.issueCredentials({ privateKey, workload });
    await writeOutput(outputDirectory, outputFiles(credentials, privateKey));
    await removeOldVersions(outputDirectory, secretFiles(credentials));
    task.stderr(describeDone(credentials, outputDirectory));
    return credentials;
  });
}

async function withClient<Value>(
  task: Task,
  timeoutMs: number,
  use: (client: Client) => Promise<Value>,
): Promise<Value> {
  const client = clientFor(task, timeoutMs, await knownCluster(task.settings));
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/**
 * A pod belongs to one cluster. Where its floor directory knows one, no other is accepted, however
 * genuine (I6): a host that founds a second cluster would otherwise begin at no floor at all.
 *
 * @throws ClientError CLIENT_STORE_FAILED, CLIENT_STORE_DAMAGED
 */
async function knownCluster({ floorDirectory }: Settings): Promise<Expectations> {
  if (floorDirectory === '') return {};
  const [known, ...others] = await fileFloorStore(floorDirectory).list();
  if (known === undefined || others.length > 0) return {};
  const { clusterId, rootCertificate, historyPublicKey, floor } = known;
  const { formerHistoryKeys } = known;
  const former = formerHistoryKeys && { formerHistoryKeys };
  return { clusterId, rootCertificate, historyPublicKey, ...former, floor };
}

function clientFor(task: Task, timeoutMs: number, known: Expectations): Client {
  const { settings, initdata, endorsements, profile, stderr, signal } = task;
  const evidenceProvider = endorsements.provider(task.evidenceProvider);
  const pem = initdata.rootCertificatePem;
  return createClient({
    endpoints: settings.endpoints.length > 0 ? settings.endpoints : initdata.endpoints,
    coordinators: initdata.coordinators,
    prover: {
      evidenceTypes: [evidenceProvider.kind],
      prove: async (reportData, proveSignal) =>
        encodeEvidence(await evidenceProvider.collect(reportData, { signal: proveSignal })),
    },
    developmentRoots: profile === 'development' ? 'as-listed' : 'refused',
    timeoutMs,
    signal,
    ...(endorsements.source === undefined ? {} : { endorsements: endorsements.source }),
    ...(settings.floorDirectory === '' ? {} : { store: fileFloorStore(settings.floorDirectory) }),
    expected: {
      ...known,
      ...(pem === undefined
        ? {}
        : { rootCertificate: new Uint8Array(new X509Certificate(pem).raw) }),
    },
    onEvent: (event) => {
      stderr(describeEvent(event));
    },
  });
}

function describeDone(credentials: Credentials, directory: string): string {
  const { workload, generation, notAfter, secrets, simulated } = credentials;
  const until = new Date(notAfter).toISOString();
  const warning = simulated ? 'SIMULATED TEE: no hardware protects this cluster\n' : '';
  return (
    `witan-initializer: ${workload}: certificate of generation ${generation} until ${until}, ` +
    `${secrets.size} secrets, written to ${directory}\n${warning}`
  );
}

function describeEvent(event: ClientEvent): string {
  switch (event.kind) {
    case 'attempt-failed':
      return `witan-initializer: ${event.endpoint}: ${describeError(event.error)}\n`;
    case 'connected':
      return `witan-initializer: attested ${event.endpoint} (${event.incarnation.slice(0, 16)})\n`;
    case 'simulated-tee':
      return `witan-initializer: SIMULATED TEE at ${event.endpoint}\n`;
    case 'waiting':
      return '';
    default:
      return event satisfies never;
  }
}

function describeEndorsement(event: EndorsementEvent): string {
  if (!('error' in event)) return '';
  return `witan-initializer: ${event.key}: ${describeError(event.error)}\n`;
}

/** Trying again under the same rules would give the same answer. */
function isRefusal(error: ClientError): boolean {
  const codes: readonly string[] = ['CLIENT_EVIDENCE_REFUSED', 'CLIENT_REQUEST_REFUSED'];
  return isTrustFailure(error.code) || codes.includes(error.code);
}
