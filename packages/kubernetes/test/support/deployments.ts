/** Short deployments for tests. */
import { utf8 } from '@witan/core';
import {
  transformDeployment,
  type TransformSettings,
  type TransformedDeployment,
} from '../../src/index.ts';

export const IMAGE: string = `registry.example.com/app@sha256:${'1'.repeat(64)}`;

export const SETTINGS: TransformSettings = {
  coordinator: { endpoints: ['witan.witan:7070'], referenceValues: [{ tee: 'snp' }] },
  initializerImage: `registry.example.com/initializer@sha256:${'a'.repeat(64)}`,
  namespace: 'default',
};

/** A pod with room for more of its specification, which is indented by two spaces. */
export function pod(more = '', metadata = ''): string {
  return `apiVersion: v1
kind: Pod
metadata:
  name: web
${metadata}spec:
  runtimeClassName: kata-qemu-snp
  containers:
  - name: app
    image: ${IMAGE}
${more}`;
}

export function transform(
  yaml: string,
  settings: Partial<TransformSettings> = {},
): TransformedDeployment {
  return transformDeployment(utf8(yaml), { ...SETTINGS, ...settings });
}
