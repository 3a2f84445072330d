import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { toHex, type Crypto } from '@witan/core';
import { nodeCrypto, spkiOf } from '@witan/keys';
import { Scene, WORKLOAD } from '@witan/client/testing';
import { describe, expect, it } from 'vitest';
import { type Client } from '../src/index.ts';
import { Stage, code } from './support/stage.ts';

const stage = new Stage();

describe('credentials', () => {
  const key = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const initializer = (): Client => stage.scene.client({ prover: stage.hardware.prover(WORKLOAD) });

  it('come with certificate, secrets and the manifest, all verified', async () => {
    await stage.settled(1);
    const credentials = await initializer().issueCredentials({ privateKey: key() });
    expect(credentials.workload).toBe('web');
    expect([...credentials.secrets.keys()]).toEqual(['database', 'session']);
    expect(credentials.secrets.get('database')?.byteLength).toBe(32);
    expect(credentials.simulated).toBe(true);
  });

  it('take one check of P-384 and four of RSA of a client that knows nothing (I1)', async () => {
    await stage.settled(1);
    const prover = stage.hardware.prover(WORKLOAD);
    const counted: Record<string, number> = {};
    const verify: Crypto['verify'] = (check) => {
      counted[check.algorithm] = (counted[check.algorithm] ?? 0) + 1;
      return nodeCrypto.verify(check);
    };
    const client = stage.scene.client({ prover, crypto: { ...nodeCrypto, verify } });
    await client.issueCredentials({ privateKey: key() });
    // `npm run bench:mesh` counts on these: report; root, intermediate, key and list; mark.
    const first = { 'ecdsa-p384-sha384': 1, 'rsa-pss-sha384': 4, 'ecdsa-p256-sha256': 1 };
    expect(counted).toEqual(first);
    // The same channel again: nothing but the mark is new.
    await client.issueCredentials({ privateKey: key() });
    expect(counted).toEqual({ ...first, 'ecdsa-p256-sha256': 2 });
  });

  it('are refused to evidence that the manifest does not list', async () => {
    await stage.settled(1);
    const client = stage.scene.client({
      prover: stage.hardware.prover({ ...WORKLOAD, hostData: '00'.repeat(32) }),
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
    await stage.settled(1);
    const stolen = await initializer().issueCredentials({ privateKey: key() });
    const other = new Scene(stage.hardware);
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
        manifest: stage.scene.manifest({
          workloads: {
            web: {
              referenceValues: [stage.hardware.referenceValues(WORKLOAD)],
              dnsNames: ['bank'],
            },
          },
        }).bytes,
      },
      root: { rootCertificate: other.cluster.root?.certificateDer ?? new Uint8Array() },
      generation: { generation: 2n },
    }[fault];
    for (const { faults } of stage.scene.replicas)
      faults.issue = (answer) => ({ ...answer, ...changes });
    const client = stage.scene.client({ prover: stage.hardware.prover(WORKLOAD) });
    await expect(client.issueCredentials({ privateKey: key() })).rejects.toThrow(code(expected));
    await other.close();
  });

  it('are for the key that was offered', async () => {
    await stage.settled(1);
    const privateKey = key();
    const { certificate } = await initializer().issueCredentials({ privateKey });
    expect(toHex(certificate)).toContain(toHex(spkiOf(privateKey)));
  });
});
