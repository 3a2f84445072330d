/** One replica of a test cluster: an attested server with the real services' behaviour. */
import { appraise, decodeEvidence, type Claims, type ReferenceValues } from '@witan/attestation';
import { concatBytes, fromHex, unixMillis, utf8 } from '@witan/core';
import { create } from '@bufbuild/protobuf';
import {
  deriveSecret,
  issueLeafCertificate,
  nodeCrypto,
  randomSerial,
  spkiOf,
  systemClock,
  workloadSpiffeId,
} from '@witan/keys';
import { encodeSeedLink } from '@witan/manifest';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import {
  GetStatusResponse_Phase,
  UserService,
  WorkloadService,
  type GetApprovedChangesResponseSchema,
  type GetConsistencyResponseSchema,
  type GetDeploymentResponseSchema,
  GetHistoryRequestSchema,
  type GetHistoryRequest,
  type GetHistoryResponseSchema,
  type GetLeavesResponseSchema,
  type GetStatusResponseSchema,
  type GetTrustResponseSchema,
  type IssueCredentialsRequest,
  type IssueCredentialsResponseSchema,
  type SetManifestResponseSchema,
} from '@witan/protocol';
import {
  PublicError,
  createAttestedServer,
  serviceRegistration,
  type AttestedPeer,
  type ChannelIdentity,
  type ChannelProver,
  type ChannelVerifier,
  type ServiceRegistration,
} from '@witan/transport';
import { auditService } from './audit.ts';
import type { TestCluster } from './cluster.ts';
import { lostStatus, recoveryService } from './loss.ts';

/** The plain form of a message: what a handler returns. */
type Plain<Schema extends DescMessage> = Exclude<MessageInitShape<Schema>, MessageShape<Schema>>;
type Change<Schema extends DescMessage> = (answer: Plain<Schema>) => Plain<Schema>;

/** Changes answers, or throws in place of one. */
export interface Faults {
  before?: (method: string) => Promise<void> | void;
  deployment?: Change<typeof GetDeploymentResponseSchema>;
  history?: Change<typeof GetHistoryResponseSchema>;
  status?: Change<typeof GetStatusResponseSchema>;
  set?: Change<typeof SetManifestResponseSchema>;
  issue?: Change<typeof IssueCredentialsResponseSchema>;
  trust?: Change<typeof GetTrustResponseSchema>;
  leaves?: Change<typeof GetLeavesResponseSchema>;
  consistency?: Change<typeof GetConsistencyResponseSchema>;
  changes?: Change<typeof GetApprovedChangesResponseSchema>;
  /** In place of the lifetime in the manifest. */
  lifetimeMs?: number;
}

export interface TestReplica {
  readonly address: string;
  /** May be changed at any time. */
  readonly faults: Faults;
  /** Names of the methods that were called, in order. */
  readonly calls: string[];
  close(): Promise<void>;
}

export interface TestReplicaOptions {
  readonly cluster: TestCluster;
  readonly identity: ChannelIdentity;
  readonly prover: ChannelProver;
  readonly slot: string;
  readonly port?: number;
}

type Peer = AttestedPeer<Claims>;

