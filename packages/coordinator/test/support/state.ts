/** A replica's state with real keys, and what a leader makes of requests: no network, no log. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import {
  clusterId,
  epoch,
  incarnationId,
  sha256Hex,
  slotName,
  unixMillis,
  utf8,
  type Clock,
} from '@witan/core';
import {
  createSeed,
  nodeCrypto,
  publicKeyPemOf,
  signP256,
  spkiFingerprint,
  spkiOf,
  type Seed,
} from '@witan/keys';
import {
  approvalBytes,
  manifestDigest,
  rotationBytes,
  type Approval,
  type RotationStep,
} from '@witan/manifest';
import type { Prepared } from '@witan/replica';
import {
  nodeIdOf,
  requestKey,
  StateMachine,
  type CommandResult,
  type RequestKey,
} from '@witan/state-machine';
import { prepareOperation, type Operation } from '../../src/operations.ts';

const CLUSTER = clusterId('c'.repeat(64));

/** One replica that leads itself, with an owner who approves everything. */
export class LeaderState {
  readonly seed: Seed = createSeed();
  readonly machine: StateMachine<ReferenceValues>;
  /** Certificates at a time; what the state holds where absent. */
  issuedMax: number | undefined;
  /** The leader's clock, in milliseconds since 1970. */
  nowMs: number = Date.now();
  readonly clock: Clock = { now: () => unixMillis(this.nowMs) };
  readonly #owner: { readonly privateKey: KeyObject; readonly publicKey: KeyObject } =
    generateKeyPairSync('ec', { namedCurve: 'P-256' });
  #requests = 0;

  constructor() {
    const incarnation = incarnationId('1'.repeat(64));
    const slot = slotName('witan-0');
    const member = { slot, incarnation, nodeId: nodeIdOf(incarnation), address: 'witan-0:1' };
    const genesis = { clusterId: CLUSTER, epoch: epoch(1), slots: [slot], members: [member] };
    const options = { parseReferenceValues, crypto: nodeCrypto };
    this.machine = StateMachine.genesis(genesis, options);
  }

  /** Sets a manifest with these workloads, each with what a pod's measured document gives it. */
  async set(workloads: Readonly<Record<string, object>>): Promise<CommandResult> {
    const { head: previousTransition } = this.machine;
    const manifest = this.#manifest(workloads);
    const digest = manifestDigest(manifest, nodeCrypto);
    const content = approvalBytes({
      clusterId: CLUSTER,
      previousTransition,
      manifestDigest: digest,
    });
    const approvals = [this.#approve(content)];
    return await this.run({
      kind: 'set-manifest',
      requestKey: this.newKey(),
      manifest,
      previousTransition,
      approvals,
    });
  }

  /** Has a certificate recorded for a workload. */
  async issue(workload: string, requestKey = this.newKey()): Promise<CommandResult> {
    return await this.run({
      kind: 'issue',
      requestKey,
      workload,
      spkiSha256: sha256Hex('51'.repeat(32)),
      evidenceSha256: sha256Hex('e1'.repeat(32)),
      generation: this.machine.generation,
      servedBy: slotName('witan-0'),
      measurement: 'c0'.repeat(48),
    });
  }

  /** What the leader answers, or what comes of the command that it proposes. */
  async run(operation: Operation): Promise<CommandResult> {
    const prepared = await this.#prepare(operation);
    return prepared.kind === 'answer' ? prepared.result : this.apply(prepared.command);
  }

  /** What the leader would propose for a step of a rotation that the owner approves. */
  async stepCommand(step: RotationStep): Promise<Uint8Array> {
    const { clusterId: id, epoch: era, head: previousTransition, rotations } = this.machine;
    const number = rotations.records.length;
    const content = rotationBytes({ clusterId: id, epoch: era, previousTransition, number, step });
    const approvals = [this.#approve(content)];
    const requestKey = this.newKey();
    const operation = { kind: 'rotate', requestKey, previousTransition, number, step } as const;
    const prepared = await this.#prepare({ ...operation, approvals });
    if (prepared.kind === 'command') return prepared.command;
    throw new Error(JSON.stringify(prepared.result));
  }

  /** What comes of a command. */
  apply(command: Uint8Array): CommandResult {
    const { machine } = this;
    return machine.apply(machine.appliedIndex + 1, command, nodeCrypto).result;
  }

  /** @throws unless the result is of the kind */
  async must(kind: CommandResult['kind'], write: Promise<CommandResult>): Promise<void> {
    const result = await write;
    if (result.kind !== kind) throw new Error(`${kind} expected: ${JSON.stringify(result)}`);
  }

  newKey(): RequestKey {
    this.#requests += 1;
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setUint32(0, this.#requests);
    return requestKey(bytes);
  }

  async #prepare(operation: Operation): Promise<Prepared<CommandResult>> {
    const { seed, machine: view, clock, issuedMax } = this;
    const confirm = (): Promise<void> => Promise.resolve();
    const require = () => Promise.resolve(undefined);
    const limit = issuedMax === undefined ? {} : { issuedMax };
    const seeds = { seedOf: () => seed, candidateOf: () => undefined };
    const options = { ...seeds, view, confirm, require, crypto: nodeCrypto, clock, ...limit };
    return await prepareOperation(operation, options);
  }

  #approve(content: Uint8Array): Approval {
    const { publicKey, privateKey } = this.#owner;
    const ownerFingerprint = spkiFingerprint(spkiOf(publicKey));
    return { ownerFingerprint, signature: signP256(privateKey, content) };
  }

  #manifest(workloads: Readonly<Record<string, object>>): Uint8Array {
    const referenceValues = {
      tee: 'snp',
      hostData: '00'.repeat(32),
      measurement: ['c0'.repeat(48)],
      products: ['Genoa'],
      minimumTcb: { bootloader: 1, tee: 0, snp: 1, microcode: 1 },
    };
    const entries = Object.entries(workloads).map(([name, fields]) => [
      name,
      { referenceValues: [referenceValues], ...fields },
    ]);
    const publicKey = publicKeyPemOf(this.#owner.publicKey);
    const document = {
      apiVersion: 'witan.dev/v1',
      coordinators: [referenceValues],
      workloads: Object.fromEntries(entries) as object,
      owners: [{ name: 'alice', publicKey, roles: ['update'] }],
      updateThreshold: 1,
    };
    return utf8(JSON.stringify(document));
  }
}
