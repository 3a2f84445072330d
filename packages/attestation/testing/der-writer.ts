/** Writes DER, correct or deliberately wrong. */

export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(contents);
  return new Uint8Array(Buffer.concat([Buffer.from([tag]), lengthOctets(content.length), content]));
}

function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Uint8Array.of(0x80 | octets.length, ...octets);
}

export const sequence = (...contents: readonly Uint8Array[]): Uint8Array => der(0x30, ...contents);
export const set = (...contents: readonly Uint8Array[]): Uint8Array => der(0x31, ...contents);
export const octets = (content: Uint8Array): Uint8Array => der(0x04, content);
export const bits = (content: Uint8Array): Uint8Array => der(0x03, Uint8Array.of(0), content);
export const boolean = (value: boolean): Uint8Array => der(0x01, Uint8Array.of(value ? 0xff : 0));
export const ia5 = (text: string): Uint8Array => der(0x16, Buffer.from(text, 'latin1'));
export const utf8String = (text: string): Uint8Array => der(0x0c, Buffer.from(text));

export function integer(value: number): Uint8Array {
  const content: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) content.unshift(rest % 256);
  if (content.length === 0 || (content[0] ?? 0) >= 0x80) content.unshift(0);
  return der(0x02, Uint8Array.from(content));
}

export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const content = [first * 40 + second, ...rest].flatMap((arc) => {
    const septets = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      septets.unshift((left % 128) | 0x80);
    }
    return septets;
  });
  return der(0x06, Uint8Array.from(content));
}

/** UTCTime up to 2049, GeneralizedTime after it. */
export function time(millis: number): Uint8Array {
  const digits = new Date(millis).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return digits < '2050'
    ? der(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : der(0x18, Buffer.from(`${digits}Z`));
}

export function name(commonName: string, organisation: string): Uint8Array {
  const attribute = (type: string, text: string): Uint8Array =>
    set(sequence(oid(type), utf8String(text)));
  return sequence(attribute('2.5.4.10', organisation), attribute('2.5.4.3', commonName));
}

export function extension(type: string, value: Uint8Array, critical = false): Uint8Array {
  return sequence(oid(type), ...(critical ? [boolean(true)] : []), octets(value));
}
