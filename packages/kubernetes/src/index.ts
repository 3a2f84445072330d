/** Reads Kubernetes deployments, derives policies and initdata, and adds the initializer. */
export { ANNOTATIONS } from './annotations.ts';
export { KubernetesError, type KubernetesErrorCode, type KubernetesErrorFields } from './errors.ts';
export { INITDATA_ANNOTATION, hostDataOf, type CoordinatorSettings } from './initdata.ts';
export { INITIALIZER_NAME, OUTPUT_PATH } from './inject.ts';
export * from './limits.ts';
export { isPinned } from './policy.ts';
export {
  transformDeployment,
  type DeployedWorkload,
  type TransformSettings,
  type TransformedDeployment,
} from './transform.ts';
