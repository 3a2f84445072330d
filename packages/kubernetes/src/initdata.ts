/**
 * A workload's initdata: the document whose SHA-256 is the pod's HOST_DATA, so evidence covers it
 * and the host cannot change it. The exact bytes matter.
 *
 * The form is that of the Confidential Containers project (TOML with `version`, `algorithm` and a
 * table `data` of texts), which the Kata runtime reads. Two texts are in it: the policy, and what
 * the initializer must know about the Coordinators before it has talked to any.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { sha256Hex, toBase64, utf8, type Sha256Hex } from '@witan/core';
import { canonicalJson } from './canonical-json.ts';
import { KubernetesError } from './errors.ts';
import { INITDATA_ANNOTATION_CHARACTERS_MAX } from './limits.ts';

/** Names of the texts in the table `data`. */
export const POLICY_ENTRY: string = 'policy.json';
export const SETTINGS_ENTRY: string = 'witan.json';

/** Annotation from which the Kata runtime takes initdata. */
export const INITDATA_ANNOTATION: string = 'io.katacontainers.config.hypervisor.cc_init_data';

/** What the initializer must know of the Coordinators; measured, so the host cannot change it. */
export interface CoordinatorSettings {
  /** `host:port` of Services or replicas. Addresses carry no trust. */
  readonly endpoints: readonly string[];
  /** Reference values of the Coordinators, as in the manifest. */
  readonly referenceValues: readonly unknown[];
  /** Root certificate to pin, PEM, for a deployment that exists already. */
  readonly rootCertificatePem?: string;
}

/** The exact bytes of a workload's initdata. */
export function workloadInitdata(
  workload: string,
  policy: string,
  coordinator: CoordinatorSettings,
): Uint8Array {
  const settings = canonicalJson({
    apiVersion: 'witan.dev/v1',
    kind: 'Workload',
    workload,
    coordinator,
  });
  const lines = [
    'version = "0.1.0"',
    'algorithm = "sha256"',
    '',
    '[data]',
    ...[
      [POLICY_ENTRY, policy],
      [SETTINGS_ENTRY, settings],
    ].map(([name, text]) => `"${name}" = '''\n${literal(text ?? '')}'''`),
    '',
  ];
  return utf8(lines.join('\n'));
}

/**
 * JSON text for a TOML multi-line literal, which has no escapes: three apostrophes would end it,
 * and
 * DEL is not allowed in it. JSON's own escapes say the same.
 */
function literal(json: string): string {
  return json.replaceAll("'", '\\u0027').replaceAll('\u007f', '\\u007f');
}

/** HOST_DATA of a pod with this initdata. */
export function hostDataOf(initdata: Uint8Array): Sha256Hex {
  return sha256Hex(createHash('sha256').update(initdata).digest('hex'));
}

/**
 * The annotation's value: base64 of the gzip-compressed bytes.
 *
 * @param path place of the pod, for the error
 * @throws KubernetesError KUBERNETES_INITDATA_TOO_LARGE
 */
export function initdataAnnotation(initdata: Uint8Array, path: string): string {
  const compressed = gzipSync(initdata, { level: 9 });
  // RFC 1952 section 2.3.1: byte 9 names the operating system; 255 says nothing about this one.
  compressed[9] = 255;
  const value = toBase64(compressed);
  if (value.length > INITDATA_ANNOTATION_CHARACTERS_MAX) {
    throw new KubernetesError('KUBERNETES_INITDATA_TOO_LARGE', {
      path,
      expected: INITDATA_ANNOTATION_CHARACTERS_MAX,
      found: value.length,
    });
  }
  return value;
}
