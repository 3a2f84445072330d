/**
 * The sealing provider that the measured configuration names. Address, certificate authority and
 * the place of the token are measured: a host that could choose them would choose its own service.
 */
import { X509Certificate } from 'node:crypto';

/** A transit service, as Vault and OpenBao offer it. */
export interface TransitSettings {
  readonly provider: 'vault-transit';
  /** `https://host[:port]`. */
  readonly address: string;
  /** PEM certificates, the only ones that may have issued the service's. */
  readonly certificateAuthorities: string;
  /** Where the transit engine is mounted. */
  readonly mount: string;
  /** Name of a key with `derived=true`. */
  readonly key: string;
  /** Empty for none. */
  readonly namespace: string;
  /** File with the token, read again for each request. */
  readonly tokenFile: string;
}

/** A setting that makes no sense: which, and what was expected. */
export interface SettingRefusal {
  readonly field: string;
  readonly expected: string;
}

const FIELDS = [
  'provider',
  'address',
  'certificateAuthorities',
  'mount',
  'key',
  'namespace',
  'tokenFile',
] as const;
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$/;
const PATH_SEGMENTS_MAX = 8;
const CERTIFICATES_MAX = 8;

/** @returns the settings, or what is wrong with the first wrong one */
export function parseTransitSettings(value: unknown): TransitSettings | SettingRefusal {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { field: '', expected: 'an object' };
  }
  const given = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).find((name) => !FIELDS.some((field) => field === name));
  if (unknown !== undefined) return { field: unknown, expected: `one of ${FIELDS.join(', ')}` };
  const settings = { mount: 'transit', namespace: '', ...given };
  const text = (name: (typeof FIELDS)[number]): string => {
    const found = (settings as Readonly<Record<string, unknown>>)[name];
    return typeof found === 'string' ? found : '';
  };
  const checks: readonly (readonly [(typeof FIELDS)[number], boolean, string])[] = [
    ['provider', text('provider') === 'vault-transit', 'vault-transit'],
    ['address', isAddress(text('address')), 'https://host[:port]'],
    [
      'certificateAuthorities',
      areCertificates(text('certificateAuthorities')),
      `1 to ${CERTIFICATES_MAX} certificates in PEM`,
    ],
    ['mount', isPath(text('mount')), 'a path of letters, digits and _.-'],
    ['key', SEGMENT.test(text('key')), 'a name of letters, digits and _.-'],
    [
      'namespace',
      typeof settings.namespace === 'string' &&
        (settings.namespace === '' || isPath(settings.namespace)),
      'a path of letters, digits and _.-, or nothing',
    ],
    ['tokenFile', /^\/[^\0]{1,1024}$/.test(text('tokenFile')), 'an absolute path'],
  ];
  const wrong = checks.find(([, isFine]) => !isFine);
  if (wrong !== undefined) return { field: wrong[0], expected: wrong[2] };
  return {
    provider: 'vault-transit',
    address: text('address'),
    certificateAuthorities: text('certificateAuthorities'),
    mount: text('mount'),
    key: text('key'),
    namespace: text('namespace'),
    tokenFile: text('tokenFile'),
  };
}

function isAddress(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'https:' && (url.origin === text || `${url.origin}/` === text);
}

function isPath(text: string): boolean {
  const segments = text.split('/');
  return segments.length <= PATH_SEGMENTS_MAX && segments.every((part) => SEGMENT.test(part));
}

function areCertificates(text: string): boolean {
  const found = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0 || found.length > CERTIFICATES_MAX) return false;
  try {
    return found.every((pem) => new X509Certificate(pem).raw.byteLength > 0);
  } catch {
    return false;
  }
}
