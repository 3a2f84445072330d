/** Names and addresses that go into certificates. Accepts one spelling for each, the plain one. */
import { badValue, readString, type Located } from './fields.ts';

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const HOST_NAME_CHARACTERS_MAX = 253;
const IPV4_PART = /^(0|[1-9][0-9]{0,2})$/;
const IPV6_GROUP = /^[0-9a-f]{1,4}$/;

/** Whether `text` is a DNS label in lower case (RFC 1123 section 2.1), at most 63 characters. */
export function isLabel(text: string): boolean {
  return LABEL.test(text);
}

/** @throws ManifestError unless the value is a DNS label in lower case */
export function readLabel(located: Located): string {
  const text = readString(located);
  if (!isLabel(text.value))
    throw badValue(text, 'a DNS label: a-z, 0-9, "-", at most 63 characters');
  return text.value;
}

/** @throws ManifestError unless the value is a host name (RFC 1123 section 2.1); no wildcards */
export function readHostName(located: Located): string {
  const text = readString(located);
  const labels = text.value.split('.');
  const isHostName = text.value.length <= HOST_NAME_CHARACTERS_MAX && labels.every(isLabel);
  // A last label of digits would be read as an IPv4 address (RFC 1123 section 2.1).
  if (!isHostName || /^[0-9]+$/.test(labels.at(-1) ?? '')) {
    throw badValue(text, 'a host name: lower-case DNS labels with dots, at most 253 characters');
  }
  return text.value;
}

/** @throws ManifestError unless the value is an IPv4 or IPv6 address without zone or prefix */
export function readIpAddress(located: Located): string {
  const text = readString(located);
  if (ipAddressKey(text.value) === undefined) {
    throw badValue(text, 'an IPv4 address, or an IPv6 address in lower-case hex groups');
  }
  return text.value;
}

/**
 * One text for every spelling of an address, so that duplicates show; undefined for text that is
 * no address. IPv6 as in RFC 4291 section 2.2, forms 1 and 2.
 */
export function ipAddressKey(text: string): string | undefined {
  return text.includes(':') ? ipv6Key(text) : ipv4Key(text);
}

function ipv4Key(text: string): string | undefined {
  const parts = text.split('.');
  const valid = parts.length === 4 && parts.every((part) => IPV4_PART.test(part) && +part <= 255);
  return valid ? text : undefined;
}

function ipv6Key(text: string): string | undefined {
  const [head, tail, ...more] = text.split('::');
  if (head === undefined || more.length > 0) return undefined;
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const missing = 8 - before.length - after.length;
  // "::" stands for at least one group of zeros.
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after];
  if (!groups.every((group) => IPV6_GROUP.test(group))) return undefined;
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}

function groupsOf(text: string): readonly string[] {
  return text === '' ? [] : text.split(':');
}
