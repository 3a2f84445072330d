/**
 * `npm run generate`: writes everything that is generated: the protocol's types from proto/, and
 * docs/errors.md from the packages' errors.json. With `--baseline` it also records proto/ as the
 * version that later changes may not break: do that at a release, or with a stated reason.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorsPage } from './gates/error-codes.ts';
import { runTool } from './gates/gate.ts';

const root = join(import.meta.dirname, '..');
const proto = join(root, 'proto');

function buf(...argv: readonly string[]): void {
  const result = runTool('buf', argv, proto);
  process.stderr.write(result.stdout + result.stderr);
  if (result.status !== 0) throw new Error(`buf ${argv.join(' ')} failed`);
}

buf('format', '--write');
rmSync(join(root, 'packages/protocol/src/gen'), { recursive: true, force: true });
buf('generate');
if (process.argv.includes('--baseline')) buf('build', '-o', 'baseline.binpb');
writeFileSync(join(root, 'docs/errors.md'), errorsPage(root));
