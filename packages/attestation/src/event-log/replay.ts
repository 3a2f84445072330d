/**
 * Replaying an event log: what the RTMRs of a trust domain must be after these events, and whether
 * they are (Intel TDX module base architecture specification, TDG.MR.RTMR.EXTEND).
 */
import { toHex, type Crypto } from '@witan/core';
import { CheckList } from '../check-list.ts';
import type { Check, Claims } from '../claims.ts';
import { AttestationError } from '../errors.ts';
import { EV_NO_ACTION, type EventLog, type LogEvent } from './log.ts';

const REGISTER_BYTES = 48;
const RTMR_COUNT = 4;
/** UEFI's number of RTMR0. */
const FIRST_REGISTER = 1;

/**
 * Extends zeros with the digest of each event: RTMR = SHA-384(RTMR || digest).
 *
 * @returns RTMR0 to RTMR3
 * @throws AttestationError EVENT_LOG_MALFORMED for an event of another register or without SHA-384
 */
export function replayEventLog({ events }: EventLog, crypto: Crypto): readonly Uint8Array[] {
  const registers = Array.from({ length: RTMR_COUNT }, () => new Uint8Array(REGISTER_BYTES));
  for (const [index, { register, type, digest }] of events.entries()) {
    if (type === EV_NO_ACTION) continue;
    const at = register - FIRST_REGISTER;
    const current = registers[at];
    if (current === undefined || digest === undefined) {
      throw new AttestationError('EVENT_LOG_MALFORMED', {
        what: `event ${index}`,
        expected: `a SHA-384 digest for register 1 to ${RTMR_COUNT}`,
        found: `register ${register}, ${digest === undefined ? 'none' : 'SHA-384'}`,
      });
    }
    registers[at] = new Uint8Array(crypto.hash('sha384', current, digest));
  }
  return registers;
}

/** Whether an event's digest is the hash of its data, so that its text is proven as well. */
export function isEventDataHashed({ digest, data }: LogEvent, crypto: Crypto): boolean {
  return digest !== undefined && toHex(crypto.hash('sha384', data)) === toHex(digest);
}

/**
 * Compares a log with the registers of verified evidence. All four are compared; a register that
 * the log does not mention must be zero.
 *
 * @returns one check for each register
 * @throws AttestationError EVENT_LOG_MALFORMED like `replayEventLog`
 */
export function checkEventLog(
  log: EventLog,
  { measurements }: Pick<Claims, 'measurements'>,
  crypto: Crypto,
): readonly Check[] {
  const checks = new CheckList();
  for (const [index, register] of replayEventLog(log, crypto).entries()) {
    const name = `rtmr${index}`;
    const found = measurements.find((measurement) => measurement.name === name)?.value;
    const replayed = toHex(register);
    checks.judge(
      'EVENT_LOG_REGISTER',
      found === replayed,
      `${name} ${replayed} by the log`,
      `${name} ${found ?? 'missing'}`,
    );
  }
  return checks.checks;
}
