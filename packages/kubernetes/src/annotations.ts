/** What a pod template's annotations ask of Witan. */
import { KubernetesError } from './errors.ts';
import { asText, field, invalid, keyPath, type Located } from './fields.ts';
import type { ConfidentialPod } from './pods.ts';

const PREFIX = 'witan.dev/';

/** Annotations that are read; any other under `witan.dev/` is a typing error and refused. */
export const ANNOTATIONS: {
  /** Name of the workload in the manifest; the object's name where absent. */
  readonly workload: string;
  /** Host names for the certificate, comma separated, instead of those of the Services. */
  readonly dnsNames: string;
  /** Names of secrets, comma separated. */
  readonly secrets: string;
  /** Lifetime of the certificate: a number with the unit s, m, h or d. */
  readonly certificateLifetime: string;
} = {
  workload: 'witan.dev/workload',
  dnsNames: 'witan.dev/dns-names',
  secrets: 'witan.dev/secrets',
  certificateLifetime: 'witan.dev/certificate-lifetime',
};

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** What the owner wants for one workload. */
export interface WorkloadWishes {
  readonly name: string;
  /** Undefined: take those of the Services. */
  readonly dnsNames: readonly string[] | undefined;
  readonly secrets: readonly string[];
  /** Undefined: the manifest's default. */
  readonly certificateLifetimeSeconds: number | undefined;
}

/** @throws KubernetesError KUBERNETES_FIELD_INVALID, KUBERNETES_FIELD_WRONG_TYPE */
export function readWishes(pod: ConfidentialPod): WorkloadWishes {
  const { annotations } = pod;
  const known: readonly string[] = Object.values(ANNOTATIONS);
  for (const key of Object.keys(annotations.value)) {
    if (!key.startsWith(PREFIX) || known.includes(key)) continue;
    throw new KubernetesError('KUBERNETES_FIELD_INVALID', {
      path: keyPath(annotations.path, key),
      expected: known.join(', '),
      found: key,
    });
  }
  const name = field(annotations, ANNOTATIONS.workload);
  const dnsNames = field(annotations, ANNOTATIONS.dnsNames);
  const secrets = field(annotations, ANNOTATIONS.secrets);
  const lifetime = field(annotations, ANNOTATIONS.certificateLifetime);
  return {
    name: readLabel(name ?? { value: pod.name, path: `${pod.document.path} metadata.name` }),
    dnsNames: dnsNames === undefined ? undefined : readNames(dnsNames, isHostName, 'host names'),
    secrets: secrets === undefined ? [] : readNames(secrets, isLabel, 'names (DNS labels)'),
    certificateLifetimeSeconds: lifetime === undefined ? undefined : readLifetime(lifetime),
  };
}

function isLabel(text: string): boolean {
  return LABEL.test(text);
}

function isHostName(text: string): boolean {
  return text.length <= 253 && text.split('.').every(isLabel);
}

function readLabel(located: Located): string {
  const text = asText(located);
  if (!isLabel(text)) {
    throw invalid(located, 'a DNS label (a-z, 0-9, "-", at most 63 characters)');
  }
  return text;
}

function readNames(
  located: Located,
  accept: (text: string) => boolean,
  what: string,
): readonly string[] {
  const names = asText(located).split(/[\s,]+/);
  const ok = names.every(accept) && new Set(names).size === names.length;
  if (!ok) throw invalid(located, `different ${what}, separated by commas`);
  return names;
}

function readLifetime(located: Located): number {
  const match = /^([1-9][0-9]{0,8})([smhd])$/.exec(asText(located));
  const seconds = Number(match?.[1]) * (SECONDS[match?.[2] ?? ''] ?? Number.NaN);
  if (Number.isNaN(seconds)) throw invalid(located, 'a number with s, m, h or d, for example 24h');
  return seconds;
}
