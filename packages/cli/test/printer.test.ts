/** What a terminal is shown: nothing in it acts on the terminal, whoever wrote it. */
import { expect, it } from 'vitest';
import { CliError } from '../src/errors.ts';
import { createPrinter, table } from '../src/printer.ts';

const HOSTILE = 'web\u001b[2J\u009b31m\u202egnp\u0000\r\u2028\u{e0041}';
const SHOWN = 'web\\u{1b}[2J\\u{9b}31m\\u{202e}gnp\\u{0}\\u{d}\\u{2028}\\u{e0041}';

function printed(json: boolean): { readonly out: string[]; readonly err: string[] } {
  const [out, err]: [string[], string[]] = [[], []];
  const printer = createPrinter(
    json,
    (text) => out.push(text),
    (text) => err.push(text),
  );
  printer.note(`note ${HOSTILE}\n`);
  printer.result({ name: HOSTILE }, table([['NAME'], [HOSTILE]]));
  const fields = { expected: 'a name', found: `${HOSTILE}\nVerified.` };
  printer.failure(new CliError('CLI_USAGE', 'no such name', { fields }));
  return { out, err };
}

it('shows characters that would act on it as their numbers', () => {
  const { out, err } = printed(false);
  expect(out).toEqual([`NAME\n${SHOWN}\n`]);
  expect(err[0]).toBe(`note ${SHOWN}\n`);
  // A value cannot add a line of its own.
  expect(err[1]).toContain(`found=${SHOWN}\\u{a}Verified.)\n`);
});

it('is given JSON of the very same values', () => {
  const { out } = printed(true);
  expect(JSON.parse(out.join(''))).toEqual({ name: HOSTILE });
  expect(out.join('')).toMatch(/^[ -~]+\n$/);
});
