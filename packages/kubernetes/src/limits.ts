/** Limits of what is read and written; each has its unit in its name or comment. */

/** Size of the whole YAML text in bytes. */
export const DEPLOYMENT_BYTES_MAX: number = 4 * 1024 * 1024;
/** YAML documents in one text. */
export const DOCUMENTS_MAX: number = 500;
/** Alias expansions in one document; beyond it the parser gives up (billion laughs). */
export const ALIASES_MAX: number = 100;
/** Nesting of maps and lists; Kubernetes objects stay far below. */
export const DEPTH_MAX: number = 64;
/**
 * Length of the initdata annotation in characters. Kubernetes limits all annotations of an object
 * to 256 KiB together.
 */
export const INITDATA_ANNOTATION_CHARACTERS_MAX: number = 192 * 1024;
