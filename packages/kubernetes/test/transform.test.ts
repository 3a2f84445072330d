import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { fromUtf8 } from '@witan/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { transformDeployment } from '../src/index.ts';
import { IMAGE, SETTINGS, pod, transform } from './support/deployments.ts';

const shop = readFileSync(new URL('../../../deploy/examples/shop.yaml', import.meta.url));
const ANNOTATION = 'io.katacontainers.config.hypervisor.cc_init_data';

interface Template {
  readonly metadata: { readonly annotations: Record<string, string> };
  readonly spec: {
    readonly initContainers: { name: string; volumeMounts: { name: string }[] }[];
    readonly containers: { name: string; volumeMounts: { name: string }[] }[];
    readonly volumes: { name: string; emptyDir?: { medium?: string } }[];
  };
}

function templatesOf(yaml: string): readonly Template[] {
  return parseAllDocuments(yaml)
    .map((tree) => tree.toJS() as { spec?: { template?: Template } })
    .flatMap(({ spec }) => (spec?.template === undefined ? [] : [spec.template]));
}

describe('the example shop', () => {
  const result = transformDeployment(shop, SETTINGS);

  it('has its confidential workloads found with names, secrets and lifetimes', () => {
    const seen = result.workloads.map(({ name, secrets, certificateLifetimeSeconds }) => ({
      name,
      secrets,
      certificateLifetimeSeconds,
    }));
    expect(seen).toEqual([
      { name: 'storefront', secrets: [], certificateLifetimeSeconds: 12 * 3600 },
      { name: 'orders', secrets: ['database'], certificateLifetimeSeconds: undefined },
      { name: 'receipts', secrets: [], certificateLifetimeSeconds: undefined },
    ]);
  });

  it('takes DNS names from the annotation, else from Services, else the workload name', () => {
    expect(result.workloads.map(({ dnsNames }) => dnsNames)).toEqual([
      ['shop.example.com', 'storefront', 'storefront.shop.svc.cluster.local'],
      ['orders', 'orders.shop', 'orders.shop.svc', 'orders.shop.svc.cluster.local'],
      ['receipts'],
    ]);
  });

  it('keeps every line of the original, comments and layout, in order', () => {
    const before = fromUtf8(shop).split('\n');
    const after = result.yaml.split('\n');
    let at = 0;
    for (const line of after) if (line === before[at]) at += 1;
    expect(before.slice(at)).toEqual([]);
  });

  it('adds nothing to a pod on an ordinary runtime class', () => {
    const marker = 'name: catalogue';
    expect(result.yaml.slice(result.yaml.indexOf(marker))).toBe(
      fromUtf8(shop).slice(fromUtf8(shop).indexOf(marker)),
    );
  });

  it('puts the initializer first and the volume in memory into every container', () => {
    for (const { spec } of templatesOf(result.yaml).slice(0, 3)) {
      expect(spec.initContainers[0]?.name).toBe('witan-initializer');
      for (const { volumeMounts } of [...spec.initContainers, ...spec.containers]) {
        expect(volumeMounts.map(({ name }) => name)).toContain('witan');
      }
      expect(spec.volumes.find(({ name }) => name === 'witan')?.emptyDir?.medium).toBe('Memory');
    }
  });

  it('measures exactly the bytes in the annotation', () => {
    const templates = templatesOf(result.yaml);
    for (const [index, { initdata, hostData }] of result.workloads.entries()) {
      const annotation = templates[index]?.metadata.annotations[ANNOTATION] ?? '';
      const bytes = gunzipSync(Buffer.from(annotation, 'base64'));
      expect(Buffer.compare(bytes, initdata)).toBe(0);
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(hostData);
    }
  });

  it('does not change when it is transformed again', () => {
    const again = transformDeployment(Buffer.from(result.yaml), SETTINGS);
    expect(again.yaml).toBe(result.yaml);
    expect(again.workloads).toEqual(result.workloads);
  });

  it('gets another HOST_DATA when the initializer or the Coordinators change', () => {
    const image = `registry.example.com/initializer@sha256:${'b'.repeat(64)}`;
    const other = transformDeployment(Buffer.from(result.yaml), {
      ...SETTINGS,
      initializerImage: image,
    });
    expect(other.yaml).toContain(image);
    expect(other.yaml).not.toContain(SETTINGS.initializerImage);
    other.workloads.forEach(({ hostData }, index) => {
      expect(hostData).not.toBe(result.workloads[index]?.hostData);
    });
    const fresh = transformDeployment(shop, { ...SETTINGS, initializerImage: image });
    expect(other.workloads).toEqual(fresh.workloads);
  });
});

