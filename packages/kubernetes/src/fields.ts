/** Typed access to parsed YAML: every step checks, and every error names its place. */
import { KubernetesError, clip } from './errors.ts';

/** A parsed YAML map. */
export type Fields = Readonly<Record<string, unknown>>;

/** A value with its place. */
export interface Located<Value = unknown> {
  readonly value: Value;
  /** Dotted, for error messages. */
  readonly path: string;
}

/** The place of a field below another. */
export function keyPath(path: string, key: string): string {
  const part = /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(clip(key));
  return path.endsWith(':') ? `${path} ${part}` : `${path}.${part}`;
}

/** The value of an optional field; null counts as absent, as it does for Kubernetes. */
export function field(parent: Located<Fields>, key: string): Located | undefined {
  const value = Object.hasOwn(parent.value, key) ? parent.value[key] : undefined;
  if (value === undefined || value === null) return undefined;
  return { value, path: keyPath(parent.path, key) };
}

/** @throws KubernetesError KUBERNETES_FIELD_MISSING */
export function requiredField(parent: Located<Fields>, key: string): Located {
  const found = field(parent, key);
  if (found !== undefined) return found;
  const path = keyPath(parent.path, key);
  throw new KubernetesError('KUBERNETES_FIELD_MISSING', {
    path,
    expected: 'a value',
    found: 'nothing',
  });
}

/** @throws KubernetesError KUBERNETES_FIELD_WRONG_TYPE */
export function asFields(located: Located): Located<Fields> {
  const { value, path } = located;
  if (isFields(value)) return { value, path };
  throw wrongType(located, 'a map');
}

/** @throws KubernetesError KUBERNETES_FIELD_WRONG_TYPE */
export function asList(located: Located): readonly Located[] {
  const { value, path } = located;
  if (!Array.isArray(value)) throw wrongType(located, 'a list');
  return value.map((item: unknown, index) => ({ value: item, path: `${path}[${index}]` }));
}

/** @throws KubernetesError KUBERNETES_FIELD_WRONG_TYPE */
export function asText(located: Located): string {
  if (typeof located.value === 'string') return located.value;
  throw wrongType(located, 'text (in quotes where it looks like a number or a boolean)');
}

/** The items of an optional list field. */
export function optionalList(parent: Located<Fields>, key: string): readonly Located[] {
  const found = field(parent, key);
  return found === undefined ? [] : asList(found);
}

/** Whether a value is a map. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An error that shows what stood in a place. */
export function invalid(located: Located, expected: string): KubernetesError {
  const { path, value } = located;
  const found = typeof value === 'string' ? clip(value) : describe(value);
  return new KubernetesError('KUBERNETES_FIELD_INVALID', { path, expected, found });
}

function wrongType(located: Located, expected: string): KubernetesError {
  const found = describe(located.value);
  return new KubernetesError('KUBERNETES_FIELD_WRONG_TYPE', {
    path: located.path,
    expected,
    found,
  });
}

/** A value in words. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return `text ${JSON.stringify(clip(value))}`;
  return typeof value === 'number' || typeof value === 'boolean'
    ? `${typeof value} ${value}`
    : typeof value;
}
