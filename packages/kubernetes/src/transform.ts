/**
 * From a deployment to one that Witan can protect: finds the confidential pods, adds the
 * initializer and the initdata, and says what the manifest must expect of each.
 */
import { isDeepStrictEqual } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { bytesEqual, fromBase64, utf8, type Sha256Hex } from '@witan/core';
import { readWishes } from './annotations.ts';
import { KubernetesError, clip } from './errors.ts';
import { field, type Fields, type Located } from './fields.ts';
import {
  INITDATA_ANNOTATION,
  hostDataOf,
  initdataAnnotation,
  workloadInitdata,
  type CoordinatorSettings,
} from './initdata.ts';
import { inject } from './inject.ts';
import { DEPLOYMENT_BYTES_MAX } from './limits.ts';
import { findConfidentialPods, type ConfidentialPod } from './pods.ts';
import { checkContainers, isPinned, policyDocument } from './policy.ts';
import { serviceNamesOf } from './services.ts';
import { applyTextChanges, textChangeOf, type YamlEdit, type YamlPath } from './yaml-edit.ts';
import { readSource, type Source } from './yaml-source.ts';

/** What the deployment is to be changed for. */
export interface TransformSettings {
  readonly coordinator: CoordinatorSettings;
  /** Image of the initializer, `name@sha256:<digest>`. */
  readonly initializerImage: string;
  /** Namespace of objects that name none. */
  readonly namespace: string;
}

/** One confidential pod of the deployment. */
export interface DeployedWorkload {
  /** Name in the manifest. */
  readonly name: string;
  /** Kind, namespace and name of the object, for people. */
  readonly object: string;
  readonly dnsNames: readonly string[];
  readonly secrets: readonly string[];
  /** Undefined: the manifest's default. */
  readonly certificateLifetimeSeconds: number | undefined;
  /** Canonical JSON of what may run in the pod. */
  readonly policy: string;
  /** The exact bytes that are measured. */
  readonly initdata: Uint8Array;
  /** SHA-256 of `initdata`. */
  readonly hostData: Sha256Hex;
}

/** A deployment with the initializer in it. */
export interface TransformedDeployment {
  /** The whole text with the additions; everything else byte for byte as before. */
  readonly yaml: string;
  /** In the order of the documents. */
  readonly workloads: readonly DeployedWorkload[];
}

/**
 * Changes a deployment. Doing it again with the same settings changes nothing.
 *
 * @param bytes YAML, one or more documents
 * @throws KubernetesError with the place, the expected and the found value
 */
export function transformDeployment(
  bytes: Uint8Array,
  settings: TransformSettings,
): TransformedDeployment {
  if (!isPinned(settings.initializerImage)) {
    throw new KubernetesError('KUBERNETES_IMAGE_NOT_PINNED', {
      path: 'initializer image',
      expected: 'name@sha256:<64 hex digits>',
      found: clip(settings.initializerImage),
    });
  }
  const source = readSource(bytes);
  const pods = findConfidentialPods(source.documents, settings.namespace);
  if (pods.length === 0) {
    throw new KubernetesError('KUBERNETES_NO_WORKLOAD', {
      path: 'deployment',
      expected: 'a pod with a runtimeClassName that starts with kata-',
      found: `none in ${source.documents.length} documents`,
    });
  }
  const prepared = pods.map((pod) => prepare(pod, source, settings));
  checkNames(prepared);
  return { yaml: rewrite(source, prepared), workloads: prepared.map(({ workload }) => workload) };
}

interface Prepared {
  readonly pod: ConfidentialPod;
  readonly workload: DeployedWorkload;
  readonly edits: readonly YamlEdit[];
  /** The document as it is to be. */
  readonly expected: Fields;
}

