/**
 * A pod's policy document: what may run in it, in canonical JSON.
 *
 * It holds the whole pod specification except the few fields that only tell Kubernetes where and
 * when to run it. A field that this module has never heard of is therefore part of the policy: a
 * new way to change what runs cannot slip through.
 */
import { canonicalJson } from './canonical-json.ts';
import { KubernetesError } from './errors.ts';
import { asFields, asText, invalid, optionalList, requiredField } from './fields.ts';
import type { Fields, Located } from './fields.ts';

/** Fields of a pod that say where and when it runs, not what runs in it. */
const POD_FIELDS_IGNORED: ReadonlySet<string> = new Set([
  'affinity',
  'imagePullSecrets',
  'nodeName',
  'nodeSelector',
  'overhead',
  'preemptionPolicy',
  'priority',
  'priorityClassName',
  'readinessGates',
  'restartPolicy',
  'schedulerName',
  'schedulingGates',
  'terminationGracePeriodSeconds',
  'tolerations',
  'topologySpreadConstraints',
]);

/** Fields of a container that do not change what runs in it. */
const CONTAINER_FIELDS_IGNORED: ReadonlySet<string> = new Set([
  'imagePullPolicy',
  'resources',
  'terminationMessagePath',
  'terminationMessagePolicy',
]);

const CONTAINER_LISTS: readonly string[] = ['initContainers', 'containers'];
const DIGEST_REFERENCE = /^[^\s@]+@sha256:[0-9a-f]{64}$/;

/** Whose policy it is. */
export interface PolicySubject {
  readonly workload: string;
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
}

/** The policy of a pod as it will run, so with the initializer in it. */
export function policyDocument(subject: PolicySubject, spec: Fields): string {
  const pod: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(spec)) {
    if (POD_FIELDS_IGNORED.has(key)) continue;
    pod[key] = CONTAINER_LISTS.includes(key) ? containersOf(value) : value;
  }
  return canonicalJson({ apiVersion: 'witan.dev/v1', ...subject, pod });
}

function containersOf(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((container: unknown) =>
    Object.fromEntries(
      Object.entries(container as object).filter(([key]) => !CONTAINER_FIELDS_IGNORED.has(key)),
    ),
  );
}

/**
 * Checks the containers of a pod. The registry is not trusted, so every image must be named by its
 * digest.
 *
 * @throws KubernetesError KUBERNETES_IMAGE_NOT_PINNED, KUBERNETES_FIELD_INVALID and others
 */
export function checkContainers(spec: Located<Fields>): void {
  if (optionalList(spec, 'containers').length === 0) {
    throw invalid({ value: undefined, path: `${spec.path}.containers` }, 'at least one container');
  }
  const names = new Set<string>();
  for (const list of CONTAINER_LISTS) {
    for (const item of optionalList(spec, list)) {
      const container = asFields(item);
      const name = requiredField(container, 'name');
      if (names.has(asText(name))) throw invalid(name, 'a name of its own');
      names.add(asText(name));
      checkImage(requiredField(container, 'image'));
    }
  }
}

function checkImage(located: Located): void {
  const found = asText(located);
  if (isPinned(found)) return;
  throw new KubernetesError('KUBERNETES_IMAGE_NOT_PINNED', {
    path: located.path,
    expected: 'name@sha256:<64 hex digits>',
    found,
  });
}

/** Whether an image reference names its digest. */
export function isPinned(image: string): boolean {
  return DIGEST_REFERENCE.test(image);
}
