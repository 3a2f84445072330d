/**
 * The workload service: an attested pod gets its certificate and secrets. The identity is recorded
 * in the log before anything is handed out, under the generation by which the evidence was judged:
 * if a newer manifest is in force anywhere, the record is refused and the evidence judged again
 * (I3, I5).
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { decodeEvidence, type ReferenceValues } from '@witan/attestation';
import { CanonicalWriter, fromHex, generation, sha256Hex, toHex, unixMillis } from '@witan/core';
import { issueLeafCertificate, workloadSpiffeId } from '@witan/keys';
import type { Workload } from '@witan/manifest';
import { WorkloadService, type IssueCredentialsResponseSchema } from '@witan/protocol';
import type { Cluster, Written } from '@witan/replica';
import { requestKey, type CommandResult, type IssuedIdentity } from '@witan/state-machine';
import {
  PublicError,
  serviceRegistration,
  type AttestedPeer,
  type ServiceRegistration,
} from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import { isSimulated, type Operation } from '../operations.ts';
import {
  clusterIdBytes,
  clusterOf,
  currentView,
  meshCaOf,
  possessionBytes,
  publicly,
  READ_MS,
  seedOf,
  signedMark,
  WRITE_MS,
  type ServiceContext,
} from './context.ts';
import { historyOf } from './whole-history.ts';
import { releasedSecrets } from './secrets.ts';
import { trustOf } from './trust.ts';

type WorkloadClaims = PeerClaims & { readonly kind: 'workload' };

/** A manifest that changes while a request runs makes it start over, this often at most. */
const ATTEMPTS_MAX = 4;

export function workloadService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  return serviceRegistration<typeof WorkloadService, PeerClaims>(WorkloadService, {
    issueCredentials: async (request, { peer }) => {
      checkPossession(context, peer, request.publicKey, request.proofOfPossession);
      const spkiSha256 = digest(context, request.publicKey);
      const evidenceSha256 = digest(context, peer.evidence ?? new Uint8Array(0));
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
        const cluster = clusterOf(context);
        const claims = await judgeNow(context, peer);
        const name = chooseWorkload(claims, request.workload);
        const operation: Operation = {
          kind: 'issue',
          requestKey: keyOf(context, request.requestKey, spkiSha256, name, [
            claims.generation,
            cluster.state.machine.rotations.records.length,
          ]),
          workload: name,
          spkiSha256,
          evidenceSha256,
          generation: generation(claims.generation),
          servedBy: context.slot,
          measurement: claims.claims.measurements[0]?.value ?? '',
        };
        const written = await publicly(context.writer.execute(operation, WRITE_MS));
        await publicly(cluster.engine.waitApplied(written.index, { timeoutMs: READ_MS }));
        const record = issuedRecord(written);
        const machine = cluster.state.machine;
        const workload = machine.manifest?.workloads.get(name);
        const isCurrent =
          record?.generation === machine.generation && isUnrotatedSince(machine, record);
        if (record === undefined || workload === undefined || !isCurrent) continue;
        context.counters.count('certificates_issued');
        return handOut(context, cluster, workload, record, request.publicKey);
      }
      throw new PublicError('UNAVAILABLE', 'MANIFEST_CHANGING', 'the manifest keeps changing');
    },

    followHistory: async (request, { peer }) => {
      // What owners get; for pods that the manifest of now still lists.
      await judgeNow(context, peer);
      if (request.asked === undefined) throw refused('NOTHING_ASKED');
      return { history: await historyOf(context, request.asked) };
    },

    getTrust: async (_request, { peer }) => {
      const view = await currentView(context);
      const cluster = clusterOf(context);
      // Renewal, and what goes with it, is for those whom the manifest of now still lists.
      await judgeNow(context, peer);
      return {
        rootCertificate: view.rootCertificate ?? new Uint8Array(0),
        meshCaCertificate: view.meshCaCertificate ?? new Uint8Array(0),
        trust: trustOf(context, cluster),
        clusterId: clusterIdBytes(cluster),
        historyPublicKey: view.historyPublicKey ?? new Uint8Array(0),
        highWaterMark: signedMark(context, cluster),
      };
    },
  });
}

/**
 * Whether no step of a rotation was taken since: the mesh CA and the versions of secrets are those
 * that were in force at the record, which is what the record stands for.
 */
function isUnrotatedSince(
  { rotations }: Cluster<ReferenceValues>['state']['machine'],
  { index }: IssuedIdentity,
): boolean {
  return index > (rotations.records.at(-1)?.index ?? 0);
}

/**
 * Builds the answer. Only a record that is in the log gets here. All of it is of one state, that of
 * the call: were there a wait in between, the next step of a rotation or the next manifest could
 * come, whose secrets nobody has recorded as released.
 */
