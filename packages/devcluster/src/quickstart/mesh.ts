/** Starts the two sides of the mesh as processes; see mesh-workload.ts for what they do. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DevClusterError } from '../errors.ts';

const WORKLOAD = fileURLToPath(new URL('mesh-workload.ts', import.meta.url));

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [WORKLOAD, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { PATH: process.env['PATH'] ?? '' },
  });
}

/** First line of JSON that a process prints. */
function firstLine(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    let text = '';
    let errors = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const end = text.indexOf('\n');
      if (end >= 0) resolve(JSON.parse(text.slice(0, end)) as Readonly<Record<string, unknown>>);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', () => {
      const message = 'a workload of the mesh gave no answer';
      const fields = { found: errors.slice(0, 500) };
      reject(new DevClusterError('DEVCLUSTER_STEP_FAILED', message, { fields }));
    });
  });
}

/** Starts the serving workload. */
export async function serveMesh(
  credentials: string,
): Promise<{ readonly port: number; readonly stop: () => void }> {
  const child = start(['serve', credentials]);
  const { port } = await firstLine(child);
  return {
    port: Number(port),
    stop: () => {
      child.kill('SIGTERM');
    },
  };
}

/** Lets the other workload call it; says what each saw of the other. */
export async function callMesh(
  credentials: string,
  port: number,
  serverName: string,
): Promise<{ readonly client: string; readonly server: string }> {
  const child = start(['call', credentials, String(port), serverName]);
  const answer = await firstLine(child);
  child.disconnect();
  return { client: String(answer['client']), server: String(answer['server']) };
}
