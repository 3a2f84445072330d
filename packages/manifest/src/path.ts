/** Places in a manifest, such as `workloads.web.dnsNames[1]`, and values cut to a safe length. */
import { ERROR_TEXT_CHARACTERS_MAX } from './limits.ts';

/** The path of the document itself. */
export const ROOT_PATH: string = '(document)';

const PLAIN_KEY = /^[A-Za-z0-9_-]+$/;

/** The path of a member of the object at `path`. */
export function keyPath(path: string, key: string): string {
  const plain = PLAIN_KEY.test(key) && key.length <= ERROR_TEXT_CHARACTERS_MAX;
  if (!plain) return `${path === ROOT_PATH ? '' : path}[${JSON.stringify(clip(key))}]`;
  return path === ROOT_PATH ? key : `${path}.${key}`;
}

/** The path of an item of the array at `path`. */
export function itemPath(path: string, index: number): string {
  return `${path === ROOT_PATH ? '' : path}[${index}]`;
}

/** Cuts text from outside to a length that is safe to log. */
export function clip(text: string): string {
  if (text.length <= ERROR_TEXT_CHARACTERS_MAX) return text;
  return `${text.slice(0, ERROR_TEXT_CHARACTERS_MAX).toWellFormed()}…`;
}
