/** Names under which the Services of a deployment reach a pod. */
import { asFields, asText, field, requiredField, type Fields, type Located } from './fields.ts';
import { mapIn, selects, textIn, type ConfidentialPod } from './pods.ts';
import type { SourceDocument } from './yaml-source.ts';

/**
 * The cluster DNS names of every Service that selects the pod, from the short to the full one, in
 * the order of the documents. Assumes the cluster domain `cluster.local`.
 */
export function serviceNamesOf(
  pod: ConfidentialPod,
  documents: readonly SourceDocument[],
  defaultNamespace: string,
): readonly string[] {
  return documents.flatMap((document) => {
    if (document.fields['kind'] !== 'Service') return [];
    const service: Located<Fields> = { value: document.fields, path: document.path };
    const metadata = asFields(requiredField(service, 'metadata'));
    const namespace = textIn(metadata, 'namespace') ?? defaultNamespace;
    const selector = field(mapIn(service, 'spec'), 'selector');
    if (namespace !== pod.namespace || !selects(selector?.value, pod.labels)) return [];
    const name = asText(requiredField(metadata, 'name'));
    const scoped = `${name}.${namespace}`;
    return [name, scoped, `${scoped}.svc`, `${scoped}.svc.cluster.local`];
  });
}