describe('the policy', () => {
  const policyOf = (yaml: string): string => transform(yaml).workloads[0]?.policy ?? '';
  const base = pod();

  it.each([
    ['another image', base.replace('1'.repeat(64), '2'.repeat(64))],
    ['an argument', `${base}    args: [--debug]\n`],
    ['an environment variable', `${base}    env: [{ name: A, value: b }]\n`],
    ['a privileged container', `${base}    securityContext: { privileged: true }\n`],
    ['the host network', `${base}  hostNetwork: true\n`],
    ['a probe that runs a command', `${base}    livenessProbe: { exec: { command: [sh] } }\n`],
    ['a field that nobody has heard of', `${base}  futureField: 1\n`],
    ['a sidecar', `${base}  - name: b\n    image: ${IMAGE}\n`],
  ])('changes with %s', (_what, yaml) => {
    expect(policyOf(yaml)).not.toBe(policyOf(base));
  });

  it.each([
    ['a node selector', `${base}  nodeSelector: { zone: a }\n`],
    ['resource limits', `${base}    resources: { limits: { cpu: '1' } }\n`],
    [
      'the order of keys',
      base
        .replace(/  runtimeClassName: kata-qemu-snp\n/, '')
        .concat('  runtimeClassName: kata-qemu-snp\n'),
    ],
    ['a comment', `# hello\n${base}`],
  ])('does not change with %s', (_what, yaml) => {
    expect(policyOf(yaml)).toBe(policyOf(base));
  });

  it('stays inside its TOML literal whatever the arguments hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
        const hostile = `'''\n[evil]\n'''${text}`;
        const { workloads } = transform(`${base}    args: [${JSON.stringify(hostile)}]\n`);
        const initdata = fromUtf8(workloads[0]?.initdata ?? new Uint8Array());
        expect(initdata.split("'''")).toHaveLength(5);
      }),
      { numRuns: 50 },
    );
  });
});

describe('changing text in place', () => {
  it.each([
    ['no metadata beside the name', pod()],
    ['annotations without a value', pod('', '  annotations:\n')],
    ['annotations in flow style', pod('', '  annotations: {a: b}\n')],
    ['empty annotations', pod('', '  annotations: {}\n')],
    [
      'an annotation with a block scalar at the end',
      pod('', '  annotations:\n    a: |\n      x\n'),
    ],
    ['empty volumes', pod('  volumes: []\n')],
    ['volumes in flow style', pod('  volumes: [{name: a, emptyDir: {}}]\n')],
    ['mounts in flow style', pod('    volumeMounts: [{name: a, mountPath: /a}]\n')],
    ['a container in flow style', pod(`  - {name: b, image: "${IMAGE}"}\n`)],
    ['an init container', pod(`  initContainers:\n  - name: b\n    image: ${IMAGE}\n`)],
    ['a block scalar at the end', pod('    command:\n    - sh\n    - -c\n    - |\n      exit 0\n')],
    ['no newline at the end', pod().trimEnd()],
    ['a comment at the end', `${pod()}  # the end\n`],
    ['the end of a document', `${pod()}...\n---\nkind: Other\n`],
    ['carriage returns', pod().replaceAll('\n', '\r\n')],
    ['JSON', JSON.stringify(parseAllDocuments(pod())[0]?.toJS())],
  ])('works with %s, and once is enough', (_what, yaml) => {
    const once = transform(yaml);
    expect(transform(once.yaml).yaml).toBe(once.yaml);
    expect(once.yaml).toContain('witan-initializer');
  });

  it('refuses an alias where a change is needed', () => {
    const yaml = `${pod('    volumeMounts: &m\n    - {name: a, mountPath: /a}\n')}  - name: b
    image: ${IMAGE}
    volumeMounts: *m
`;
    expect(() => transform(yaml)).toThrow(
      expect.objectContaining({ code: 'KUBERNETES_YAML_ALIAS' }),
    );
  });

  it('refuses an anchor through which an addition would change something else', () => {
    const yaml = `${pod('    volumeMounts: &m\n    - {name: a, mountPath: /a}\n')}other: *m\n`;
    expect(() => transform(yaml)).toThrow(
      expect.objectContaining({ code: 'KUBERNETES_EDIT_UNSAFE' }),
    );
  });
});
