/** A user's desk before a cluster of three replicas, made anew for each test of a file. */
import { afterEach, beforeAll, beforeEach } from 'vitest';
import { Scene, makeHardware, type Hardware } from '@witan/client/testing';
import { Desk, type Said } from './desk.ts';

/** An address where nobody listens. */
export const DEAD = '127.0.0.1:1';

const REPLICAS = 3;

/** What is there in tests; the hooks are registered by `useClusterDesk`. */
export class ClusterDesk {
  hardware: Hardware = undefined as never;
  scene: Scene = undefined as never;
  desk: Desk = undefined as never;

  endpoints(): readonly string[] {
    return ['--endpoint', this.scene.replicas.map(({ address }) => address).join(',')];
  }

  /** Sets a manifest of the desk as its owner does. */
  set(manifest = 'manifest.json', ...more: readonly string[]): Promise<Said> {
    const files = ['--manifest', manifest, '--owner-key', 'alice.key.pem'].map((part) =>
      part.startsWith('--') ? part : this.desk.path(part),
    );
    return this.desk.witan(['set', ...files, ...this.endpoints(), ...more]);
  }

  callsOf(name: string): number {
    return this.scene.replicas.flatMap(({ calls }) => calls).filter((call) => call === name).length;
  }

  async open(): Promise<void> {
    this.desk = await Desk.open();
    this.scene = new Scene(this.hardware);
    for (let i = 0; i < REPLICAS; i += 1) await this.scene.start();
    const pem = Buffer.from(this.scene.alice.pair.privateKeyPem.expose()).toString('utf8');
    await this.desk.write('alice.key.pem', pem);
    await this.desk.write('manifest.json', this.scene.manifestJson());
  }

  async close(): Promise<void> {
    await this.scene.close();
    await this.desk.close();
  }
}

/** Registers the hooks. */
export function useClusterDesk(): ClusterDesk {
  const test = new ClusterDesk();
  beforeAll(() => {
    test.hardware = makeHardware();
  }, 60_000);
  beforeEach(() => test.open());
  afterEach(() => test.close());
  return test;
}
