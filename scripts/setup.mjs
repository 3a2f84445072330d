/**
 * Makes sure that what package-lock.json pins is installed, then runs a script under pinned Node.
 *
 *   node scripts/setup.mjs [script [argument...]]
 *
 * Plain JavaScript for Node 20 and newer: it runs before anything is installed. Everything it says
 * goes to stderr, so the script it starts owns stdout. "Installed" means that npm's own record of
 * node_modules agrees with the lock file and that the pinned Node runs on this machine; there is no
 * stamp file that could disagree with either. It does not repair a damaged node_modules: delete the
 * directory for that.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const binDirectory = join(root, 'node_modules', '.bin');
const pinnedNode = join(binDirectory, 'node');
const nodeMajorMin = 20;
const heartbeatMs = 5_000;
const errorLinesMax = 12;
const networkErrors = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH)\b/;

/** @param {string} text one line for the person who waits */
function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** @param {string} path relative to the root */
function readPackages(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Why an install is needed, or undefined where none is. */
function reasonToInstall() {
  const wanted = readPackages('package-lock.json');
  if (wanted === undefined) return 'package-lock.json is missing or damaged';
  const present = readPackages('node_modules/.package-lock.json');
  if (present === undefined) return 'nothing is installed yet';
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.startsWith('node_modules/')) continue;
    const found = present[path];
    if (found === undefined) {
      if (!entry.optional) return `${path} is not installed`;
    } else if (found.version !== entry.version || found.integrity !== entry.integrity) {
      return `${path} differs from package-lock.json`;
    }
  }
  return pinnedNodeRuns(wanted) ? undefined : 'the pinned Node does not run on this machine';
}

/** @param {Record<string, {version?: string}>} wanted packages of the lock file */
function pinnedNodeRuns(wanted) {
  const { stdout } = spawnSync(pinnedNode, ['--version'], { encoding: 'utf8' });
  return stdout?.trim() === `v${wanted['node_modules/node']?.version}`;
}

/** Runs `npm ci`; resolves to its exit code and what it said on stderr. */
function npmCi() {
  const options = ['--no-audit', '--no-fund', '--loglevel=error'];
  const patience = ['--fetch-retry-mintimeout=2000', '--fetch-retry-maxtimeout=10000'];
  const env = { ...process.env, NODE_ENV: 'development' };
  return new Promise((resolve) => {
    const child = spawn('npm', ['ci', '--include=dev', ...options, ...patience], {
      cwd: root,
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (/** @type {string} */ chunk) => (text += chunk));
    child.on('error', (error) => resolve({ code: 1, text, error }));
    child.on('close', (code) => resolve({ code: code ?? 1, text, error: undefined }));
  });
}

/** @param {{code: number, text: string, error: NodeJS.ErrnoException | undefined}} result of npm */
function explainFailure({ code, text, error }) {
  if (error?.code === 'ENOENT') return 'npm was not found; install npm 10 or newer, then try again';
  const network = networkErrors.exec(text);
  if (network) return `npm cannot reach its registry (${network[1]}); connect and try again`;
  // npm's first lines name the problem; pages of help for its options follow.
  const lines = text.split('\n').filter((line) => line.trim() !== 'npm error');
  process.stderr.write(`${lines.slice(0, errorLinesMax).join('\n')}\n`);
  return `npm ci ended with exit code ${code}; what it said is above`;
}

/** @param {string} reason why the install is needed */
async function install(reason) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  say(`${reason}; installing with npm ci (usually under a minute)`);
  const heartbeat = setInterval(() => say(`still installing, ${seconds()} s`), heartbeatMs);
  const result = await npmCi();
  clearInterval(heartbeat);
  if (result.code !== 0) return explainFailure(result);
  const left = reasonToInstall();
  if (left !== undefined) return `${left} although npm ci succeeded; are install scripts disabled?`;
  say(`installed in ${seconds()} s`);
  return undefined;
}

/** @param {readonly string[]} argv of the script, its path first */
function run(argv) {
  const path = `${binDirectory}${delimiter}${process.env['PATH'] ?? ''}`;
  const env = { ...process.env, PATH: path };
  const child = spawn(pinnedNode, [...argv], { stdio: 'inherit', env });
  // A terminal sends SIGINT to the whole process group, so the child has it already.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('close', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

async function main() {
  if (Number.parseInt(process.versions.node, 10) < nodeMajorMin) {
    return `Node ${process.versions.node} is too old to start with; install Node 20 or newer`;
  }
  const reason = reasonToInstall();
  const failure = reason === undefined ? undefined : await install(reason);
  if (failure === undefined && process.argv.length > 2) run(process.argv.slice(2));
  return failure;
}

const failure = await main();
if (failure !== undefined) {
  say(failure);
  process.exitCode = 1;
}
