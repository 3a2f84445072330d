/** Asks for a workload's certificate and secrets, and verifies everything that comes. */
import type { KeyObject } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import type { ReferenceValues } from '@witan/attestation';
import {
  Secret,
  bytesEqual,
  concatBytes,
  unixMillis,
  utf8,
  type ClusterId,
  type Generation,
  type UnixMillis,
} from '@witan/core';
import { signP256, spkiOf, spkiOfCertificate } from '@witan/keys';
import type { HighWaterMark, ValidatedManifest, Workload } from '@witan/manifest';
import { WorkloadService, type IssueCredentialsResponse } from '@witan/protocol';
import type { AnswerAnchors, Anchors } from './anchors.ts';
import {
  alternativeNamesOf,
  checkAuthorities,
  checkLink,
  invalid,
  readCertificate,
} from './certificates.ts';
import type { Attempt } from './connector.ts';
import { checkListed, type AppraisalSettings } from './coordinator-verifier.ts';
import { isSimulated, readManifest } from './deployment.ts';
import { ClientError } from './errors.ts';
import { rootLinksFromWire } from './root-links.ts';
import { trustFromWire, type Trust } from './trust.ts';
import { clusterIdFromWire, generationFromWire, markFromWire } from './wire.ts';

/** What is signed with the channel binding to prove possession of a key (proto/witan/workload). */
const POSSESSION_LABEL = 'witan/v1/possession';
/** A secret's length in bytes. */
const SECRET_BYTES = 32;

/** What a workload asks for. */
export interface CredentialsRequest {
  /** P-256 key to certify; it never leaves this process. */
  readonly privateKey: KeyObject;
  /** Name of the workload, where the evidence fits more than one entry. */
  readonly workload?: string;
}

/** A secret in one version. */
export interface VersionedSecret {
  readonly version: number;
  readonly secret: Secret;
}

/** A workload's credentials; every part was verified against the others. */
export interface Credentials {
  readonly workload: string;
  /** DER. */
  readonly certificate: Uint8Array;
  /** DER. */
  readonly meshCaCertificate: Uint8Array;
  /** DER. */
  readonly rootCertificate: Uint8Array;
  /** Current versions by name, as in the manifest. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** All versions that were given, by name, the current one first. */
  readonly secretVersions: ReadonlyMap<string, readonly VersionedSecret[]>;
  readonly trust: Trust;
  readonly clusterId: ClusterId;
  readonly generation: Generation;
  readonly notAfter: UnixMillis;
  readonly manifest: ValidatedManifest<ReferenceValues>;
  readonly mark: HighWaterMark;
  /** No hardware protects this cluster (I11). */
  readonly simulated: boolean;
}

/** Credentials with what is to be kept of the answer. */
export interface CredentialsOutcome {
  readonly result: Credentials;
  readonly answer: AnswerAnchors;
}

/**
 * @param requestKey 16 bytes, the same for every attempt
 * @throws ClientError; RemoteError, TransportError
 */
export async function fetchCredentials(
  attempt: Attempt,
  request: CredentialsRequest,
  requestKey: Uint8Array,
  anchors: Anchors,
  settings: AppraisalSettings,
): Promise<CredentialsOutcome> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const publicKey = spkiOf(request.privateKey);
  const proved = concatBytes(utf8(POSSESSION_LABEL), connection.peer.channelBinding);
  const wire = await connection.unary(
    WorkloadService.method.issueCredentials,
    {
      requestKey,
      publicKey,
      proofOfPossession: signP256(request.privateKey, proved),
      workload: request.workload ?? '',
    },
    { timeoutMs },
  );
  const answer: AnswerAnchors = {
    clusterId: clusterIdFromWire(wire.clusterId),
    rootCertificate: wire.rootCertificate,
    rootLinks: rootLinksFromWire(wire.trust?.rootLinks ?? []),
    historyPublicKey: wire.historyPublicKey,
    mark: markFromWire(wire.highWaterMark),
  };
  const mark = anchors.check(answer, floor);
  const manifest = readManifest(wire.manifest, settings.crypto);
  await checkListed(connection.peer, manifest.coordinators, settings);
  const generation = generationFromWire(wire.generation);
  if (generation > mark.generation) {
    const fields = { part: 'generation', expected: mark.generation, found: generation };
    throw new ClientError('CLIENT_ANSWER_INCONSISTENT', fields);
  }
  const workload = workloadOf(manifest, wire.workload, request.workload);
  const notAfter = checkCertificates(wire, workload, publicKey, settings);
  const secretVersions = secretsOf(wire, workload);
  const simulated =
    isSimulated(manifest, wire.rootCertificate) ||
    connection.peer.claims?.claims.simulated === true;
  return {
    answer,
    result: {
      workload: workload.name,
      certificate: wire.certificate,
      meshCaCertificate: wire.meshCaCertificate,
      rootCertificate: wire.rootCertificate,
      secrets: new Map([...secretVersions].map(([name, all]) => [name, currentOf(all)])),
      secretVersions,
      trust: trustFromWire(wire.trust, wire.rootCertificate, wire.meshCaCertificate),
      clusterId: answer.clusterId,
      generation,
      notAfter,
      manifest,
      mark,
      simulated,
    },
  };
}

