/** Answers of Intel's service: a signed object and its signature in one JSON text. */
import { objectOf, stringOf } from './json.ts';

/** An object exactly as it was signed, with r and s. */
export interface SignedDocument {
  readonly document: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Cuts the signed object out of an answer. The signature is over exactly these bytes, so they are
 * never parsed and written again.
 *
 * @param name field of the object, `tcbInfo` or `enclaveIdentity`
 * @throws Error if the text is no such answer
 */
export function signedObjectIn(answer: Uint8Array, name: string): SignedDocument {
  const text = Buffer.from(answer).toString('utf8');
  const at = text.indexOf('{', text.indexOf(`"${name}"`));
  const signature = stringOf(objectOf(JSON.parse(text))['signature']);
  if (at === -1 || signature === undefined) throw new Error(`no signed ${name}`);
  return {
    document: new Uint8Array(Buffer.from(text.slice(at, endOfObject(text, at)), 'utf8')),
    signature: new Uint8Array(Buffer.from(signature, 'hex')),
  };
}

/** The place behind the brace that closes the object. Texts of such answers have no escapes. */
function endOfObject(text: string, start: number): number {
  let depth = 0;
  let inText = false;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') inText = !inText;
    if (inText) continue;
    if (character === '{') depth += 1;
    if (character === '}') depth -= 1;
    if (depth === 0) return at + 1;
  }
  throw new Error('object without an end');
}
