import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KubernetesError, type KubernetesErrorCode } from '../src/index.ts';
import { IMAGE, pod, transform } from './support/deployments.ts';

interface Case {
  readonly what: string;
  readonly yaml: string;
  readonly code: KubernetesErrorCode;
  readonly path: string;
}

const annotated = (text: string): string => pod('', `  annotations:\n    ${text}\n`);
const aliases = Array.from({ length: 12 }, (_, i) => `a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]`);

/** Arguments that no compressor makes small, without randomness. */
function incompressible(lines: number): string {
  const line = (i: number): string => `a${(i * 7919 ** 3) % 1e9}b${(i * 104_729 ** 2) % 1e9}`;
  return Array.from({ length: lines }, (_, i) => `    - ${line(i)}\n`).join('');
}

const CASES: readonly Case[] = [
  {
    what: 'text that is not YAML',
    yaml: 'a: [',
    code: 'KUBERNETES_YAML_INVALID',
    path: 'document 1',
  },
  {
    what: 'a document that is a list',
    yaml: '- a\n',
    code: 'KUBERNETES_YAML_INVALID',
    path: 'document 1',
  },
  {
    what: 'the same key twice',
    yaml: `${pod()}spec: {}\n`,
    code: 'KUBERNETES_YAML_INVALID',
    path: 'document 1',
  },
  {
    what: 'a billion laughs',
    yaml: `kind: x\na0: &a0 [x]\n${aliases.slice(1).join('\n')}\n`,
    code: 'KUBERNETES_YAML_INVALID',
    path: 'document 1',
  },
  {
    what: 'an alias of nothing',
    yaml: 'kind: *x\n',
    code: 'KUBERNETES_YAML_INVALID',
    path: 'document 1',
  },
  {
    what: 'deep nesting',
    yaml: `kind: ${'['.repeat(100)}${']'.repeat(100)}\n`,
    code: 'KUBERNETES_YAML_INVALID',
    path: `${`document 1: kind${'[0]'.repeat(64)}`.slice(0, 77)}...`,
  },
  {
    what: 'nesting that exhausts the stack',
    yaml: '['.repeat(10_000),
    code: 'KUBERNETES_YAML_INVALID',
    path: 'document 1',
  },
  {
    what: 'a %YAML directive',
    yaml: `%YAML 1.1\n---\n${pod()}`,
    code: 'KUBERNETES_YAML_INVALID',
    path: 'document 1',
  },
  {
    what: 'more documents than the limit',
    yaml: '---\nkind: A\n'.repeat(501),
    code: 'KUBERNETES_TOO_MANY_DOCUMENTS',
    path: 'deployment',
  },
  {
    what: 'more bytes than the limit',
    yaml: `#${' '.repeat(4 * 1024 * 1024)}`,
    code: 'KUBERNETES_TOO_LARGE',
    path: 'deployment',
  },
  {
    what: 'a boolean of YAML 1.1',
    yaml: pod('    args: [on]\n'),
    code: 'KUBERNETES_YAML_AMBIGUOUS',
    path: 'document 1 (Pod web): spec.containers[0].args[0]',
  },
  {
    what: 'an octal number of YAML 1.1',
    yaml: pod('  mode: 0755\n'),
    code: 'KUBERNETES_YAML_AMBIGUOUS',
    path: 'document 1 (Pod web): spec.mode',
  },
  {
    what: 'an octal number of YAML 1.2',
    yaml: pod('  mode: 0o17\n'),
    code: 'KUBERNETES_YAML_AMBIGUOUS',
    path: 'document 1 (Pod web): spec.mode',
  },
  {
    what: 'a merge key',
    yaml: `${pod()}x: &x {a: b}\ny:\n  <<: *x\n`,
    code: 'KUBERNETES_YAML_AMBIGUOUS',
    path: 'document 1 (Pod web): y',
  },
  {
    what: 'a List',
    yaml: 'kind: List\nitems: []\n',
    code: 'KUBERNETES_LIST_UNSUPPORTED',
    path: 'document 1 (List):',
  },
  {
    what: 'no confidential pod',
    yaml: pod().replace('kata-qemu-snp', 'runc'),
    code: 'KUBERNETES_NO_WORKLOAD',
    path: 'deployment',
  },
  {
    what: 'a pod without a specification',
    yaml: 'kind: Pod\nmetadata: {name: a}\n',
    code: 'KUBERNETES_FIELD_MISSING',
    path: 'document 1 (Pod a): spec',
  },
  {
    what: 'an image without a digest',
    yaml: pod().replace(/@sha256:1+/, ':latest'),
    code: 'KUBERNETES_IMAGE_NOT_PINNED',
    path: 'document 1 (Pod web): spec.containers[0].image',
  },
  {
    what: 'containers that are a map',
    yaml: pod().replace(/containers:[^]*/, 'containers: {a: b}\n'),
    code: 'KUBERNETES_FIELD_WRONG_TYPE',
    path: 'document 1 (Pod web): spec.containers',
  },
  {
    what: 'no containers',
    yaml: pod().replace(/containers:[^]*/, 'containers: []\n'),
    code: 'KUBERNETES_FIELD_INVALID',
    path: 'document 1 (Pod web): spec.containers',
  },
  {
    what: 'two containers of one name',
    yaml: pod(`  - name: app\n    image: ${IMAGE}\n`),
    code: 'KUBERNETES_FIELD_INVALID',
    path: 'document 1 (Pod web): spec.containers[1].name',
  },
  {
    what: 'another volume named witan',
    yaml: pod('  volumes: [{name: witan, emptyDir: {}}]\n'),
    code: 'KUBERNETES_NAME_RESERVED',
    path: 'document 1 (Pod web): spec.volumes[0]',
  },
  {
    what: 'another mount at /witan',
    yaml: pod('    volumeMounts: [{name: a, mountPath: /witan}]\n'),
    code: 'KUBERNETES_NAME_RESERVED',
    path: 'document 1 (Pod web): spec.containers[0].volumeMounts[0]',
  },
  {
    what: 'a workload name that is no label',
    yaml: annotated('witan.dev/workload: Web_1'),
    code: 'KUBERNETES_FIELD_INVALID',
    path: 'document 1 (Pod web): metadata.annotations."witan.dev/workload"',
  },
  {
    what: 'a mistyped annotation',
    yaml: annotated('witan.dev/secret: a'),
    code: 'KUBERNETES_FIELD_INVALID',
    path: 'document 1 (Pod web): metadata.annotations."witan.dev/secret"',
  },
  {
    what: 'a secret named twice',
    yaml: annotated('witan.dev/secrets: a, a'),
    code: 'KUBERNETES_FIELD_INVALID',
    path: 'document 1 (Pod web): metadata.annotations."witan.dev/secrets"',
  },
  {
    what: 'a lifetime without a unit',
    yaml: annotated('witan.dev/certificate-lifetime: "24"'),
    code: 'KUBERNETES_FIELD_INVALID',
    path: 'document 1 (Pod web): metadata.annotations."witan.dev/certificate-lifetime"',
  },
  {
    what: 'a wildcard host name',
    yaml: annotated('witan.dev/dns-names: "*.example.com"'),
    code: 'KUBERNETES_FIELD_INVALID',
    path: 'document 1 (Pod web): metadata.annotations."witan.dev/dns-names"',
  },
  {
    what: 'two workloads of one name',
    yaml: `${pod()}---\n${pod().replace('metadata:', 'metadata:\n  namespace: b')}`,
    code: 'KUBERNETES_NAME_DUPLICATE',
    path: 'document 2 (Pod web):',
  },
  {
    what: 'a policy that fits into no annotation',
    yaml: pod(`    args:\n${incompressible(20_000)}`),
    code: 'KUBERNETES_INITDATA_TOO_LARGE',
    path: 'document 1 (Pod web):',
  },
];

