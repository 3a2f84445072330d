import { PublicError } from '@witan/transport';
import { describe, expect, it } from 'vitest';
import { type ClientEvent } from '../src/index.ts';
import { DEAD, IMPOSTER, Stage, code } from './support/stage.ts';

const stage = new Stage();

describe('finding a replica', () => {
  it('moves on from endpoints that are closed or silent', async () => {
    await stage.withReplicas(1);
    const endpoints = [
      DEAD,
      await stage.blackHole(),
      ...stage.scene.replicas.map(({ address }) => address),
    ];
    const client = stage.scene.client({ endpoints, connectTimeoutMs: 300 });
    expect((await client.getDeployment()).kind).toBe('founded');
  });

  it('gives up at its deadline when nobody answers', async () => {
    await stage.withReplicas(0);
    const client = stage.scene.client({ endpoints: [DEAD], timeoutMs: 400 });
    const started = performance.now();
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_UNREACHABLE'));
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  it('says nothing to a Coordinator of another measurement (I1)', async () => {
    stage.empty();
    const replica = await stage.scene.start(IMPOSTER);
    await expect(stage.scene.client().getDeployment()).rejects.toThrow(
      code('CLIENT_COORDINATOR_REFUSED'),
    );
    expect(replica.calls).toEqual([]);
  });

  it('uses the genuine replica beside an imposter, and reports the imposter', async () => {
    stage.empty();
    const imposter = await stage.scene.start(IMPOSTER);
    const genuine = await stage.scene.start();
    for (let i = 0; i < 4; i += 1) await stage.scene.client().getDeployment();
    expect(imposter.calls).toEqual([]);
    expect(genuine.calls).toHaveLength(4);
  });

  it('refuses the simulated TEE when told to, whatever the manifest lists (I11)', async () => {
    await stage.withReplicas(1);
    const client = stage.scene.client({ developmentRoots: 'refused' });
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_COORDINATOR_REFUSED'));
  });

  it('reports that the TEE is simulated (I11)', async () => {
    await stage.withReplicas(1);
    const events: ClientEvent[] = [];
    const client = stage.scene.client({ onEvent: (event) => events.push(event) });
    expect((await client.getDeployment()).simulated).toBe(true);
    expect(events.map(({ kind }) => kind)).toContain('simulated-tee');
  });

  it('takes the address of a leader as a hint that is attested like any other', async () => {
    stage.empty();
    const follower = await stage.scene.start();
    const leader = await stage.scene.start();
    follower.faults.before = () => {
      const fields = { address: leader.address };
      throw new PublicError('UNAVAILABLE', 'NOT_LEADER', 'not me', fields);
    };
    const client = stage.scene.client({ endpoints: [follower.address] });
    expect((await client.getDeployment()).replica.endpoint).toBe(leader.address);
  });

  it('does not believe an imposter that a replica names as the leader', async () => {
    stage.empty();
    const follower = await stage.scene.start();
    const imposter = await stage.scene.start(IMPOSTER);
    follower.faults.before = () => {
      const fields = { address: imposter.address };
      throw new PublicError('UNAVAILABLE', 'NOT_LEADER', 'not me', fields);
    };
    const client = stage.scene.client({ endpoints: [follower.address], timeoutMs: 1_000 });
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_COORDINATOR_REFUSED'));
    expect(imposter.calls).toEqual([]);
  });

  it('stops at once when it is aborted', async () => {
    await stage.withReplicas(0);
    const abort = new AbortController();
    const client = stage.scene.client({ endpoints: [DEAD], signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_ABORTED'));
  });

  it.each([[[]], [['nonsense']], [['host:0']], [['host:70000']], [['a b:1']]])(
    'refuses the endpoints %j',
    async (endpoints) => {
      await stage.withReplicas(0);
      expect(() => stage.scene.client({ endpoints })).toThrow(code('CLIENT_ENDPOINTS_INVALID'));
    },
  );
});

describe('status', () => {
  it('is asked of every endpoint, and shows those that do not answer', async () => {
    await stage.settled(2);
    const endpoints = [...stage.scene.replicas.map(({ address }) => address), DEAD];
    const statuses = await stage.scene.client({ endpoints }).getStatus();
    expect(statuses.map(({ kind }) => kind)).toEqual(['ok', 'ok', 'failed']);
    expect(statuses[0]).toMatchObject({
      status: { slot: 'witan-0', phase: 'serving', simulated: true },
    });
  });
});
