/**
 * What the cryptography of one certificate takes by itself on this machine: the bound to compare
 * with, and the parts that no code of ours could leave out.
 */
import {
  constants,
  generateKeyPairSync,
  sign,
  verify,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { connect, createSecureContext, createServer } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { createIncarnationIdentity } from '@witan/keys';

/**
 * Verifications for a new channel and a certificate, of a pod that remembers nothing and a
 * Coordinator that knows the pod's chip. Tests of `client` (credentials) and `coordinator` (rules)
 * count them.
 */
export const VERIFICATIONS = {
  /** The Coordinator's report at the pod, and the pod's at the Coordinator. */
  p384: 2,
  /** Root, intermediate, endorsement key and revocation list of AMD, at the pod. */
  rsa4096: 4,
} as const;

const ROUNDS = 200;

/** P-384 verifications a second on all cores at once, by wall clock. */
export async function verificationsAlone(durationMs: number): Promise<number> {
  const worker = new URL('verify-alone.ts', import.meta.url);
  const counts = Array.from({ length: availableParallelism() }, async () => {
    const running = new Worker(worker, { workerData: durationMs });
    return await new Promise<number>((resolve, reject) => {
      running.once('message', resolve);
      running.once('error', reject);
    });
  });
  const all = await Promise.all(counts);
  return all.reduce((sum, rate) => sum + rate, 0);
}

/** Milliseconds of CPU. */
export interface Parts {
  readonly verifyP384: number;
  readonly signP384: number;
  readonly verifyRsa4096: number;
  /** Both ends of a handshake of TLS 1.3 with P-256 certificates on both, and its end. */
  readonly handshake: number;
}

/** Measures each part alone in this process. */
export async function measureParts(): Promise<Parts> {
  const data = Buffer.alloc(0x2a0, 7);
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const ofEc = sign('sha384', data, ec.privateKey);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 4096 });
  const pss = (key: KeyObject) =>
    ({ key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 }) as const;
  const ofRsa = sign('sha384', data, pss(rsa.privateKey));
  return {
    verifyP384: await cpuMs(() => verify('sha384', data, ec.publicKey, ofEc)),
    signP384: await cpuMs(() => sign('sha384', data, ec.privateKey)),
    verifyRsa4096: await cpuMs(() => verify('sha384', data, pss(rsa.publicKey), ofRsa)),
    handshake: await handshakeMs(),
  };
}

/** What is left of a certificate when everything is free but that which attestation demands. */
export function partsPerCertificate(parts: Parts): number {
  const { p384, rsa4096 } = VERIFICATIONS;
  // Each report is signed once, here by the simulated processor on the same cores.
  const reports = p384 * (parts.verifyP384 + parts.signP384);
  return reports + rsa4096 * parts.verifyRsa4096 + parts.handshake;
}

async function cpuMs(work: () => unknown, rounds = ROUNDS): Promise<number> {
  for (let round = 0; round < rounds / 4; round += 1) await work();
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / rounds;
}

async function handshakeMs(): Promise<number> {
  const options = {
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
    ALPNProtocols: ['a'],
  } as const;
  const server = createServer({ ...options, ...keyOf(), requestCert: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const secureContext = createSecureContext({ ...keyOf(), minVersion: 'TLSv1.3' });
  try {
    return await cpuMs(async () => {
      const socket = connect({ ...options, host: '127.0.0.1', port, secureContext });
      await once(socket, 'secureConnect');
      socket.resume();
      socket.end();
      await once(socket, 'close');
    });
  } finally {
    server.close();
  }
}

function keyOf(): { readonly key: Buffer; readonly cert: string } {
  const { tlsKeyPem, tlsCertificateDer } = createIncarnationIdentity();
  const cert = new X509Certificate(tlsCertificateDer).toString();
  return { key: Buffer.from(tlsKeyPem.expose()), cert };
}