function refusal(yaml: string): KubernetesError {
  try {
    transform(yaml);
  } catch (error) {
    if (error instanceof KubernetesError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a deployment is refused by name and place (I10) with', () => {
  it.each(CASES)('$what', ({ yaml, code, path }) => {
    const error = refusal(yaml);
    expect({ code: error.code, path: error.fields['path'] }).toEqual({ code, path });
    expect(error.fields).toHaveProperty('expected');
    expect(error.fields).toHaveProperty('found');
  });

  it('an initializer image without a digest', () => {
    expect(() => transform(pod(), { initializerImage: 'initializer:1' })).toThrow(
      expect.objectContaining({ code: 'KUBERNETES_IMAGE_NOT_PINNED' }),
    );
  });
});

describe('any text', () => {
  it('either is transformed or gives a typed error (I10)', () => {
    const pieces = fc.constantFrom(
      'kind',
      'Pod',
      ': ',
      '\n',
      '  ',
      '- ',
      '{',
      '}',
      '&a',
      '*a',
      '|',
      "'",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), fc.nat(400), (parts, at) => {
        const base = pod();
        const yaml = base.slice(0, at) + parts.join('') + base.slice(at);
        try {
          transform(yaml);
        } catch (error) {
          expect(error).toBeInstanceOf(KubernetesError);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('errors.json', () => {
  it('explains every code that the table of bad input produces', () => {
    const listed = JSON.parse(
      readFileSync(new URL('../errors.json', import.meta.url), 'utf8'),
    ) as Record<string, string>;
    for (const { code } of CASES) expect(listed[code]).toMatch(/^.{20,}\.$/);
  });
});
