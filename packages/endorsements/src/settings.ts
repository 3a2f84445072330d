/**
 * Settings of the endorsement store as programs take them, from options or from the environment.
 *
 * Whoever starts a program sets them, for a confidential guest the host. None of them carries
 * trust: a wrong directory, mirror or proxy can make endorsements missing or old, and evidence is
 * then refused. The maximum age is no defence against a host, which can give any; what binds is the
 * end that the vendor signed.
 */
import { EndorsementsError } from './errors.ts';
import type { BaseUrls } from './sources.ts';
import type { EndorsementStoreOptions } from './store.ts';

/** Options for `parseArgs` of `node:util`. */
export const ENDORSEMENT_OPTIONS = {
  endorsements: { type: 'string' },
  'endorsements-mirror': { type: 'string', multiple: true },
  'endorsements-proxy': { type: 'string' },
  'endorsements-offline': { type: 'boolean' },
  'endorsements-max-age': { type: 'string' },
} as const;

/** Lines for a program's `--help`. */
export const ENDORSEMENT_USAGE = `Endorsements of the vendors, where evidence comes without:
  --endorsements DIR             cache directory; else memory only (WITAN_ENDORSEMENTS)
  --endorsements-mirror NAME=URL instead of the vendor; NAME is kds, pcs or certificates; several
                                 (WITAN_ENDORSEMENTS_MIRROR, comma separated)
  --endorsements-proxy URL       proxy, or none; default HTTPS_PROXY (WITAN_ENDORSEMENTS_PROXY)
  --endorsements-offline         use no network                  (WITAN_ENDORSEMENTS_OFFLINE=true)
  --endorsements-max-age DAYS    since fetching, for lists and collateral; default 30
                                 (WITAN_ENDORSEMENTS_MAX_AGE)`;

/** What was given, by the names of `ENDORSEMENT_OPTIONS`. */
export interface EndorsementValues {
  readonly endorsements?: string | undefined;
  readonly 'endorsements-mirror'?: readonly string[] | undefined;
  readonly 'endorsements-proxy'?: string | undefined;
  readonly 'endorsements-offline'?: boolean | undefined;
  readonly 'endorsements-max-age'?: string | undefined;
}

/** How a program keeps and fetches endorsements. */
export interface EndorsementSettings extends Pick<
  EndorsementStoreOptions,
  'directory' | 'offline' | 'baseUrls' | 'proxy' | 'maximumAgeMs'
> {
  /** Whether anything was set at all. */
  readonly given: boolean;
}

const DAY_MS: number = 24 * 60 * 60 * 1000;
const MAXIMUM_AGE_DAYS_DEFAULT = '30';
const MAXIMUM_AGE_DAYS_MAX = 3650;
const MIRRORS: ReadonlyMap<string, keyof BaseUrls> = new Map([
  ['kds', 'amdKds'],
  ['pcs', 'intelPcs'],
  ['certificates', 'intelCertificates'],
]);

/**
 * Reads settings; what is not given as an option comes from the environment.
 *
 * @throws EndorsementsError ENDORSEMENTS_OPTION_INVALID
 */
export function endorsementSettings(
  values: EndorsementValues,
  env: Readonly<Record<string, string | undefined>>,
): EndorsementSettings {
  const given = (name: string): string | undefined => {
    const value = env[name];
    return value === '' ? undefined : value;
  };
  const directory = values.endorsements ?? given('WITAN_ENDORSEMENTS');
  const mirrors =
    values['endorsements-mirror'] ?? given('WITAN_ENDORSEMENTS_MIRROR')?.split(',') ?? [];
  const proxy = values['endorsements-proxy'] ?? given('WITAN_ENDORSEMENTS_PROXY');
  const offline = values['endorsements-offline'] ?? readFlag(given('WITAN_ENDORSEMENTS_OFFLINE'));
  const maximumAge = values['endorsements-max-age'] ?? given('WITAN_ENDORSEMENTS_MAX_AGE');
  return {
    given: directory !== undefined || mirrors.length > 0 || offline,
    maximumAgeMs: readDays(maximumAge ?? MAXIMUM_AGE_DAYS_DEFAULT) * DAY_MS,
    offline,
    baseUrls: readMirrors(mirrors),
    ...(directory === undefined ? {} : { directory }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

function readFlag(text: string | undefined): boolean {
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw invalid('WITAN_ENDORSEMENTS_OFFLINE', 'true or false', text);
}

function readDays(text: string): number {
  const days = Number(text);
  if (text.trim() !== '' && days > 0 && days <= MAXIMUM_AGE_DAYS_MAX) return days;
  const expected = `days, above 0 and at most ${MAXIMUM_AGE_DAYS_MAX}`;
  throw invalid('endorsements-max-age', expected, text);
}

function readMirrors(items: readonly string[]): Partial<BaseUrls> {
  const urls: { -readonly [Name in keyof BaseUrls]?: string } = {};
  for (const item of items) {
    const at = item.indexOf('=');
    const name = MIRRORS.get(item.slice(0, Math.max(0, at)).trim());
    if (name === undefined || urls[name] !== undefined) {
      const expected = 'NAME=URL, once for each of kds, pcs and certificates';
      throw invalid('endorsements-mirror', expected, item.slice(0, Math.max(0, at)));
    }
    urls[name] = item.slice(at + 1).trim();
  }
  return urls;
}

function invalid(option: string, expected: string, found: string): EndorsementsError {
  const fields = { option, expected, found: found.slice(0, 80) };
  return new EndorsementsError('ENDORSEMENTS_OPTION_INVALID', { fields });
}