export function handOut(
  context: Pick<ServiceContext, 'clock' | 'crypto'>,
  cluster: Cluster<ReferenceValues>,
  workload: Workload<ReferenceValues>,
  record: IssuedIdentity,
  publicKey: Uint8Array,
): MessageInitShape<typeof IssueCredentialsResponseSchema> {
  const authority = meshCaOf(cluster);
  const { manifest, rootCertificate, historyPublicKey } = cluster.state.machine;
  if (authority === undefined || manifest === undefined || rootCertificate === undefined) {
    throw new Error('a cluster that issues has a manifest and its certificates');
  }
  const notAfterMs = Math.min(record.notAfterMs, authority.validity.notAfter);
  const certificate = issueLeafCertificate(authority, {
    subjectSpki: publicKey,
    commonName: workload.name,
    dnsNames: workload.dnsNames,
    ipAddresses: workload.ipAddresses,
    uri: workloadSpiffeId(trustDomain(cluster), workload.name),
    serial: fromHex(record.serial),
    notBefore: record.notBeforeMs,
    notAfter: unixMillis(notAfterMs),
    simulated: isSimulated(manifest),
  });
  return {
    workload: workload.name,
    certificate,
    meshCaCertificate: authority.certificateDer,
    rootCertificate,
    secrets: [
      ...releasedSecrets(workload, record.spkiSha256, {
        clusterId: cluster.clusterId,
        rotations: cluster.state.machine.rotations,
        seedOf: (number) => seedOf(cluster, number),
      }),
    ],
    clusterId: clusterIdBytes(cluster),
    generation: BigInt(record.generation),
    historyPublicKey: historyPublicKey ?? new Uint8Array(0),
    highWaterMark: signedMark(context, cluster),
    manifest: manifest.bytes,
    notAfterMs: BigInt(notAfterMs),
    trust: trustOf(context, cluster),
  };
}

/** The trust domain of SPIFFE ids: no two clusters share one. */
export function trustDomain(cluster: Cluster<ReferenceValues>): string {
  return `witan-${cluster.clusterId.slice(0, 16)}`;
}

/** Judges the evidence of the channel by the manifest in force here, which may be newer by now. */
async function judgeNow(
  context: ServiceContext,
  peer: AttestedPeer<PeerClaims>,
): Promise<WorkloadClaims> {
  const { claims, evidence, expectedReportData } = peer;
  const isCurrent =
    claims?.kind === 'workload' && claims.generation === context.replica.cluster?.generation;
  if (isCurrent) return claims;
  if (evidence === undefined || expectedReportData === undefined) throw refused('NO_EVIDENCE');
  const complete = await context.rules.complete(decodeEvidence(evidence));
  const verdict = context.rules.judgeWorkload(complete, expectedReportData);
  if (!verdict.ok || verdict.claims.kind !== 'workload') {
    context.counters.count('workloads_refused');
    throw refused(verdict.ok ? 'NOT_A_WORKLOAD' : 'EVIDENCE_REFUSED');
  }
  return verdict.claims;
}

/** The evidence decides; a name only chooses where it fits more than one entry. */
function chooseWorkload(claims: WorkloadClaims, wanted: string): string {
  const { workloads } = claims;
  if (wanted !== '' && !workloads.includes(wanted)) throw refused('WORKLOAD_NOT_YOURS');
  const chosen = wanted === '' ? workloads[0] : wanted;
  if (chosen === undefined) throw refused('EVIDENCE_REFUSED');
  if (wanted === '' && workloads.length > 1) {
    const message = 'the evidence fits several workloads; name one';
    const fields = { workloads: workloads.join(',') };
    throw new PublicError('INVALID_ARGUMENT', 'WORKLOAD_AMBIGUOUS', message, fields);
  }
  return chosen;
}

/** The record, or undefined where the evidence must be judged again. */
function issuedRecord({ result }: Written<CommandResult>): IssuedIdentity | undefined {
  switch (result.kind) {
    case 'issued':
      return result.record;
    case 'stale-generation':
    case 'unknown-workload':
      return undefined;
    case 'key-reused':
      throw new PublicError(
        'ALREADY_EXISTS',
        'REQUEST_KEY_REUSED',
        'the request key belongs to another request',
      );
    case 'issued-full':
      throw new PublicError('RESOURCE_EXHAUSTED', 'ISSUED_FULL', 'the identity is not recorded');
    default:
      throw new PublicError('INTERNAL', 'UNEXPECTED_RESULT', 'the write had an odd outcome', {
        kind: result.kind,
      });
  }
}

function checkPossession(
  context: ServiceContext,
  peer: AttestedPeer<PeerClaims>,
  publicKey: Uint8Array,
  signature: Uint8Array,
): void {
  const holds = context.crypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey,
    data: possessionBytes(peer.channelBinding),
    signature,
  });
  if (holds) return;
  const message = 'the request is not signed by the key that it wants certified';
  throw new PublicError('INVALID_ARGUMENT', 'POSSESSION_NOT_PROVED', message);
}

/**
 * The idempotency key in the log. It covers whom it is for, the generation and the steps of
 * rotations, so that nobody can take another's key, and a retry under newer ones gets a certificate
 * of those.
 */
function keyOf(
  context: ServiceContext,
  bytes: Uint8Array,
  spkiSha256: string,
  workload: string,
  [number, steps]: readonly [generation: number, steps: number],
): ReturnType<typeof requestKey> {
  if (bytes.byteLength !== 16) {
    const fields = { expected: 16, found: bytes.byteLength };
    const message = 'a request key has 16 bytes';
    throw new PublicError('INVALID_ARGUMENT', 'REQUEST_KEY_MALFORMED', message, fields);
  }
  const scope = new CanonicalWriter()
    .text('witan/v1/issue-key')
    .fixed(bytes)
    .text(spkiSha256)
    .text(workload)
    .u64(number)
    .u64(steps)
    .finish();
  return requestKey(context.crypto.hash('sha256', scope).subarray(0, 16));
}

function digest(context: ServiceContext, bytes: Uint8Array): ReturnType<typeof sha256Hex> {
  return sha256Hex(toHex(context.crypto.hash('sha256', bytes)));
}

function refused(code: string): PublicError {
  return new PublicError('PERMISSION_DENIED', code, 'the workload gets nothing');
}
