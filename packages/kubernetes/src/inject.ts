/**
 * What Witan adds to a confidential pod: the initializer as the first init container, a volume in
 * memory for what it fetches, and that volume in every other container.
 *
 * Everything is an "ensure": a pod that has it all is left as it is.
 */
import { isDeepStrictEqual } from 'node:util';
import { KubernetesError } from './errors.ts';
import { asFields, field, optionalList, type Fields, type Located } from './fields.ts';
import { INITDATA_ANNOTATION } from './initdata.ts';
import type { YamlEdit, YamlPath } from './yaml-edit.ts';

/** Name of the init container that is added. */
export const INITIALIZER_NAME: string = 'witan-initializer';
/** Name of the volume with certificate, key and secrets. */
export const OUTPUT_VOLUME: string = 'witan';
/** Where every container finds it. */
export const OUTPUT_PATH: string = '/witan';

const INITDATA_VOLUME = 'witan-initdata';
const INITDATA_DIRECTORY = '/run/witan-initdata';
const INITDATA_FILE = 'initdata';

/** In a confidential virtual machine this is encrypted memory that ends with the pod. */
const OUTPUT_VOLUME_FIELDS: Fields = {
  name: OUTPUT_VOLUME,
  emptyDir: { medium: 'Memory', sizeLimit: '16Mi' },
};

/**
 * Hands the pod's own annotation to the initializer. The way there carries no trust: the bytes must
 * hash to the HOST_DATA in the pod's evidence.
 */
const INITDATA_VOLUME_FIELDS: Fields = {
  name: INITDATA_VOLUME,
  downwardAPI: {
    items: [
      {
        path: INITDATA_FILE,
        fieldRef: { fieldPath: `metadata.annotations['${INITDATA_ANNOTATION}']` },
      },
    ],
  },
};

const OUTPUT_MOUNT: Fields = { name: OUTPUT_VOLUME, mountPath: OUTPUT_PATH, readOnly: true };

function initializerContainer(image: string): Fields {
  return {
    name: INITIALIZER_NAME,
    image,
    env: [
      { name: 'WITAN_INITDATA', value: `${INITDATA_DIRECTORY}/${INITDATA_FILE}` },
      { name: 'WITAN_OUTPUT', value: OUTPUT_PATH },
    ],
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
    volumeMounts: [
      { name: OUTPUT_VOLUME, mountPath: OUTPUT_PATH },
      { name: INITDATA_VOLUME, mountPath: INITDATA_DIRECTORY, readOnly: true },
    ],
  };
}

/** A pod specification after the additions, and the edits that lead there. */
export interface Injection {
  readonly spec: Fields;
  /** Deeper places first, so that edits at one position of the text keep their order. */
  readonly edits: readonly YamlEdit[];
}

/**
 * @param spec the pod specification
 * @param path its place in the document
 * @param initializerImage reference with a digest
 * @throws KubernetesError KUBERNETES_NAME_RESERVED
 */
export function inject(spec: Located<Fields>, path: YamlPath, initializerImage: string): Injection {
  const edits: YamlEdit[] = [];
  const after: Record<string, unknown> = { ...spec.value };
  for (const list of ['initContainers', 'containers']) {
    const items = optionalList(spec, list).map((item, index) => {
      const container = asFields(item);
      if (container.value['name'] === INITIALIZER_NAME) return container.value;
      return withMount(container, [...path, list, index], edits);
    });
    if (items.length > 0) after[list] = items;
  }
  after['initContainers'] = withInitializer(
    spec,
    after['initContainers'],
    path,
    initializerContainer(initializerImage),
    edits,
  );
  after['volumes'] = withItems(
    spec,
    'volumes',
    [OUTPUT_VOLUME_FIELDS, INITDATA_VOLUME_FIELDS],
    path,
    edits,
  );
  return { spec: after, edits };
}

function withMount(container: Located<Fields>, path: YamlPath, edits: YamlEdit[]): Fields {
  for (const item of optionalList(container, 'volumeMounts')) {
    const mount = asFields(item);
    const taken = mount.value['mountPath'] === OUTPUT_PATH || mount.value['name'] === OUTPUT_VOLUME;
    if (taken && !isDeepStrictEqual(mount.value, OUTPUT_MOUNT)) {
      throw reserved(mount, 'a mount that Witan makes', `${OUTPUT_VOLUME} at ${OUTPUT_PATH}`);
    }
  }
  const mounts = withItems(container, 'volumeMounts', [OUTPUT_MOUNT], path, edits);
  return { ...container.value, volumeMounts: mounts };
}

/** Appends what is missing to a list of named things, and refuses other things of the same name. */
function withItems(
  parent: Located<Fields>,
  key: string,
  wanted: readonly Fields[],
  path: YamlPath,
  edits: YamlEdit[],
): readonly unknown[] {
  const items = optionalList(parent, key);
  const missing = wanted.filter((want) => {
    const same = items.find(({ value }) => (value as Fields | null)?.['name'] === want['name']);
    if (same === undefined) return true;
    if (isDeepStrictEqual(same.value, want)) return false;
    throw reserved(same, `what Witan adds as ${String(want['name'])}`, 'something else');
  });
  const after = [...items.map(({ value }) => value), ...missing];
  if (items.length === 0 && missing.length > 0) {
    edits.push({ kind: 'set', map: path, key, value: after });
  } else {
    const list = [...path, key];
    for (const value of missing) edits.push({ kind: 'insert', list, at: 'end', value });
  }
  return after;
}

function withInitializer(
  spec: Located<Fields>,
  mounted: unknown,
  path: YamlPath,
  wanted: Fields,
  edits: YamlEdit[],
): readonly unknown[] {
  const others: readonly unknown[] = Array.isArray(mounted) ? mounted : [];
  const list = [...path, 'initContainers'];
  const at = others.findIndex((item) => (item as Fields)['name'] === INITIALIZER_NAME);
  if (others.length === 0) {
    edits.push({ kind: 'set', map: path, key: 'initContainers', value: [wanted] });
    return [wanted];
  }
  if (at === -1) {
    edits.push({ kind: 'insert', list, at: 'start', value: wanted });
    return [wanted, ...others];
  }
  if (at > 0) {
    const place = field(spec, 'initContainers') ?? spec;
    throw reserved(place, `${INITIALIZER_NAME} as the first init container`, `at position ${at}`);
  }
  if (!isDeepStrictEqual(others[0], wanted)) {
    edits.push({ kind: 'replace', list, index: 0, value: wanted });
  }
  return [wanted, ...others.slice(1)];
}

function reserved(located: Located, expected: string, found: string): KubernetesError {
  const { path } = located;
  return new KubernetesError('KUBERNETES_NAME_RESERVED', { path, expected, found });
}