function prepare(pod: ConfidentialPod, source: Source, settings: TransformSettings): Prepared {
  checkContainers(pod.spec);
  const wishes = readWishes(pod);
  const specPath = [...pod.templatePath, 'spec'];
  const { spec, edits } = inject(pod.spec, specPath, settings.initializerImage);
  const { namespace, kind, name } = pod;
  const policy = policyDocument({ workload: wishes.name, namespace, kind, name }, spec);
  const initdata = workloadInitdata(wishes.name, policy, settings.coordinator);
  const annotation = annotationFor(pod, initdata);
  const serviceNames = serviceNamesOf(pod, source.documents, settings.namespace);
  const defaultNames = serviceNames.length > 0 ? [...new Set(serviceNames)] : [wishes.name];
  const withSpec = setAt(pod.document.fields, specPath, spec);
  const annotationPath = [...pod.templatePath, 'metadata', 'annotations', INITDATA_ANNOTATION];
  return {
    pod,
    workload: {
      name: wishes.name,
      object: `${kind} ${namespace}/${name}`,
      dnsNames: wishes.dnsNames ?? defaultNames,
      secrets: wishes.secrets,
      certificateLifetimeSeconds: wishes.certificateLifetimeSeconds,
      policy,
      initdata,
      hostData: hostDataOf(initdata),
    },
    edits: [...edits, ...annotationEdits(pod, annotation)],
    expected: setAt(withSpec, annotationPath, annotation),
  };
}

/** Keeps an annotation that says the same in other bytes: compressors differ between versions. */
function annotationFor(pod: ConfidentialPod, initdata: Uint8Array): string {
  const found = field(pod.annotations, INITDATA_ANNOTATION)?.value;
  if (typeof found === 'string') {
    try {
      const options = { maxOutputLength: DEPLOYMENT_BYTES_MAX };
      if (bytesEqual(gunzipSync(fromBase64(found), options), initdata)) return found;
    } catch {
      // Something else stands there; it is replaced.
    }
  }
  return initdataAnnotation(initdata, pod.document.path);
}

function annotationEdits(pod: ConfidentialPod, value: string): readonly YamlEdit[] {
  const path: YamlPath = [...pod.templatePath, 'metadata'];
  const key = INITDATA_ANNOTATION;
  const metadata = field(pod.template, 'metadata');
  if (metadata === undefined) {
    const added = { annotations: { [key]: value } };
    return [{ kind: 'set', map: pod.templatePath, key: 'metadata', value: added }];
  }
  const annotations = field(metadata as Located<Fields>, 'annotations');
  if (annotations === undefined) {
    return [{ kind: 'set', map: path, key: 'annotations', value: { [key]: value } }];
  }
  if (pod.annotations.value[key] === value) return [];
  return [{ kind: 'set', map: [...path, 'annotations'], key, value }];
}

function checkNames(prepared: readonly Prepared[]): void {
  const seen = new Map<string, string>();
  for (const { pod, workload } of prepared) {
    const other = seen.get(workload.name);
    if (other !== undefined) {
      throw new KubernetesError('KUBERNETES_NAME_DUPLICATE', {
        path: pod.document.path,
        expected: `a name other than that of ${other}; see the annotation witan.dev/workload`,
        found: workload.name,
      });
    }
    seen.set(workload.name, workload.object);
  }
}

/** Makes the edits, and checks that the result means exactly what was wanted. */
function rewrite(source: Source, prepared: readonly Prepared[]): string {
  const changes = prepared.flatMap(({ pod, edits }) =>
    edits.map((edit) => textChangeOf(source.text, pod.document.tree, pod.document.path, edit)),
  );
  const yaml = applyTextChanges(source.text, changes);
  const expected = new Map(
    prepared.map(({ pod, expected: fields }) => [pod.document.number, fields]),
  );
  const after = reread(yaml);
  for (const [index, document] of source.documents.entries()) {
    const wanted = expected.get(document.number) ?? document.fields;
    if (isDeepStrictEqual(after[index]?.fields, wanted)) continue;
    throw unsafe(document.path);
  }
  return yaml;
}

function reread(yaml: string): Source['documents'] {
  try {
    return readSource(utf8(yaml)).documents;
  } catch (cause) {
    if (cause instanceof KubernetesError) throw unsafe('deployment', cause);
    throw cause;
  }
}

function unsafe(path: string, cause?: unknown): KubernetesError {
  const expected = 'plain block YAML without anchors where containers and volumes are listed';
  const fields = { path, expected, found: 'a form in which an addition would change more' };
  return new KubernetesError('KUBERNETES_EDIT_UNSAFE', fields, cause);
}

function setAt(fields: Fields, path: readonly string[], value: unknown): Fields {
  const [key, ...rest] = path;
  if (key === undefined) return fields;
  const below = (fields[key] ?? {}) as Fields;
  return { ...fields, [key]: rest.length === 0 ? value : setAt(below, rest, value) };
}
