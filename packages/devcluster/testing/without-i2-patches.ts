/** Where the source of a Coordinator is changed so that disk restores the right to vote. */

const NODE_SOURCE = '/packages/coordinator/src/node.ts';
/** What is replaced in it, and by what. */
const PATCHES: readonly (readonly [string, string])[] = [
  [
    'const identity = createIncarnationIdentity();',
    'const identity = await globalThis.witanWithoutI2.identity(config.dataDirectory);',
  ],
  [
    'this.#replica.start();',
    'globalThis.witanWithoutI2.recall(this.#replica, this.#options.config.dataDirectory);' +
      'this.#replica.start();',
  ],
];

/**
 * @param url of a module that is being loaded
 * @returns its source, changed where it is the Coordinator's wiring
 * @throws Error where a place to change is not there, or there twice
 */
export function patched(url: string, source: string): string {
  if (!url.endsWith(NODE_SOURCE)) return source;
  return PATCHES.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`not exactly once in ${url}: ${from}`);
    return text.replace(from, to);
  }, source);
}
