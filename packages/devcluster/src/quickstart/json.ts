/** Reading of what commands print. */

/** A text in an object, or an empty one. */
export function textOf(value: Readonly<Record<string, unknown>>, name: string): string {
  const text = value[name];
  return typeof text === 'string' ? text : '';
}
