/**
 * The negative control of the rollback drill: a Coordinator in which disk restores the right to
 * vote (I2 switched off). Identity, seed and membership are on disk in the clear, and whoever
 * starts with them takes part as if it had never been away. For simulated guests of a test alone:
 * nothing shipped can be told to behave like this.
 *
 * The source of the real Coordinator is changed in two places while it is loaded, so that the rest
 * is the very same code. A place that is no longer there ends the process.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { fromHex, Secret, toHex, utf8 } from '@witan/core';
import {
  createIncarnationIdentity,
  incarnationIdOf,
  spkiOf,
  type IncarnationIdentity,
} from '@witan/keys';
import { simulatedEvidenceProvider } from '@witan/tee-sim';
import { patched } from './without-i2-patches.ts';

/** What is read and called of a replica; its package is not imported here. */
interface MemberOfMemory {
  readonly incarnation: string;
}
interface GenesisOnDisk {
  readonly clusterId: string;
  readonly seed: Secret;
  readonly slots: readonly string[];
  readonly members: readonly MemberOfMemory[];
}
interface ReplicaWithMemory {
  readonly cluster:
    | (Omit<GenesisOnDisk, 'members'> & {
        readonly founders: readonly MemberOfMemory[] | undefined;
      })
    | undefined;
  genesisDelivered(
    genesis: GenesisOnDisk,
    from: string,
  ): { readonly accepted: boolean; readonly code: string };
}

const POLL_MS = 10;
const IDENTITY = 'identity.pem';
const MEMBERSHIP = 'membership.json';

/** The identity of the process before, where the disk has one. */
async function identity(directory: string): Promise<IncarnationIdentity> {
  const file = join(directory, IDENTITY);
  if (!existsSync(file)) {
    const made = createIncarnationIdentity();
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const pem = Buffer.from(made.tlsKeyPem.expose()).toString('utf8');
    writeFileSync(file, `${pem}${made.tlsCertificatePem}`, { mode: 0o600 });
    return made;
  }
  const pem = readFileSync(file, 'utf8');
  const privateKey = createPrivateKey(pem);
  const certificate = new X509Certificate(pem);
  const spkiDer = spkiOf(privateKey);
  const keyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return {
    privateKey,
    spkiDer,
    id: incarnationIdOf(spkiDer),
    tlsKeyPem: new Secret(utf8(keyPem)),
    tlsCertificateDer: new Uint8Array(certificate.raw),
    tlsCertificatePem: certificate.toString(),
  };
}

/** Takes part in the cluster that the disk names, or notes the one that is founded. */
function recall(replica: ReplicaWithMemory, directory: string): void {
  const file = join(directory, MEMBERSHIP);
  if (!existsSync(file)) {
    const timer = setInterval(() => {
      if (note(replica, file)) clearInterval(timer);
    }, POLL_MS);
    timer.unref();
    return;
  }
  const kept = JSON.parse(readFileSync(file, 'utf8')) as Omit<GenesisOnDisk, 'seed'> & {
    readonly seed: string;
  };
  const seed = new Secret(fromHex(kept.seed));
  const from = kept.members[0]?.incarnation ?? '';
  const { accepted, code } = replica.genesisDelivered({ ...kept, seed }, from);
  if (!accepted) throw new Error(`membership from disk is refused: ${code}`);
}

function note({ cluster }: ReplicaWithMemory, file: string): boolean {
  if (cluster?.founders === undefined) return false;
  const { clusterId, slots, founders: members } = cluster;
  const seed = toHex(cluster.seed.expose());
  writeFileSync(`${file}.new`, JSON.stringify({ clusterId, seed, slots, members }));
  renameSync(`${file}.new`, file);
  return true;
}

Object.assign(globalThis, { witanWithoutI2: { identity, recall } });
registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context);
    const { source } = loaded;
    if (source === undefined || source === null) return loaded;
    const text = typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString();
    return { ...loaded, source: patched(url, text) };
  },
});
const { run } = await import('@witan/coordinator');
process.exitCode = await run({
  argv: process.argv.slice(2),
  env: process.env,
  evidenceProvider: simulatedEvidenceProvider(),
  profile: 'development',
});
