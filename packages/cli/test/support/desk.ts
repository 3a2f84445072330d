/** A user's desk: a directory with keys and files, and the command line run in this process. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, type ExtraCommands } from '../../src/index.ts';

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Desk {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async open(): Promise<Desk> {
    return new Desk(await mkdtemp(join(tmpdir(), 'witan-cli-')));
  }

  path(...parts: readonly string[]): string {
    return join(this.directory, ...parts);
  }

  async write(name: string, content: unknown): Promise<string> {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    await writeFile(this.path(name), text);
    return this.path(name);
  }

  async read(...parts: readonly string[]): Promise<string> {
    return await readFile(this.path(...parts), 'utf8');
  }

  async witan(
    argv: readonly string[],
    extraCommands?: ExtraCommands,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Said> {
    let stdout = '';
    let stderr = '';
    const code = await run({
      argv,
      env: { WITAN_CONFIG_HOME: this.path('config'), HOME: this.directory, ...env },
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
      ...(extraCommands === undefined ? {} : { extraCommands }),
    });
    return { code, stdout, stderr };
  }

  /** Output without what differs from run to run. */
  plain(text: string): string {
    return text
      .replaceAll(this.directory, 'DESK')
      .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST:PORT')
      .replaceAll(/\b[0-9a-f]{64}\b/g, 'HASH')
      .replaceAll(/\b[0-9a-f]{12,16}(…|\b)/g, 'SHORT')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');
  }

  async close(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}
