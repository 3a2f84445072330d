/** Small pieces of text that the evidence commands share. */

/** `2026-06-01T00:00:00Z`; far times that JavaScript cannot write stay numbers. */
export function isoTime(millis: number): string {
  const date = new Date(millis);
  return Number.isNaN(date.getTime()) ? `${millis} ms` : date.toISOString().replace('.000Z', 'Z');
}

/** Times in the verifier's texts, which are milliseconds there, for people. */
export function readableTimes(text: string): string {
  if (!text.endsWith(' ms')) return text;
  return text.slice(0, -3).replaceAll(/\b\d{6,16}\b/g, (digits) => isoTime(Number(digits)));
}

/** Cuts long text in the middle of a table. */
export function shortened(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}

/** Lines of at most `width` characters, for hex. */
export function folded(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += width) lines.push(text.slice(at, at + width));
  return lines.length === 0 ? [''] : lines;
}
