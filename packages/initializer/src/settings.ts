/** Options and environment. The host sets them, so they carry addresses and paths, never trust. */
import { parseArgs } from 'node:util';
import {
  ENDORSEMENT_OPTIONS,
  ENDORSEMENT_USAGE,
  EndorsementsError,
  endorsementSettings,
  type EndorsementSettings,
  type EndorsementValues,
} from '@witan/endorsements';
import { InitializerError } from './errors.ts';

/** What the initializer was told by its environment. */
export interface Settings {
  /** Overrides the endpoints of the initdata; empty for none. */
  readonly endpoints: readonly string[];
  readonly initdataFile: string;
  readonly outputDirectory: string;
  /** File that keeps the floor across restarts of the pod (I6); empty for none. */
  readonly floorDirectory: string;
  /** Give up after this long; Infinity: never. */
  readonly timeoutMs: number;
  readonly once: boolean;
  /** Stay, and renew what was written. */
  readonly renew: boolean;
  /** Between two questions whether something has changed, in milliseconds. */
  readonly checkMs: number;
  /** Where endorsements come from that evidence does not bring. */
  readonly endorsements: EndorsementSettings;
}

/** Text of `--help`. */
export const INITIALIZER_USAGE: string = `Usage: witan-initializer [options]

Attests this pod to the Coordinators, then writes its certificate, key, trust anchors and secrets.

  --output DIR         where to write                        (WITAN_OUTPUT, default /witan)
  --initdata FILE      the pod's measured initdata           (WITAN_INITDATA)
  --endpoint HOST:PORT Coordinator; several times; overrides the initdata  (WITAN_ENDPOINTS)
  --floor DIR          keep the highest state seen here      (WITAN_FLOOR, default: do not)
  --timeout SECONDS    give up after this long               (WITAN_TIMEOUT, default: never)
  --once               try once, do not wait for a manifest
  --renew              stay, and renew what was written       (WITAN_RENEW=true)
  --check SECONDS      with --renew, how often to ask         (WITAN_CHECK, default 60)
  --help               show this text

${ENDORSEMENT_USAGE}

Exit codes: 0 written, 1 gave up, 2 wrong settings, 3 refused, with --once.

Example:
  witan-initializer --output /witan --endpoint witan.witan.svc:7070
`;

const OPTIONS = {
  output: { type: 'string' },
  initdata: { type: 'string' },
  endpoint: { type: 'string', multiple: true },
  floor: { type: 'string' },
  timeout: { type: 'string' },
  once: { type: 'boolean' },
  renew: { type: 'boolean' },
  check: { type: 'string' },
  ...ENDORSEMENT_OPTIONS,
  help: { type: 'boolean' },
} as const;

/**
 * @returns undefined when help was asked for
 * @throws InitializerError INITIALIZER_USAGE
 */
export function parseSettings(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Settings | undefined {
  const { values } = parse(argv);
  if (values.help === true) return undefined;
  const initdataFile = values.initdata ?? env['WITAN_INITDATA'] ?? '';
  if (initdataFile === '') throw usage('--initdata', 'a file, or WITAN_INITDATA', '');
  return {
    endpoints: values.endpoint ?? split(env['WITAN_ENDPOINTS']),
    initdataFile,
    outputDirectory: values.output ?? env['WITAN_OUTPUT'] ?? '/witan',
    floorDirectory: values.floor ?? env['WITAN_FLOOR'] ?? '',
    timeoutMs: readTimeout(values.timeout ?? env['WITAN_TIMEOUT']),
    once: values.once ?? false,
    renew: values.renew ?? env['WITAN_RENEW'] === 'true',
    checkMs: readCheck(values.check ?? env['WITAN_CHECK'] ?? '60'),
    endorsements: readEndorsements(values, env),
  };
}

function readCheck(text: string): number {
  const seconds = Number(text);
  const fits = text !== '' && seconds >= 1 && seconds <= 86_400;
  if (!fits) throw usage('--check', '1 to 86400 seconds', text);
  return seconds * 1000;
}

function readEndorsements(
  values: EndorsementValues,
  env: Readonly<Record<string, string | undefined>>,
): EndorsementSettings {
  try {
    return endorsementSettings(values, env);
  } catch (error) {
    if (!(error instanceof EndorsementsError)) throw error;
    const { fields } = error;
    throw new InitializerError('INITIALIZER_USAGE', 'a setting is wrong; see --help', { fields });
  }
}

function parse(argv: readonly string[]): ReturnType<typeof parseStrictly> {
  try {
    return parseStrictly(argv);
  } catch (cause) {
    const message = 'arguments are wrong; see --help';
    throw new InitializerError('INITIALIZER_USAGE', message, { cause });
  }
}

function parseStrictly(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, strict: true });
}

function split(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').filter((item) => item !== '');
}

function readTimeout(text: string | undefined): number {
  if (text === undefined || text === '') return Number.POSITIVE_INFINITY;
  const seconds = Number(text);
  if (seconds > 0 && Number.isFinite(seconds)) return seconds * 1000;
  throw usage('--timeout', 'a number of seconds above 0', text);
}

function usage(option: string, expected: string, found: string): InitializerError {
  const message = 'a setting is wrong; see --help';
  const fields = { option, expected, found };
  return new InitializerError('INITIALIZER_USAGE', message, { fields });
}
