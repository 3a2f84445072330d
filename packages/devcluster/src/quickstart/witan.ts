/** Runs `witan` commands as a user would, in this process, and shows them. */
import { run } from '@witan/cli';
import { DevClusterError } from '../errors.ts';

/** Runs a command with `--json`. @throws DevClusterError when its exit code is not 0 */
export type RunCli = (argv: readonly string[]) => Promise<Readonly<Record<string, unknown>>>;

/** @param show prints the command line for people */
export function witanRunner(show: (text: string) => void): RunCli {
  return async (argv) => {
    show(`   $ witan ${argv.join(' ')}\n`);
    let stdout = '';
    let stderr = '';
    const code = await run({
      argv: [...argv, '--json'],
      env: process.env,
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
    });
    if (code !== 0) {
      const fields = { code, output: (stderr + stdout).slice(0, 2_000) };
      const message = 'a witan command failed';
      throw new DevClusterError('DEVCLUSTER_STEP_FAILED', message, { fields });
    }
    return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  };
}