export async function startReplica(options: TestReplicaOptions): Promise<TestReplica> {
  const { cluster } = options;
  const faults: Faults = {};
  const calls: string[] = [];
  const enter = async (method: string): Promise<void> => {
    calls.push(method);
    await faults.before?.(method);
  };
  const server = createAttestedServer<Claims>({
    identity: options.identity,
    prover: options.prover,
    verifiers: { initializer: workloadVerifier(cluster) },
    helloClusterId: () => cluster.idBytes(),
    services: (peer) =>
      peer.role === 'initializer'
        ? [workloadService(cluster, faults, enter)]
        : [
            userService(cluster, faults, enter, options.slot),
            recoveryService(cluster, enter),
            auditService(cluster, faults, enter),
          ],
    clock: systemClock,
    onEvent: () => undefined,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  return { address: `127.0.0.1:${port}`, faults, calls, close: () => server.close(0) };
}

function userService(
  cluster: TestCluster,
  faults: Faults,
  enter: (method: string) => Promise<void>,
  slot: string,
): ServiceRegistration<Claims> {
  return serviceRegistration<typeof UserService, Claims>(UserService, {
    setManifest: async (request) => {
      await enter('setManifest');
      const number = await cluster.set(request);
      await faults.before?.('setManifest:answer');
      const answer = {
        transition: cluster.wireTransition(number),
        ...anchorsOf(cluster),
        highWaterMark: cluster.mark(),
        recoveryHeader: cluster.wireRecoveryHeader(),
      };
      return faults.set?.(answer) ?? answer;
    },
    getDeployment: async () => {
      await enter('getDeployment');
      const answer = {
        clusterId: cluster.idBytes(),
        epoch: BigInt(cluster.epoch),
        generation: BigInt(cluster.manifests.length),
        manifest: cluster.manifest?.bytes ?? new Uint8Array(),
        ...anchorsOf(cluster),
        transitionHash: fromHex(cluster.head),
        simulated: true,
        recoveryHeader: cluster.wireRecoveryHeader(),
        ...cluster.wireRecoveries().at(-1),
        ...(cluster.manifest === undefined ? {} : { highWaterMark: cluster.mark() }),
      };
      return faults.deployment?.(answer) ?? answer;
    },
    getHistory: async (request) => {
      await enter('getHistory');
      if (cluster.manifest === undefined) {
        throw new PublicError('FAILED_PRECONDITION', 'NO_MANIFEST', 'none yet');
      }
      const answer = historyOf(cluster, request);
      return faults.history?.(answer) ?? answer;
    },
    getStatus: async () => {
      await enter('getStatus');
      const founded = cluster.manifest === undefined;
      if (cluster.loss !== undefined) return { slot, ...lostStatus(cluster.loss) };
      const answer = {
        slot,
        phase: founded ? GetStatusResponse_Phase.FOUNDED : GetStatusResponse_Phase.SERVING,
        explanation: founded ? 'Set a manifest with `witan set`.' : 'Serving.',
        clusterId: cluster.idBytes(),
        epoch: BigInt(cluster.epoch),
        term: 2n,
        commitIndex: BigInt(cluster.index),
        appliedIndex: BigInt(cluster.index),
        generation: BigInt(cluster.manifests.length),
        slots: ['witan-0', 'witan-1', 'witan-2'],
        simulated: true,
        version: '0.1.0',
        members: [],
        ...(founded ? {} : { highWaterMark: cluster.mark(), highWaterMarkConfirmed: true }),
      };
      return faults.status?.(answer) ?? answer;
    },
  });
}

function historyOf(
  cluster: TestCluster,
  request: GetHistoryRequest,
): Plain<typeof GetHistoryResponseSchema> {
  const from = Math.max(1, Number(request.fromGeneration));
  const to = Number(request.toGeneration) || cluster.transitions.length;
  return {
    records: cluster.manifests.slice(from - 1, to).map(({ bytes }, at) => ({
      transition: cluster.wireTransition(from + at),
      ...(request.withManifests ? { manifest: bytes } : {}),
    })),
    historyPublicKey: cluster.historyPublicKey,
    highWaterMark: cluster.mark(),
    recoveries: cluster.wireRecoveries().map(({ recovery }) => recovery),
    seedLinks: cluster.seedLinks.map(encodeSeedLink),
    foundingPublicKey: foundingKeyOf(cluster),
  };
}

function foundingKeyOf({ formerKeys }: TestCluster): Uint8Array {
  const [first] = formerKeys;
  return first === undefined ? new Uint8Array() : spkiOf(first);
}

function anchorsOf(cluster: TestCluster): {
  rootCertificate: Uint8Array;
  meshCaCertificate: Uint8Array;
  historyPublicKey: Uint8Array;
} {
  return {
    rootCertificate: cluster.root?.certificateDer ?? new Uint8Array(),
    meshCaCertificate: cluster.meshCa?.certificateDer ?? new Uint8Array(),
    historyPublicKey: cluster.manifest === undefined ? new Uint8Array() : cluster.historyPublicKey,
  };
}

function workloadService(
  cluster: TestCluster,
  faults: Faults,
  enter: (method: string) => Promise<void>,
): ServiceRegistration<Claims> {
  return serviceRegistration<typeof WorkloadService, Claims>(WorkloadService, {
    issueCredentials: async (request, { peer }) => {
      await enter('issueCredentials');
      const answer = await issue(cluster, request, peer, faults.lifetimeMs);
      return faults.issue?.(answer) ?? answer;
    },
    followHistory: async (request) => {
      await enter('followHistory');
      const answer = historyOf(cluster, request.asked ?? create(GetHistoryRequestSchema));
      return { history: faults.history?.(answer) ?? answer };
    },
    getTrust: async () => {
      await enter('getTrust');
      const { rootCertificate, meshCaCertificate, historyPublicKey } = anchorsOf(cluster);
      const highWaterMark = cluster.mark();
      const anchors = { rootCertificate, meshCaCertificate, historyPublicKey, highWaterMark };
      const answer = { ...anchors, clusterId: cluster.idBytes(), trust: { version: 1n } };
      return faults.trust?.(answer) ?? answer;
    },
  });
}

async function issue(
  cluster: TestCluster,
  request: IssueCredentialsRequest,
  peer: Peer,
  lifetimeMs?: number,
): Promise<Plain<typeof IssueCredentialsResponseSchema>> {
  const { manifest, meshCa, root } = cluster;
  const proved = nodeCrypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey: request.publicKey,
    data: concatBytes(utf8('witan/v1/possession'), peer.channelBinding),
    signature: request.proofOfPossession,
  });
  if (!proved) throw new PublicError('INVALID_ARGUMENT', 'POSSESSION_NOT_PROVED', 'no');
  const hostData = peer.claims?.configDigest;
  const workload = [...(manifest?.workloads.values() ?? [])].find(({ referenceValues }) =>
    referenceValues.some((values) => values.tee === 'snp' && values.hostData === hostData),
  );
  if (manifest === undefined || meshCa === undefined || root === undefined || !workload) {
    throw new PublicError('PERMISSION_DENIED', 'EVIDENCE_REFUSED', 'no');
  }
  const lasting = lifetimeMs ?? workload.certificateLifetimeSeconds * 1000;
  const notAfter = unixMillis(Date.now() + lasting);
  return {
    workload: workload.name,
    certificate: issueLeafCertificate(meshCa, {
      subjectSpki: request.publicKey,
      commonName: workload.name,
      dnsNames: workload.dnsNames,
      ipAddresses: workload.ipAddresses,
      uri: workloadSpiffeId(`witan-${cluster.clusterId.slice(0, 16)}`, workload.name),
      serial: randomSerial(),
      notBefore: unixMillis(Date.now() - 60_000),
      notAfter,
      simulated: true,
    }),
    meshCaCertificate: meshCa.certificateDer,
    rootCertificate: root.certificateDer,
    secrets: workload.secrets.map(({ name }) => ({
      name,
      version: 1,
      value: Uint8Array.from(
        deriveSecret(
          cluster.seed,
          cluster.clusterId,
          { kind: 'workload', workload: workload.name },
          name,
          1,
        ).expose(),
      ),
    })),
    clusterId: cluster.idBytes(),
    generation: BigInt(cluster.manifests.length),
    historyPublicKey: cluster.historyPublicKey,
    highWaterMark: cluster.mark(),
    manifest: manifest.bytes,
    notAfterMs: BigInt(notAfter),
    trust: { version: 1n },
  };
}

/** Accepts evidence that fits some workload of the manifest in force. */
function workloadVerifier(cluster: TestCluster): ChannelVerifier<Claims> {
  return {
    evidenceTypes: ['snp', 'tdx'],
    verify: ({ evidence, expectedReportData }) => {
      const values: readonly ReferenceValues[] = [
        ...(cluster.manifest?.workloads.values() ?? []),
      ].flatMap(({ referenceValues }) => referenceValues);
      const result = appraise(decodeEvidence(evidence), values, {
        now: systemClock.now(),
        crypto: nodeCrypto,
        expectedReportData,
        revocation: 'if-present',
        developmentRoots: 'as-listed',
      });
      return Promise.resolve(
        result.kind === 'accepted'
          ? { ok: true, claims: result.claims, validUntilMs: result.validUntil }
          : { ok: false, code: result.code, detail: '' },
      );
    },
  };
}
