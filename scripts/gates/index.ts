/** Every gate by its name, the quick ones first. */
import type { Gate } from './gate.ts';
import { checkDocs } from './documents.ts';
import { checkErrors } from './error-codes.ts';
import { checkGenerated } from './generated.ts';
import { checkImports } from './imports.ts';
import { checkTidy } from './tidy.ts';
import { checkFormat, checkLint, checkTypes, checkUnused } from './tools.ts';

export const gates: Readonly<Record<string, Gate>> = {
  imports: checkImports,
  tidy: checkTidy,
  errors: checkErrors,
  docs: checkDocs,
  generated: checkGenerated,
  format: checkFormat,
  unused: checkUnused,
  lint: checkLint,
  types: checkTypes,
};
