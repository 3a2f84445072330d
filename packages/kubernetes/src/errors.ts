/**
 * The errors of this package. Each names the place in the YAML (`path`, beginning with the number
 * of
 * the document and its kind and name), what was expected there and what was found (I10).
 */
import { CodedError, type FieldValue } from '@witan/core';

/** Closed list of what can be wrong with a deployment; errors.json explains each. */
export type KubernetesErrorCode =
  | 'KUBERNETES_TOO_LARGE'
  | 'KUBERNETES_TOO_MANY_DOCUMENTS'
  | 'KUBERNETES_YAML_INVALID'
  | 'KUBERNETES_YAML_AMBIGUOUS'
  | 'KUBERNETES_YAML_ALIAS'
  | 'KUBERNETES_LIST_UNSUPPORTED'
  | 'KUBERNETES_FIELD_MISSING'
  | 'KUBERNETES_FIELD_WRONG_TYPE'
  | 'KUBERNETES_FIELD_INVALID'
  | 'KUBERNETES_NAME_DUPLICATE'
  | 'KUBERNETES_NAME_RESERVED'
  | 'KUBERNETES_IMAGE_NOT_PINNED'
  | 'KUBERNETES_NO_WORKLOAD'
  | 'KUBERNETES_INITDATA_TOO_LARGE'
  | 'KUBERNETES_EDIT_UNSAFE';

/** What every error of this package says beside its code. */
export interface KubernetesErrorFields {
  /** Place in the YAML, for example `document 2 (Deployment api): spec.template.spec`. */
  readonly path: string;
  readonly expected: FieldValue;
  readonly found: FieldValue;
}

const MESSAGES: Readonly<Record<KubernetesErrorCode, string>> = {
  KUBERNETES_TOO_LARGE: 'deployment is larger than the limit in bytes',
  KUBERNETES_TOO_MANY_DOCUMENTS: 'deployment has more documents than the limit',
  KUBERNETES_YAML_INVALID: 'deployment is not valid YAML',
  KUBERNETES_YAML_AMBIGUOUS: 'value means one thing in YAML 1.1 (kubectl) and another in YAML 1.2',
  KUBERNETES_YAML_ALIAS: 'YAML alias stands where a change is needed',
  KUBERNETES_LIST_UNSUPPORTED: 'List documents are not read; write each object as a document',
  KUBERNETES_FIELD_MISSING: 'required field is missing',
  KUBERNETES_FIELD_WRONG_TYPE: 'field has a value of the wrong type',
  KUBERNETES_FIELD_INVALID: 'field has a value outside what is allowed',
  KUBERNETES_NAME_DUPLICATE: 'two workloads have the same name',
  KUBERNETES_NAME_RESERVED: 'name or path is reserved for what Witan adds',
  KUBERNETES_IMAGE_NOT_PINNED: 'image of a confidential pod is not pinned by digest',
  KUBERNETES_NO_WORKLOAD: 'deployment has no confidential pod',
  KUBERNETES_INITDATA_TOO_LARGE: 'initdata does not fit into an annotation',
  KUBERNETES_EDIT_UNSAFE: 'change cannot be made without changing something else',
};

/** A deployment that is refused. */
export class KubernetesError extends CodedError<KubernetesErrorCode> {
  constructor(code: KubernetesErrorCode, fields: KubernetesErrorFields, cause?: unknown) {
    super(code, MESSAGES[code], { fields: { ...fields }, cause });
  }
}

/** Cuts a found value to a length that fits on a line. */
export function clip(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
