import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { clusterId, fromHex, generation, toHex, type Epoch } from '@witan/core';
import { spkiOf } from '@witan/keys';
import { PublicError } from '@witan/transport';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  memoryFloorStore,
  type Client,
  type ClientErrorCode,
  type ClientEvent,
} from '../src/index.ts';
import { TestCluster } from './support/cluster.ts';
import { COORDINATOR, makeHardware, type Hardware } from './support/hardware.ts';
import { Scene, WORKLOAD, makeOwner } from './support/scene.ts';

const IMPOSTER = { ...COORDINATOR, measurement: 'ee'.repeat(48) };

let hardware: Hardware;
let scene: Scene;
const servers: Server[] = [];

beforeAll(() => {
  hardware = makeHardware();
}, 60_000);

afterEach(async () => {
  await scene.close();
  for (const server of servers.splice(0)) server.close();
});

async function withReplicas(count: number): Promise<Scene> {
  scene = new Scene(hardware);
  for (let i = 0; i < count; i += 1) await scene.start();
  return scene;
}

async function settled(count = 1): Promise<Client> {
  await withReplicas(count);
  const client = scene.client();
  await scene.set(client, scene.manifest());
  return client;
}

function code(expected: ClientErrorCode): unknown {
  return expect.objectContaining({ code: expected });
}

