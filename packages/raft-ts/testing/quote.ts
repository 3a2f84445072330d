/** Quoted text as the recorded files have it: the double-quoted form of Go's `%q`. */

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** What prints as itself: letters, marks, numbers, punctuation, symbols, and the ASCII space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** Bytes as quoted text: UTF-8 as far as it is valid, every other byte as `\xNN`. */
export function quote(data: Uint8Array): string {
  let text = '';
  for (let at = 0; at < data.length;) {
    const { letter, length } = decodeOne(data, at);
    text += letter === undefined ? hex(data[at] ?? 0, 2) : escape(letter);
    at += length;
  }
  return `"${text}"`;
}

function decodeOne(
  data: Uint8Array,
  at: number,
): { readonly letter: string | undefined; readonly length: number } {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (let length = 1; length <= 4 && at + length <= data.length; length += 1) {
    try {
      const letter = decoder.decode(data.subarray(at, at + length));
      return { letter, length };
    } catch {
      // Not a whole character yet, or none at all.
    }
  }
  return { letter: undefined, length: 1 };
}

function escape(letter: string): string {
  const short = SHORT_ESCAPES[letter];
  if (short !== undefined) return short;
  if (PRINTABLE.test(letter)) return letter;
  const code = letter.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return hex(code, 2);
  if (code < 0x10000) return hex(code, 4);
  return hex(code, 8);
}

function hex(code: number, digits: 2 | 4 | 8): string {
  const prefix = { 2: '\\x', 4: '\\u', 8: '\\U' }[digits];
  return prefix + code.toString(16).padStart(digits, '0');
}
