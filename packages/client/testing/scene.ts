/** A test cluster with its hardware, owners and manifests. */
import type { KeyObject } from 'node:crypto';
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import { utf8, type ClusterId, type Sha256Hex } from '@witan/core';
import {
  generateOwnerKeyPair,
  loadOwnerPrivateKey,
  nodeCrypto,
  signP256,
  type OwnerKeyPair,
} from '@witan/keys';
import {
  approvalBytes,
  parseManifest,
  type Approval,
  type ValidatedManifest,
} from '@witan/manifest';
import { createClient, type Client, type ClientOptions } from '../src/index.ts';
import { TestCluster } from './cluster.ts';
import { COORDINATOR, makeHardware, makeIdentity, type Hardware, type Launch } from './hardware.ts';
import { startReplica, type TestReplica } from './replica.ts';

export const WORKLOAD: Launch = { measurement: 'ab'.repeat(48), hostData: 'ba'.repeat(32) };

export interface Owner {
  readonly name: string;
  readonly pair: OwnerKeyPair;
  readonly privateKey: KeyObject;
}

export function makeOwner(name: string): Owner {
  const pair = generateOwnerKeyPair();
  return { name, pair, privateKey: loadOwnerPrivateKey(pair.privateKeyPem) };
}

export class Scene {
  readonly hardware: Hardware;
  readonly cluster: TestCluster = new TestCluster();
  readonly alice: Owner = makeOwner('alice');
  readonly replicas: TestReplica[] = [];
  readonly #clients: Client[] = [];

  /** @param hardware made once for a file, because its RSA keys take a while */
  constructor(hardware: Hardware = makeHardware()) {
    this.hardware = hardware;
  }

  async start(
    launch: Launch = COORDINATOR,
    cluster: TestCluster = this.cluster,
    port = 0,
  ): Promise<TestReplica> {
    const replica = await startReplica({
      cluster,
      identity: await makeIdentity(),
      prover: this.hardware.prover(launch),
      slot: `witan-${this.replicas.length}`,
      port,
    });
    this.replicas.push(replica);
    return replica;
  }

  manifestJson(changes: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    return {
      apiVersion: 'witan.dev/v1',
      coordinators: [this.hardware.referenceValues(COORDINATOR)],
      workloads: {
        web: {
          referenceValues: [this.hardware.referenceValues(WORKLOAD)],
          dnsNames: ['web', 'web.shop.svc'],
          ipAddresses: ['10.0.0.1', 'fd00::1'],
          secrets: ['database', 'session'],
        },
      },
      owners: [{ name: 'alice', publicKey: this.alice.pair.publicKeyPem, roles: ['update'] }],
      updateThreshold: 1,
      ...changes,
    };
  }

  manifest(changes: Readonly<Record<string, unknown>> = {}): ValidatedManifest<ReferenceValues> {
    const bytes = utf8(JSON.stringify(this.manifestJson(changes)));
    return parseManifest(bytes, { parseReferenceValues, crypto: nodeCrypto });
  }

  approve(
    clusterId: ClusterId,
    previousTransition: Sha256Hex,
    manifest: ValidatedManifest<ReferenceValues>,
    owner: Owner = this.alice,
  ): Approval {
    const subject = { clusterId, previousTransition, manifestDigest: manifest.digest };
    return {
      ownerFingerprint: owner.pair.fingerprint,
      signature: signP256(owner.privateKey, approvalBytes(subject)),
    };
  }

  /** Sets a manifest as an owner does. */
  async set(
    client: Client,
    manifest: ValidatedManifest<ReferenceValues>,
  ): Promise<Awaited<ReturnType<Client['setManifest']>>> {
    const { clusterId, transitionHash } = await client.getDeployment();
    const approvals = [this.approve(clusterId, transitionHash, manifest)];
    const previousTransition = transitionHash;
    return await client.setManifest({ clusterId, previousTransition, manifest, approvals });
  }

  client(options: Partial<ClientOptions> = {}): Client {
    const client = createClient({
      endpoints: this.replicas.map(({ address }) => address),
      coordinators: this.manifest().coordinators,
      timeoutMs: 5_000,
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.replicas.map((replica) => replica.close()));
  }
}