/** Accepts connections and says nothing. */
async function blackHole(): Promise<string> {
  const server = createServer(() => undefined);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

const DEAD = '127.0.0.1:1';

describe('finding a replica', () => {
  it('moves on from endpoints that are closed or silent', async () => {
    await withReplicas(1);
    const endpoints = [DEAD, await blackHole(), ...scene.replicas.map(({ address }) => address)];
    const client = scene.client({ endpoints, connectTimeoutMs: 300 });
    expect((await client.getDeployment()).kind).toBe('founded');
  });

  it('gives up at its deadline when nobody answers', async () => {
    await withReplicas(0);
    const client = scene.client({ endpoints: [DEAD], timeoutMs: 400 });
    const started = performance.now();
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_UNREACHABLE'));
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  it('says nothing to a Coordinator of another measurement (I1)', async () => {
    scene = new Scene(hardware);
    const replica = await scene.start(IMPOSTER);
    await expect(scene.client().getDeployment()).rejects.toThrow(
      code('CLIENT_COORDINATOR_REFUSED'),
    );
    expect(replica.calls).toEqual([]);
  });

  it('uses the genuine replica beside an imposter, and reports the imposter', async () => {
    scene = new Scene(hardware);
    const imposter = await scene.start(IMPOSTER);
    const genuine = await scene.start();
    for (let i = 0; i < 4; i += 1) await scene.client().getDeployment();
    expect(imposter.calls).toEqual([]);
    expect(genuine.calls).toHaveLength(4);
  });

  it('refuses the simulated TEE when told to, whatever the manifest lists (I11)', async () => {
    await withReplicas(1);
    const client = scene.client({ developmentRoots: 'refused' });
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_COORDINATOR_REFUSED'));
  });

  it('reports that the TEE is simulated (I11)', async () => {
    await withReplicas(1);
    const events: ClientEvent[] = [];
    const client = scene.client({ onEvent: (event) => events.push(event) });
    expect((await client.getDeployment()).simulated).toBe(true);
    expect(events.map(({ kind }) => kind)).toContain('simulated-tee');
  });

  it('takes the address of a leader as a hint that is attested like any other', async () => {
    scene = new Scene(hardware);
    const follower = await scene.start();
    const leader = await scene.start();
    follower.faults.before = () => {
      const fields = { address: leader.address };
      throw new PublicError('UNAVAILABLE', 'NOT_LEADER', 'not me', fields);
    };
    const client = scene.client({ endpoints: [follower.address] });
    expect((await client.getDeployment()).replica.endpoint).toBe(leader.address);
  });

  it('does not believe an imposter that a replica names as the leader', async () => {
    scene = new Scene(hardware);
    const follower = await scene.start();
    const imposter = await scene.start(IMPOSTER);
    follower.faults.before = () => {
      const fields = { address: imposter.address };
      throw new PublicError('UNAVAILABLE', 'NOT_LEADER', 'not me', fields);
    };
    const client = scene.client({ endpoints: [follower.address], timeoutMs: 1_000 });
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_COORDINATOR_REFUSED'));
    expect(imposter.calls).toEqual([]);
  });

  it('stops at once when it is aborted', async () => {
    await withReplicas(0);
    const abort = new AbortController();
    const client = scene.client({ endpoints: [DEAD], signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_ABORTED'));
  });

  it.each([[[]], [['nonsense']], [['host:0']], [['host:70000']], [['a b:1']]])(
    'refuses the endpoints %j',
    async (endpoints) => {
      await withReplicas(0);
      expect(() => scene.client({ endpoints })).toThrow(code('CLIENT_ENDPOINTS_INVALID'));
    },
  );
});

describe('setting a manifest', () => {
  it('verifies and pins what comes back', async () => {
    await withReplicas(1);
    const store = memoryFloorStore();
    const client = scene.client({ store });
    const manifest = scene.manifest();
    const result = await scene.set(client, manifest);
    expect(result.transition.transition.manifestDigest).toBe(manifest.digest);
    expect(result.simulated).toBe(true);
    const pinned = await store.load(scene.cluster.clusterId);
    expect(pinned?.rootCertificate).toEqual(result.rootCertificate);
    expect(pinned?.floor.generation).toBe(1);
    expect(pinned?.manifest).toEqual(manifest.bytes);
    expect(pinned?.endpoints).toEqual([scene.replicas[0]?.address]);
  });

  it('is done once although its first answer was lost', async () => {
    await withReplicas(1);
    let lost = 0;
    for (const { faults } of scene.replicas) {
      faults.before = (method) => {
        if (method !== 'setManifest:answer' || lost > 0) return;
        lost += 1;
        throw new PublicError('UNAVAILABLE', 'REPLICA_TIMED_OUT', 'lost');
      };
    }
    const result = await scene.set(scene.client(), scene.manifest());
    expect(lost).toBe(1);
    expect(result.mark.generation).toBe(1);
    expect(scene.cluster.transitions).toHaveLength(1);
  });

  it('gives a conflict with both hashes when it builds on an old transition', async () => {
    const client = await settled();
    const manifest = scene.manifest({ workloads: {} });
    const { clusterId: cluster } = scene.cluster;
    const previousTransition = scene.manifest().digest;
    const approvals = [scene.approve(cluster, previousTransition, manifest)];
    const request = { clusterId: cluster, previousTransition, manifest, approvals };
    await expect(client.setManifest(request)).rejects.toThrow(
      expect.objectContaining({
        code: 'CLIENT_CONFLICT',
        fields: expect.objectContaining({
          expected: scene.cluster.head,
          found: previousTransition,
        }) as unknown,
      }),
    );
  });

  it('is not sent to a Coordinator that the manifest does not list', async () => {
    const client = await settled();
    const other = { ...COORDINATOR, measurement: 'dd'.repeat(48) };
    const manifest = scene.manifest({ coordinators: [hardware.referenceValues(other)] });
    await expect(scene.set(client, manifest)).rejects.toThrow(code('CLIENT_COORDINATOR_UNLISTED'));
    expect(scene.replicas[0]?.calls.filter((call) => call === 'setManifest')).toHaveLength(1);
  });

  it('shows why the Coordinator refuses it', async () => {
    await withReplicas(1);
    const client = scene.client();
    const manifest = scene.manifest();
    const { clusterId: cluster, transitionHash } = await client.getDeployment();
    const mallory = makeOwner('mallory');
    const approvals = [scene.approve(cluster, transitionHash, manifest, mallory)];
    const request = {
      clusterId: cluster,
      previousTransition: transitionHash,
      manifest,
      approvals,
    };
    await expect(client.setManifest(request)).rejects.toThrow(
      expect.objectContaining({
        code: 'CLIENT_REQUEST_REFUSED',
        fields: expect.objectContaining({ remoteCode: 'APPROVAL_UNKNOWN_OWNER' }) as unknown,
      }),
    );
  });

  it.each([
    ['transition', 'CLIENT_ANSWER_MALFORMED'],
    ['highWaterMark', 'CLIENT_MARK_INVALID'],
    ['rootCertificate', 'CLIENT_CERTIFICATE_INVALID'],
    ['meshCaCertificate', 'CLIENT_CERTIFICATE_INVALID'],
    ['historyPublicKey', 'CLIENT_MARK_INVALID'],
  ] as const)('refuses an answer without %s', async (part, expected) => {
    await withReplicas(1);
    for (const { faults } of scene.replicas) {
      faults.set = ({ [part]: _left, ...rest }) => rest;
    }
    await expect(scene.set(scene.client(), scene.manifest())).rejects.toThrow(code(expected));
  });

  it('refuses a transition that records another manifest', async () => {
    const client = await settled();
    for (const { faults } of scene.replicas) {
      faults.set = (answer) => ({ ...answer, transition: scene.cluster.wireTransition(1) });
    }
    const request = scene.set(client, scene.manifest({ workloads: {} }));
    await expect(request).rejects.toThrow(code('CLIENT_TRANSITION_INVALID'));
  });
});

describe('the floor (I6)', () => {
  const epochs = (number: number): Epoch => number as Epoch;

  it.each([
    ['a lower index', { commitIndex: 1 }, 'CLIENT_BELOW_FLOOR'],
    ['no generation', { generation: generation(0) }, 'CLIENT_BELOW_FLOOR'],
    ['another transition', { transitionHash: 'a'.repeat(64) as never }, 'CLIENT_HISTORY_FORKED'],
    ['another cluster', { clusterId: clusterId('b'.repeat(64)) }, 'CLIENT_OTHER_CLUSTER'],
  ] as const)('refuses a mark with %s', async (_what, changes, expected) => {
    const client = await settled();
    for (const { faults } of scene.replicas) {
      faults.deployment = (answer) => ({
        ...answer,
        highWaterMark: scene.cluster.mark(changes),
      });
    }
    await expect(client.getDeployment()).rejects.toThrow(code(expected));
  });

  it('refuses a lower epoch', async () => {
    const client = await settled();
    scene.cluster.epoch = 3;
    await client.getDeployment();
    scene.cluster.epoch = 2;
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_BELOW_FLOOR'));
    expect(client.known.floor?.epoch).toBe(epochs(3));
  });

  it('survives in a store, for another client', async () => {
    await withReplicas(1);
    const store = memoryFloorStore();
    await scene.set(scene.client({ store }), scene.manifest());
    scene.cluster.index -= 1;
    const [expected] = await store.list();
    if (expected === undefined) throw new Error('nothing was pinned');
    const later = scene.client({ expected });
    await expect(later.getDeployment()).rejects.toThrow(code('CLIENT_BELOW_FLOOR'));
  });

  it('in a store holds for a client that was told nothing else', async () => {
    await withReplicas(1);
    const store = memoryFloorStore();
    await scene.set(scene.client({ store }), scene.manifest());
    scene.cluster.index -= 1;
    const refused = code('CLIENT_BELOW_FLOOR');
    await expect(scene.client({ store }).getDeployment()).rejects.toThrow(refused);
    await expect(scene.client({ store }).getHistory()).rejects.toThrow(refused);
    const report = await scene.client({ store }).verify();
    expect(report.replicas[0]?.code).toBe('CLIENT_BELOW_FLOOR');
    scene.cluster.index += 1;
    scene.cluster.manifests.pop();
    scene.cluster.transitions.pop();
    await expect(scene.client({ store }).getDeployment()).rejects.toThrow(refused);
  });

  it('refuses a mark under another key', async () => {
    const client = await settled();
    const forger = new TestCluster();
    for (const { faults } of scene.replicas) {
      faults.deployment = (answer) => ({
        ...answer,
        highWaterMark: {
          mark: scene.cluster.mark().mark,
          signature: forger.mark().signature,
        },
      });
    }
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_MARK_INVALID'));
  });

  it('refuses a cluster that forgot its manifest', async () => {
    const client = await settled();
    scene.cluster.manifests.pop();
    scene.cluster.transitions.pop();
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_BELOW_FLOOR'));
  });

  it('refuses genuine Coordinators of another cluster (diversion)', async () => {
    const client = await settled();
    const { known } = client;
    const other = new Scene(hardware);
    await other.start();
    await other.set(other.client(), other.manifest());
    const endpoints = other.replicas.map(({ address }) => address);
    await expect(scene.client({ endpoints, expected: known }).getDeployment()).rejects.toThrow(
      code('CLIENT_OTHER_CLUSTER'),
    );
    await other.close();
  });
});

describe('an answer is refused that', () => {
  it.each([
    ['names another generation than its mark', { generation: 2n }, 'CLIENT_ANSWER_INCONSISTENT'],
    ['names another epoch than its mark', { epoch: 2n }, 'CLIENT_ANSWER_INCONSISTENT'],
    ['has a cluster id of a wrong length', { clusterId: fromHex('00') }, 'CLIENT_ANSWER_MALFORMED'],
    ['has a manifest that is none', { manifest: fromHex('7b') }, 'CLIENT_MANIFEST_INVALID'],
    ['has no root certificate', { rootCertificate: fromHex('') }, 'CLIENT_PIN_MISMATCH'],
    ['has no mesh CA', { meshCaCertificate: fromHex('30') }, 'CLIENT_CERTIFICATE_INVALID'],
    ['has another history key', { historyPublicKey: fromHex('00') }, 'CLIENT_PIN_MISMATCH'],
  ] as const)('%s', async (_what, changes, expected) => {
    const client = await settled();
    for (const { faults } of scene.replicas) {
      faults.deployment = (answer) => ({ ...answer, ...changes });
    }
    await expect(client.getDeployment()).rejects.toThrow(code(expected));
  });

  it('serves a manifest that does not list the Coordinator', async () => {
    const client = await settled();
    const other = { ...COORDINATOR, measurement: 'dd'.repeat(48) };
    const foreign = scene.manifest({ coordinators: [hardware.referenceValues(other)] });
    for (const { faults } of scene.replicas) {
      faults.deployment = (answer) => ({ ...answer, manifest: foreign.bytes });
    }
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_COORDINATOR_UNLISTED'));
  });
});

describe('the history', () => {
  it('is verified from the first transition on', async () => {
    const client = await settled();
    await scene.set(client, scene.manifest({ workloads: {} }));
    const { history } = await client.getHistory();
    expect(history.transitions.map(({ generation: number }) => number)).toEqual([1, 2]);
    expect(history.head).toBe(scene.cluster.head);
  });

  it('is an error before the first manifest', async () => {
    await withReplicas(1);
    await expect(scene.client().getHistory()).rejects.toThrow(code('CLIENT_NO_MANIFEST'));
  });

  it.each([
    ['is cut at the end', (length: number) => [0].slice(0, length - 1)],
    ['is cut at the beginning', () => [1]],
    ['repeats a transition', () => [0, 0]],
    ['changes the order', () => [1, 0]],
    ['is empty', () => []],
  ])('is refused when it %s', async (_what, pick: (length: number) => readonly number[]) => {
    const client = await settled();
    await scene.set(client, scene.manifest({ workloads: {} }));
    for (const { faults } of scene.replicas) {
      faults.history = (answer) => {
        const records = answer.records ?? [];
        return {
          ...answer,
          records: pick(records.length).map((at) => records[at] ?? {}),
        };
      };
    }
    await expect(client.getHistory()).rejects.toThrow(code('CLIENT_HISTORY_INVALID'));
  });

  it('is refused when it is long, consistent and not the one seen before', async () => {
    scene = new Scene(hardware);
    const fork = scene;
    await fork.start();
    const forkClient = fork.client();
    await fork.set(forkClient, fork.manifest({ workloads: {} }));
    await fork.set(forkClient, fork.manifest());
    const divided = scene.client({
      // Another first transition under the same key: what a rolled-back majority could show.
      expected: { ...forkClient.known, ...withFloor(fork) },
    });
    await expect(divided.getHistory()).rejects.toThrow(code('CLIENT_HISTORY_FORKED'));
  });

  function withFloor(fork: Scene): object {
    return {
      floor: {
        clusterId: fork.cluster.clusterId,
        epoch: 1,
        commitIndex: 1,
        generation: 1,
        transitionHash: 'f'.repeat(64),
      },
    };
  }
});

describe('verify', () => {
  it('passes for three replicas of one cluster and pins them', async () => {
    await settled(3);
    const store = memoryFloorStore();
    const report = await scene.client({ store }).verify(scene.manifest());
    expect(report.checks.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'replicas passed',
      'manifest passed',
      'anchors passed',
      'history passed',
      'approvals passed',
      'floor passed',
      'agreement passed',
      'epoch passed',
    ]);
    expect(report).toMatchObject({ ok: true, simulated: true, generation: 1 });
    expect(await store.list()).toHaveLength(1);
  });

  it('fails by name when another manifest is in force, and pins nothing', async () => {
    await settled(2);
    const store = memoryFloorStore();
    const expected = scene.manifest({ workloads: {} });
    const report = await scene.client({ store }).verify(expected);
    expect(report.ok).toBe(false);
    expect(report.checks.find(({ kind }) => kind === 'failed')).toMatchObject({
      name: 'manifest',
      expected: expected.digest,
      found: scene.cluster.manifest?.digest,
    });
    expect(await store.list()).toEqual([]);
  });

  it('fails when one of the replicas is an imposter', async () => {
    await settled(2);
    await scene.start(IMPOSTER);
    const report = await scene.client().verify();
    expect(report).toMatchObject({ ok: false, onlyUnreachable: false });
    expect(report.replicas.map(({ kind }) => kind)).toEqual(['verified', 'verified', 'refused']);
  });

  it('tells an unreachable replica from an untrusted one', async () => {
    await settled(1);
    const endpoints = [...scene.replicas.map(({ address }) => address), DEAD];
    const report = await scene.client({ endpoints }).verify();
    expect(report).toMatchObject({ ok: false, onlyUnreachable: true });
  });

  it('fails when a genuine replica of another cluster is among them', async () => {
    await settled(1);
    const other = new TestCluster();
    const stranger = await scene.start(COORDINATOR, other);
    const lone = scene.client({ endpoints: [stranger.address] });
    await scene.set(lone, scene.manifest());
    const report = await scene.client().verify();
    expect(report.ok).toBe(false);
    expect(report.checks.find(({ kind }) => kind === 'failed')?.name).toBe('agreement');
  });

  it('says so when there is no manifest yet', async () => {
    await withReplicas(1);
    const report = await scene.client().verify();
    expect(report.checks.find(({ kind }) => kind === 'failed')?.code).toBe('CLIENT_NO_MANIFEST');
  });

  it('shows that a cluster was recovered as a whole (I7)', async () => {
    await settled(1);
    scene.cluster.epoch = 2;
    const report = await scene.client().verify();
    expect(report.checks.find(({ name }) => name === 'epoch')?.detail).toContain('recovered');
  });
});

describe('credentials', () => {
  const key = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const initializer = (): Client => scene.client({ prover: hardware.prover(WORKLOAD) });

  it('come with certificate, secrets and the manifest, all verified', async () => {
    await settled(1);
    const credentials = await initializer().issueCredentials({ privateKey: key() });
    expect(credentials.workload).toBe('web');
    expect([...credentials.secrets.keys()]).toEqual(['database', 'session']);
    expect(credentials.secrets.get('database')?.byteLength).toBe(32);
    expect(credentials.simulated).toBe(true);
  });

  it('are refused to evidence that the manifest does not list', async () => {
    await settled(1);
    const client = scene.client({
      prover: hardware.prover({ ...WORKLOAD, hostData: '00'.repeat(32) }),
    });
    await expect(client.issueCredentials({ privateKey: key() })).rejects.toThrow(
      code('CLIENT_EVIDENCE_REFUSED'),
    );
  });

  it.each([
    ['a certificate of another key', 'certificate', 'CLIENT_CERTIFICATE_INVALID'],
    ['a secret that was not granted', 'secret', 'CLIENT_ANSWER_INCONSISTENT'],
    ['a secret of a wrong length', 'length', 'CLIENT_ANSWER_INCONSISTENT'],
    ['a secret too few', 'few', 'CLIENT_ANSWER_INCONSISTENT'],
    ['another workload', 'workload', 'CLIENT_ANSWER_INCONSISTENT'],
    ['another manifest', 'manifest', 'CLIENT_CERTIFICATE_INVALID'],
    ['another root', 'root', 'CLIENT_CERTIFICATE_INVALID'],
    ['a later generation', 'generation', 'CLIENT_ANSWER_INCONSISTENT'],
  ] as const)('are refused with %s', async (_what, fault, expected) => {
    await settled(1);
    const stolen = await initializer().issueCredentials({ privateKey: key() });
    const other = new Scene(hardware);
    await other.start();
    await other.set(other.client(), other.manifest());
    const secrets = [{ name: 'database', value: new Uint8Array(32) }];
    const changes = {
      certificate: { certificate: stolen.certificate },
      secret: { secrets: [...secrets, { name: 'root', value: new Uint8Array(32) }] },
      length: { secrets: [{ name: 'database', value: new Uint8Array(16) }] },
      few: { secrets },
      workload: { workload: 'db' },
      manifest: {
        manifest: scene.manifest({
          workloads: {
            web: { referenceValues: [hardware.referenceValues(WORKLOAD)], dnsNames: ['bank'] },
          },
        }).bytes,
      },
      root: { rootCertificate: other.cluster.root?.certificateDer ?? new Uint8Array() },
      generation: { generation: 2n },
    }[fault];
    for (const { faults } of scene.replicas) faults.issue = (answer) => ({ ...answer, ...changes });
    const client = scene.client({ prover: hardware.prover(WORKLOAD) });
    await expect(client.issueCredentials({ privateKey: key() })).rejects.toThrow(code(expected));
    await other.close();
  });

  it('are for the key that was offered', async () => {
    await settled(1);
    const privateKey = key();
    const { certificate } = await initializer().issueCredentials({ privateKey });
    expect(toHex(certificate)).toContain(toHex(spkiOf(privateKey)));
  });
});

describe('status', () => {
  it('is asked of every endpoint, and shows those that do not answer', async () => {
    await settled(2);
    const endpoints = [...scene.replicas.map(({ address }) => address), DEAD];
    const statuses = await scene.client({ endpoints }).getStatus();
    expect(statuses.map(({ kind }) => kind)).toEqual(['ok', 'ok', 'failed']);
    expect(statuses[0]).toMatchObject({
      status: { slot: 'witan-0', phase: 'serving', simulated: true },
    });
  });
});
