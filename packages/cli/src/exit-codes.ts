/** What the exit code of a command says. */
import { ClientError, isTrustFailure } from '@witan/client';
import { CodedError } from '@witan/core';
import { EndorsementsError } from '@witan/endorsements';
import { CliError } from './errors.ts';

/** Done. */
export const EXIT_OK = 0;
/** Not done: nobody was reached, or something broke. */
export const EXIT_FAILED = 1;
/** Not tried: options or files are wrong. */
export const EXIT_USAGE = 2;
/** Refused: attestation, verification or an approval failed. */
export const EXIT_REFUSED = 3;
/** The update does not build on the newest transition. */
export const EXIT_CONFLICT = 4;
/** The answer is no: a slot must not stop now. */
export const EXIT_UNSAFE = 5;
/** Shares were accepted, and the cluster is not open yet. */
export const EXIT_WAITING = 6;

/** Text for the end of every `--help`. */
export const EXIT_CODES_HELP: string = `
Exit codes:
  0  done
  1  failed: nobody was reached, or something broke
  2  options or files are wrong; nothing was sent
  3  refused: attestation, verification or an approval failed
  4  conflict: the update does not build on the newest transition
  5  the answer is no: the slot must not stop now
  6  shares were accepted; the cluster waits for more, as shown`;

/** Codes of errors that say that a file or an option is wrong. */
const INPUT_PREFIXES = [
  'MANIFEST_',
  'KUBERNETES_',
  'KEYS_',
  'ID_',
  'BYTES_',
  'RECEIPT_',
  'REFERENCE_VALUES_',
  'LAUNCH_',
];

export function exitCodeOf(error: unknown): number {
  if (error instanceof ClientError) return exitCodeOfClient(error);
  if (error instanceof CliError) {
    const refusals: readonly string[] = [
      'CLI_VERIFICATION_FAILED',
      'CLI_SHARE_MISMATCH',
      'CLI_RECEIPT_REFUSED',
    ];
    if (refusals.includes(error.code)) return EXIT_REFUSED;
    if (error.code === 'CLI_TRANSITION_STALE') return EXIT_CONFLICT;
    if (error.code === 'CLI_STOP_UNSAFE') return EXIT_UNSAFE;
    if (error.code === 'CLI_RECOVERY_WAITING') return EXIT_WAITING;
    const failures: readonly string[] = [
      'CLI_FILE_NOT_WRITTEN',
      'CLI_ENDORSEMENTS_INCOMPLETE',
      'CLI_NO_SHARES',
      'CLI_SLOTS_PENDING',
    ];
    return failures.includes(error.code) ? EXIT_FAILED : EXIT_USAGE;
  }
  if (error instanceof EndorsementsError) return exitCodeOfEndorsements(error);
  if (!(error instanceof CodedError)) return EXIT_FAILED;
  const code = String(error.code);
  return INPUT_PREFIXES.some((prefix) => code.startsWith(prefix)) ? EXIT_USAGE : EXIT_FAILED;
}

function exitCodeOfEndorsements({ code }: EndorsementsError): number {
  if (code === 'ENDORSEMENTS_UNVERIFIED') return EXIT_REFUSED;
  const inputs: readonly string[] = [
    'ENDORSEMENTS_OPTION_INVALID',
    'ENDORSEMENTS_FILE',
    'ENDORSEMENTS_TOO_LARGE',
    'ENDORSEMENTS_ANSWER_UNUSABLE',
    'ENDORSEMENTS_BUNDLE_MALFORMED',
    'ENDORSEMENTS_BUNDLE_UNKNOWN_ITEM',
  ];
  return inputs.includes(code) ? EXIT_USAGE : EXIT_FAILED;
}

function exitCodeOfClient(error: ClientError): number {
  if (error.code === 'CLIENT_CONFLICT') return EXIT_CONFLICT;
  if (error.code === 'CLIENT_ENDPOINTS_INVALID') return EXIT_USAGE;
  const refusals: readonly string[] = ['CLIENT_EVIDENCE_REFUSED', 'CLIENT_REQUEST_REFUSED'];
  if (isTrustFailure(error.code) || refusals.includes(error.code)) return EXIT_REFUSED;
  return EXIT_FAILED;
}
