/** `witan evidence collect` inside a simulated guest: the real command, simulated evidence. */
import { run } from '@witan/cli';
import { simulatedEvidenceProvider } from '@witan/tee-sim';

process.exitCode = await run({
  argv: ['evidence', 'collect', ...process.argv.slice(2)],
  env: {},
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  evidenceProvider: () => simulatedEvidenceProvider(),
});