function currentOf([current]: readonly VersionedSecret[]): Secret {
  if (current === undefined) throw new Error('a secret is entered with a version');
  return current.secret;
}

function workloadOf(
  manifest: ValidatedManifest<ReferenceValues>,
  name: string,
  wanted: string | undefined,
): Workload<ReferenceValues> {
  const workload = manifest.workloads.get(name);
  if (workload !== undefined && (wanted === undefined || wanted === name)) return workload;
  const expected = wanted ?? [...manifest.workloads.keys()].join(', ');
  const fields = { part: 'workload', expected, found: name.slice(0, 80) };
  throw new ClientError('CLIENT_ANSWER_INCONSISTENT', fields);
}

function checkCertificates(
  wire: IssueCredentialsResponse,
  workload: Workload<ReferenceValues>,
  publicKey: Uint8Array,
  { clock }: AppraisalSettings,
): UnixMillis {
  const now = clock.now();
  const what = 'workload certificate';
  const { meshCa } = checkAuthorities(wire.rootCertificate, wire.meshCaCertificate, now);
  const leaf = readCertificate(what, wire.certificate);
  checkLink(what, leaf, meshCa, now);
  if (leaf.ca) throw invalid(what, 'no right to issue', 'a CA certificate');
  if (!bytesEqual(spkiOfCertificate(leaf), publicKey)) {
    throw invalid(what, 'the key of this workload', 'another key');
  }
  checkNames(what, leaf, workload);
  return unixMillis(leaf.validToDate.getTime());
}

/** The names must be exactly those that the manifest gives the workload. */
function checkNames(
  what: string,
  leaf: X509Certificate,
  workload: Workload<ReferenceValues>,
): void {
  const { dnsNames, ipAddresses, uris } = alternativeNamesOf(leaf);
  const [uri = ''] = uris;
  const isOwnUri = uri.startsWith('spiffe://') && uri.endsWith(`/workload/${workload.name}`);
  if (uris.length !== 1 || !isOwnUri) {
    throw invalid(what, `one SPIFFE id that ends in /workload/${workload.name}`, uris.join(', '));
  }
  const pairs: readonly (readonly [readonly string[], readonly string[]])[] = [
    [workload.dnsNames, dnsNames],
    [workload.ipAddresses.map(plainAddress), ipAddresses.map(plainAddress)],
  ];
  for (const [expected, found] of pairs) {
    const [left, right] = [expected.toSorted().join(', '), found.toSorted().join(', ')];
    if (left !== right) throw invalid(what, left, right);
  }
}

/** One spelling for every spelling of an IP address. */
function plainAddress(address: string): string {
  if (!address.includes(':')) return address;
  return new URL(`http://[${address}]/`).hostname;
}

/** Every granted secret, the current version first and older ones behind it, and no other. */
function secretsOf(
  wire: IssueCredentialsResponse,
  workload: Workload<ReferenceValues>,
): ReadonlyMap<string, readonly VersionedSecret[]> {
  const secrets = new Map<string, VersionedSecret[]>();
  const refused = (found: string): ClientError => {
    const expected = workload.secrets.map(({ name }) => name).join(', ');
    return new ClientError('CLIENT_ANSWER_INCONSISTENT', { part: 'secrets', expected, found });
  };
  for (const { name, value, version: said } of wire.secrets) {
    // A Coordinator from before there were versions says none.
    const version = said === 0 ? 1 : said;
    const grant = workload.secrets.find((one) => one.name === name);
    const versions = secrets.get(name) ?? [];
    const before = versions.at(-1)?.version;
    const isNext = before === undefined ? version >= (grant?.version ?? 0) : version === before - 1;
    const isGranted = grant !== undefined && isNext && versions.length <= grant.keep;
    if (!isGranted || value.byteLength !== SECRET_BYTES) throw refused(`${name} v${version}`);
    secrets.set(name, [...versions, { version, secret: new Secret(value) }]);
    value.fill(0);
  }
  if (secrets.size !== workload.secrets.length) throw refused([...secrets.keys()].join(', '));
  return secrets;
}
