/**
 * Finds the confidential pods of a deployment: pod templates whose runtime class is one of Kata's
 * confidential ones. Everything else is left alone.
 */
import { KubernetesError } from './errors.ts';
import {
  asFields,
  asText,
  field,
  isFields,
  keyPath,
  requiredField,
  type Fields,
  type Located,
} from './fields.ts';
import type { SourceDocument } from './yaml-source.ts';

/** Runtime classes that start a confidential virtual machine begin so (`kata-qemu-snp`, …). */
export const RUNTIME_CLASS_PREFIX: string = 'kata-';

/** Where each kind keeps its pod template. */
const TEMPLATE_PATHS: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
};

/** A pod template that is to run in a confidential virtual machine. */
export interface ConfidentialPod {
  readonly document: SourceDocument;
  readonly kind: string;
  /** Name of the object, not of the workload. */
  readonly name: string;
  readonly namespace: string;
  /** Path of the template in the document; empty for a Pod. */
  readonly templatePath: readonly string[];
  readonly template: Located<Fields>;
  readonly spec: Located<Fields>;
  readonly labels: Fields;
  readonly annotations: Located<Fields>;
}

/**
 * @param defaultNamespace where objects without a namespace go
 * @throws KubernetesError for a pod template of the wrong form
 */
export function findConfidentialPods(
  documents: readonly SourceDocument[],
  defaultNamespace: string,
): readonly ConfidentialPod[] {
  return documents.flatMap((document) => {
    const pod = confidentialPodOf(document, defaultNamespace);
    return pod === undefined ? [] : [pod];
  });
}

function confidentialPodOf(
  document: SourceDocument,
  defaultNamespace: string,
): ConfidentialPod | undefined {
  const top: Located<Fields> = { value: document.fields, path: document.path };
  const kind = asText(requiredField(top, 'kind'));
  if (kind === 'List' || kind.endsWith('List')) {
    // A pod in it would go unprotected without a word.
    const fields = { path: document.path, expected: 'single objects', found: kind };
    throw new KubernetesError('KUBERNETES_LIST_UNSUPPORTED', fields);
  }
  const templatePath = Object.hasOwn(TEMPLATE_PATHS, kind) ? TEMPLATE_PATHS[kind] : undefined;
  if (templatePath === undefined) return undefined;
  const template = templatePath.reduce((at, key) => asFields(requiredField(at, key)), top);
  const spec = asFields(requiredField(template, 'spec'));
  const runtimeClass = field(spec, 'runtimeClassName');
  if (runtimeClass === undefined) return undefined;
  if (!asText(runtimeClass).startsWith(RUNTIME_CLASS_PREFIX)) return undefined;
  const metadata = asFields(requiredField(top, 'metadata'));
  const templateMetadata = mapIn(template, 'metadata');
  return {
    document,
    kind,
    name: asText(requiredField(metadata, 'name')),
    namespace: textIn(metadata, 'namespace') ?? defaultNamespace,
    templatePath,
    template,
    spec,
    labels: mapIn(templateMetadata, 'labels').value,
    annotations: mapIn(templateMetadata, 'annotations'),
  };
}

/** An optional map; an empty one where it is absent. */
export function mapIn(parent: Located<Fields>, key: string): Located<Fields> {
  const found = field(parent, key);
  return found === undefined ? { value: {}, path: keyPath(parent.path, key) } : asFields(found);
}

/** An optional text. */
export function textIn(parent: Located<Fields>, key: string): string | undefined {
  const found = field(parent, key);
  return found === undefined ? undefined : asText(found);
}

/** Whether every label of a selector is on the pod; an empty selector selects nothing. */
export function selects(selector: unknown, labels: Fields): boolean {
  if (!isFields(selector)) return false;
  const wanted = Object.entries(selector);
  return wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value);
}
