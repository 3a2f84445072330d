/**
 * What a client tries, for people. A command may ask many times before it gives up: of each
 * endpoint the same failure is told once, and the last one of all is told by the command itself.
 */
import type { ClientEvent } from '@witan/client';
import { CodedError, describeError } from '@witan/core';

/** @returns what to do with each event of one client */
export function attemptNotes(note: (text: string) => void): (event: ClientEvent) => void {
  const told = new Map<string, string>();
  let untold: { readonly endpoint: string; readonly error: unknown } | undefined;
  const tell = (): void => {
    if (untold === undefined) return;
    const { endpoint, error } = untold;
    untold = undefined;
    const what = sameness(error);
    if (told.get(endpoint) === what) return;
    told.set(endpoint, what);
    note(`${endpoint}: ${describeError(error)}\n`);
  };
  return (event) => {
    tell();
    if (event.kind === 'attempt-failed') untold = { endpoint: event.endpoint, error: event.error };
  };
}

/** Two failures are the same to a person when code and reasons are, whatever the rest says. */
function sameness(error: unknown): string {
  if (!(error instanceof CodedError)) return String(error);
  const { reason, remoteCode, check } = error.fields;
  return [error.code, reason, remoteCode, check].map(String).join(' ');
}
