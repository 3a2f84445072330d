/** One launch: firmware, kernel and vCPUs, and the digest that has to come out. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CPU_SIGNATURES, snpLaunchDigests, type VmmKind } from '../src/index.ts';
import { differences, objectOf, stringOf, type Json } from './json.ts';
import { testCrypto } from './node-crypto.ts';

const VMMS: readonly VmmKind[] = ['qemu', 'ec2', 'gce'];

/** Calculates the digest of a vector. @param common what the index says of all its vectors */
export function runLaunchVector(folder: string, vector: Json, common: Json): readonly string[] {
  const vmm = VMMS.find((kind) => kind === vector['vmm']);
  if (vmm === undefined) return [`unknown virtual machine monitor: ${String(vector['vmm'])}`];
  const kernel = contentsOf(folder, vector['kernel']);
  const initrd = contentsOf(folder, vector['initrd']);
  const commandLine = stringOf(vector['append']);
  const seed = stringOf(vector['ovmf_hash_seed']);
  const boot =
    kernel === undefined
      ? {}
      : {
          boot: {
            kernel,
            ...(initrd === undefined ? {} : { initrd }),
            ...(commandLine === undefined ? {} : { commandLine }),
          },
        };
  const [launch] = snpLaunchDigests(
    {
      firmware: new Uint8Array(readFileSync(join(folder, stringOf(vector['ovmf']) ?? ''))),
      ...(seed === undefined ? {} : { firmwareDigest: seed }),
      ...boot,
      vmms: [vmm],
      vcpuCounts: [Number(vector['vcpus'] ?? 1)],
      vcpuSignatures: [signatureOf(vector, objectOf(common))],
      guestFeatures: [BigInt(stringOf(vector['guest_features']) ?? '0x1')],
    },
    testCrypto,
  );
  return differences(vector['expected_launch_digest'], launch?.digest, 'launch digest');
}

/** `null` is none, `empty` a file without bytes, anything else the name of a file. */
function contentsOf(folder: string, name: unknown): Uint8Array | undefined {
  const text = stringOf(name);
  if (text === undefined) return undefined;
  return text === 'empty' ? new Uint8Array() : new Uint8Array(readFileSync(join(folder, text)));
}

/** The vector's own signature or model, and else the one of the index. */
function signatureOf(vector: Json, common: Json): number {
  const own = vector['vcpu_signature'] ?? vector['vcpu_sig'] ?? common['vcpu_signature'];
  if (typeof own === 'number') return own;
  const type = stringOf(vector['vcpu_type'])?.replace(/-v[0-9]+$/, '');
  const named = Object.entries<number>(CPU_SIGNATURES).find(([name]) => name === type);
  if (named !== undefined) return named[1];
  return Number.parseInt(stringOf(own)?.split(' ')[0] ?? '', 16) || CPU_SIGNATURES.EPYC;
}
