/** What the tests of the client share: one scene at a time, put away behind each test. */
import { createServer, type Server } from 'node:net';
import { COORDINATOR, Scene, makeHardware, type Hardware } from '@witan/client/testing';
import { afterEach, beforeAll, expect } from 'vitest';
import type { Client, ClientErrorCode } from '../../src/index.ts';

/** Genuine hardware with other code. */
export const IMPOSTER = { ...COORDINATOR, measurement: 'ee'.repeat(48) };
/** Nobody listens there. */
export const DEAD = '127.0.0.1:1';

/** The stage of one test file. */
export class Stage {
  hardware: Hardware = undefined as never;
  scene: Scene = undefined as never;
  readonly #servers: Server[] = [];

  constructor() {
    beforeAll(() => {
      this.hardware = makeHardware();
    }, 60_000);
    afterEach(async () => {
      await this.scene.close();
      for (const server of this.#servers.splice(0)) server.close();
    });
  }

  empty(): Scene {
    this.scene = new Scene(this.hardware);
    return this.scene;
  }

  async withReplicas(count: number): Promise<Scene> {
    const scene = this.empty();
    for (let i = 0; i < count; i += 1) await scene.start();
    return scene;
  }

  /** A client of a cluster with a manifest. */
  async settled(count = 1): Promise<Client> {
    const scene = await this.withReplicas(count);
    const client = scene.client();
    await scene.set(client, scene.manifest());
    return client;
  }

  /** Accepts connections and says nothing. */
  async blackHole(): Promise<string> {
    const server = createServer(() => undefined);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  }
}

/** An error of the client with this code. */
export function code(expected: ClientErrorCode): unknown {
  return expect.objectContaining({ code: expected });
}
