/**
 * Settings that the host gives: names, addresses and a directory. None of them is trusted: a wrong
 * slot or address costs availability and nothing else. What matters for security is in the measured
 * initdata (initdata.ts).
 */
import { parseArgs } from 'node:util';
import { IdError, slotName, type SlotName } from '@witan/core';
import {
  ENDORSEMENT_OPTIONS,
  ENDORSEMENT_USAGE,
  EndorsementsError,
  endorsementSettings,
  type EndorsementSettings,
  type EndorsementValues,
} from '@witan/endorsements';
import { CoordinatorError } from './errors.ts';

/** What the host tells a Coordinator. */
export interface CoordinatorConfig {
  /** The slot that this process fills. */
  readonly slot: SlotName;
  /** Where to listen, `host:port`. Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** host:port of every slot, this one included. */
  readonly peers: ReadonlyMap<SlotName, string>;
  /** Directory for the sealed journal. */
  readonly dataDirectory: string;
  /** File with the measured initdata. */
  readonly initdataFile: string;
  readonly logLevel: string;
  /** How long a stop waits until the rest keeps its quorum without this replica, in ms. */
  readonly stopWaitMs: number;
  /** Where endorsements come from that evidence does not bring. */
  readonly endorsements: EndorsementSettings;
}

/** Text of `--help`. */
export const COORDINATOR_USAGE: string = `Usage: witan-coordinator --slot NAME --listen HOST:PORT
         --peer NAME=HOST:PORT --data DIR [options]

Runs one Coordinator replica. Settings may also come from the environment.

  --slot NAME            slot that this process fills            (WITAN_SLOT)
  --listen HOST:PORT     where to listen                         (WITAN_LISTEN)
  --peer NAME=HOST:PORT  address of a slot; once for each slot   (WITAN_PEERS, comma separated)
  --data DIR             directory for the sealed journal        (WITAN_DATA)
  --initdata FILE        measured configuration                  (WITAN_INITDATA)
  --stop-wait SECONDS    wait before a stop until it is safe     (WITAN_STOP_WAIT, default 0)
  --log-level LEVEL      debug, info, warn or error              (WITAN_LOG_LEVEL, default info)
  --help                 show this text

${ENDORSEMENT_USAGE}

Exit codes: 0 stopped as asked, 1 failed, 2 wrong settings, 4 replaced by a later incarnation.

Example:
  witan-coordinator --slot witan-0 --listen 0.0.0.0:7070 \\
    --peer witan-0=witan-0.witan:7070 --peer witan-1=witan-1.witan:7070 \\
    --peer witan-2=witan-2.witan:7070 --data /var/lib/witan --initdata /run/witan/initdata.json
`;

const OPTIONS = {
  slot: { type: 'string' },
  listen: { type: 'string' },
  peer: { type: 'string', multiple: true },
  data: { type: 'string' },
  initdata: { type: 'string' },
  'log-level': { type: 'string' },
  'stop-wait': { type: 'string' },
  ...ENDORSEMENT_OPTIONS,
  help: { type: 'boolean' },
} as const;

const STOP_WAIT_SECONDS_MAX = 3600;
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'];

/**
 * @param argv arguments behind the program's name
 * @returns undefined when help was asked for
 * @throws CoordinatorError COORDINATOR_USAGE
 */
export function parseConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CoordinatorConfig | undefined {
  const { values } = readArguments(argv);
  if (values.help === true) return undefined;
  const given = (name: 'slot' | 'listen' | 'data' | 'initdata', variable: string): string => {
    const value = values[name] ?? env[variable];
    if (value === undefined || value === '')
      throw usage(`--${name}`, `a value, or ${variable}`, '');
    return value;
  };
  const slot = readSlot('--slot', given('slot', 'WITAN_SLOT'));
  const peers = readPeers(values.peer ?? env['WITAN_PEERS']?.split(',') ?? []);
  if (!peers.has(slot))
    throw usage('--peer', `an address for ${slot} itself`, [...peers.keys()].join());
  const logLevel = values['log-level'] ?? env['WITAN_LOG_LEVEL'] ?? 'info';
  if (!LOG_LEVELS.includes(logLevel)) throw usage('--log-level', LOG_LEVELS.join(', '), logLevel);
  return {
    slot,
    listen: readAddress('--listen', given('listen', 'WITAN_LISTEN')),
    peers,
    dataDirectory: given('data', 'WITAN_DATA'),
    initdataFile: given('initdata', 'WITAN_INITDATA'),
    logLevel,
    stopWaitMs: readSeconds(values['stop-wait'] ?? env['WITAN_STOP_WAIT'] ?? '0'),
    endorsements: readEndorsements(values, env),
  };
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (seconds >= 0 && seconds <= STOP_WAIT_SECONDS_MAX && text !== '') return seconds * 1000;
  throw usage('--stop-wait', `0 to ${STOP_WAIT_SECONDS_MAX} seconds`, text);
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
    throw new CoordinatorError('COORDINATOR_USAGE', 'a setting is wrong; see --help', { fields });
  }
}

function readArguments(
  argv: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>> {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true });
  } catch (cause) {
    throw new CoordinatorError('COORDINATOR_USAGE', 'arguments are wrong; see --help', { cause });
  }
}

function readPeers(items: readonly string[]): ReadonlyMap<SlotName, string> {
  const peers = new Map<SlotName, string>();
  for (const item of items) {
    const [name = '', address = ''] = item.split('=', 2);
    const slot = readSlot('--peer', name);
    if (peers.has(slot)) throw usage('--peer', 'each slot once', slot);
    readAddress('--peer', address);
    peers.set(slot, address);
  }
  return peers;
}

function readSlot(option: string, value: string): SlotName {
  try {
    return slotName(value);
  } catch (error) {
    if (!(error instanceof IdError)) throw error;
    throw usage(option, 'a slot name (DNS label)', value);
  }
}

function readAddress(option: string, value: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) throw usage(option, 'HOST:PORT', value);
  return { host, port };
}

function usage(option: string, expected: string, found: string): CoordinatorError {
  const fields = { option, expected, found };
  return new CoordinatorError('COORDINATOR_USAGE', 'a setting is wrong; see --help', { fields });
}
