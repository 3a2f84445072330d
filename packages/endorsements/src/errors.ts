/** The errors of this package; errors.json says what to do about each. */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** Closed list of what can go wrong when endorsements are fetched, kept or carried. */
export type EndorsementsErrorCode =
  | 'ENDORSEMENTS_OPTION_INVALID'
  | 'ENDORSEMENTS_EVIDENCE_UNUSABLE'
  | 'ENDORSEMENTS_NOT_PUBLISHED'
  | 'ENDORSEMENTS_OFFLINE'
  | 'ENDORSEMENTS_TOO_OLD'
  | 'ENDORSEMENTS_EXPIRED'
  | 'ENDORSEMENTS_NOT_FOUND'
  | 'ENDORSEMENTS_HTTP_STATUS'
  | 'ENDORSEMENTS_UNREACHABLE'
  | 'ENDORSEMENTS_TIMEOUT'
  | 'ENDORSEMENTS_RATE_LIMITED'
  | 'ENDORSEMENTS_BUSY'
  | 'ENDORSEMENTS_TOO_LARGE'
  | 'ENDORSEMENTS_ANSWER_UNUSABLE'
  | 'ENDORSEMENTS_UNVERIFIED'
  | 'ENDORSEMENTS_ROLLBACK'
  | 'ENDORSEMENTS_CLOSED'
  | 'ENDORSEMENTS_CACHE_UNWRITABLE'
  | 'ENDORSEMENTS_CACHE_DAMAGED'
  | 'ENDORSEMENTS_FILE'
  | 'ENDORSEMENTS_BUNDLE_MALFORMED'
  | 'ENDORSEMENTS_BUNDLE_UNKNOWN_ITEM';

const MESSAGES: Readonly<Record<EndorsementsErrorCode, string>> = {
  ENDORSEMENTS_OPTION_INVALID: 'an option has a value that makes no sense',
  ENDORSEMENTS_EVIDENCE_UNUSABLE: 'the evidence does not say what endorses it',
  ENDORSEMENTS_NOT_PUBLISHED: 'the vendor does not publish this endorsement',
  ENDORSEMENTS_OFFLINE: 'the endorsement is not in the cache and the network is not used',
  ENDORSEMENTS_TOO_OLD: 'the cached endorsement is older than the maximum age',
  ENDORSEMENTS_EXPIRED: 'the endorsement is not valid at this time',
  ENDORSEMENTS_NOT_FOUND: 'the service does not have the endorsement',
  ENDORSEMENTS_HTTP_STATUS: 'the service answered with an unexpected status',
  ENDORSEMENTS_UNREACHABLE: 'the service cannot be reached or broke off',
  ENDORSEMENTS_TIMEOUT: 'the service did not answer in time',
  ENDORSEMENTS_RATE_LIMITED: 'no request to the service is allowed for now',
  ENDORSEMENTS_BUSY: 'too many requests are waiting',
  ENDORSEMENTS_TOO_LARGE: 'the object is above its size limit',
  ENDORSEMENTS_ANSWER_UNUSABLE: 'the object is not of the form that was asked for',
  ENDORSEMENTS_UNVERIFIED: 'the object does not verify down from an accepted root',
  ENDORSEMENTS_ROLLBACK: 'the object is older than the one that is kept',
  ENDORSEMENTS_CLOSED: 'the endorsement store is closed',
  ENDORSEMENTS_CACHE_UNWRITABLE: 'the cache directory cannot be written',
  ENDORSEMENTS_CACHE_DAMAGED: 'a file of the cache is damaged and is ignored',
  ENDORSEMENTS_FILE: 'the bundle file cannot be read or written',
  ENDORSEMENTS_BUNDLE_MALFORMED: 'the file is not a bundle of this version',
  ENDORSEMENTS_BUNDLE_UNKNOWN_ITEM: 'the bundle holds an item of an unknown kind',
};

/** An endorsement could not be had, kept or carried. `fields` name it and what was found. */
export class EndorsementsError extends CodedError<EndorsementsErrorCode> {
  constructor(code: EndorsementsErrorCode, options: CodedErrorOptions = {}) {
    super(code, MESSAGES[code], options);
  }
}

/** The `code` of a Node.js system error such as `ENOSPC`; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
