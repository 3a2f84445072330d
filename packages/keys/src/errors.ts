/**
 * The errors of this package. Each code is explained in errors.json beside this package's manifest.
 */
import { CodedError, type CodedErrorOptions } from '@witan/core';

/** Codes of `KeysError`. */
export type KeysErrorCode =
  | 'KEYS_SEED_LENGTH'
  | 'KEYS_CONTEXT_INVALID'
  | 'KEYS_PEM_NOT_FOUND'
  | 'KEYS_PEM_WRONG_KIND'
  | 'KEYS_PEM_UNREADABLE'
  | 'KEYS_JWK_UNREADABLE'
  | 'KEYS_KEY_NOT_P256'
  | 'KEYS_OWNER_KEY_UNSUPPORTED'
  | 'KEYS_SIGNATURE_UNREADABLE'
  | 'KEYS_SEAL_MALFORMED'
  | 'KEYS_SEAL_VERSION_UNKNOWN'
  | 'KEYS_SEAL_USE_MISMATCH'
  | 'KEYS_SEAL_NOT_AUTHENTIC'
  | 'KEYS_SEAL_TOO_LARGE'
  | 'KEYS_SEAL_EXHAUSTED'
  | 'KEYS_SEAL_GENERATION_UNKNOWN'
  | 'KEYS_SEAL_GENERATIONS_MALFORMED'
  | 'KEYS_CERTIFICATE_FIELD_INVALID'
  | 'KEYS_CERTIFICATE_VALIDITY'
  | 'KEYS_CERTIFICATE_UNREADABLE'
  | 'KEYS_CERTIFICATE_ISSUER_MISMATCH'
  | 'KEYS_SHARE_PARAMETERS'
  | 'KEYS_SHARE_MALFORMED'
  | 'KEYS_SHARE_NOT_FOR_KEY'
  | 'KEYS_SHARE_OWNER_KEY_UNSUPPORTED'
  | 'KEYS_SHARE_WRONG_CLUSTER'
  | 'KEYS_SHARE_WRONG_RESHARING'
  | 'KEYS_SHARE_MIXED'
  | 'KEYS_SHARE_DUPLICATE'
  | 'KEYS_SHARE_DAMAGED'
  | 'KEYS_SHARE_HEADER_UNKNOWN'
  | 'KEYS_SHARES_TOO_FEW'
  | 'KEYS_RECOVERY_HEADER_MALFORMED'
  | 'KEYS_RECOVERY_HEADER_NOT_AUTHENTIC';

/** Thrown by every function of this package. Fields and causes never hold key material. */
export class KeysError extends CodedError<KeysErrorCode> {
  constructor(code: KeysErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, options);
  }
}
