import { toHex } from '../../base/bytes.ts';
import type { Endpoint } from '../../base/units.ts';
import { memoryStore, type Store } from '../../registry/index.ts';
import { type Rendezvous, startRendezvous } from '../../rendezvous/rendezvous.ts';
import type { Death, Host, Process, World } from '../net/index.ts';
import { slowStore } from './slow-store.ts';

export const REGISTRY_PORT = 9000;
export const BEACON_PORT = 9001;
const BEACON_SECOND_PORT = 9003;

/** Stands for a certificate: the virtual internet only compares fingerprints. */
const CERTIFICATE_DER = Uint8Array.from('virtual certificate', (letter) => letter.charCodeAt(0));
const CERTIFICATE_PEM =
  '-----BEGIN CERTIFICATE-----\ndmlydHVhbCBjZXJ0aWZpY2F0ZQ==\n-----END CERTIFICATE-----\n';

/** Registry and beacon on one public host. What the registry acknowledged survives every death. */
export class RendezvousMachine {
  readonly host: Host;
  readonly fingerprint: string;
  readonly #store: Store = memoryStore();
  #process: Process | undefined;
  #running: Rendezvous | undefined;

  constructor(world: World) {
    this.host = world.addHost('rendezvous', world.internet, { conditions: { delay: 10, jitter: 2 } });
    this.fingerprint = toHex(world.crypto.sha256(CERTIFICATE_DER));
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  get registry(): Endpoint {
    return { host: this.host.address, port: REGISTRY_PORT };
  }

  get beacon(): Endpoint {
    return { host: this.host.address, port: BEACON_PORT };
  }

  async start(): Promise<void> {
    const process = this.host.start();
    this.#process = process;
    const { net, clock, random, crypto, log } = process;
    const running = await startRendezvous({
      net,
      clock,
      random,
      crypto,
      log,
      storage: process.storage('rendezvous'),
      store: slowStore(this.#store, process),
      registryBind: { host: '0.0.0.0', port: REGISTRY_PORT },
      beaconBind: { host: '0.0.0.0', port: BEACON_PORT },
      beaconAlternateBind: { host: '0.0.0.0', port: BEACON_SECOND_PORT },
      tls: { certificate: CERTIFICATE_PEM, privateKey: '', fingerprint: this.fingerprint },
      config: { beacons: [this.beacon] },
    });
    if (process.alive) this.#running = running;
  }

  /** An orderly end. */
  async stop(): Promise<void> {
    const [running, process] = [this.#running, this.#process];
    this.#running = undefined;
    await running?.close();
    process?.kill('killed');
  }

  crash(death: Death): void {
    this.#running = undefined;
    this.host.stop(death);
  }
}
