import { fromUtf8 } from '../../base/bytes.ts';
import type { NodeId } from '../../base/units.ts';
import { parseTrustFile } from '../../core/trust/snapshot.ts';
import type { TrustSnapshot } from '../../core/trust/types.ts';
import type { DaemonConfig } from '../../daemon/config.ts';
import { Daemon } from '../../daemon/daemon.ts';
import type { Death, Host, Process, World } from '../net/index.ts';
import { App, type AppObserver } from './app.ts';
import type { RendezvousMachine } from './rendezvous-machine.ts';

const HOME = 'home';
const SOCKET = '/home/pilot.sock';
const NO_TRUST: TrustSnapshot = { trusted: [], pending: [], outgoing: [], tombstones: [] };

/** A user's machine: a daemon, and an application that talks through it. */
export class Machine {
  readonly name: string;
  readonly host: Host;
  readonly #rendezvous: RendezvousMachine;
  readonly #observer: AppObserver;
  #app: App | undefined;
  #daemon: Daemon | undefined;
  #process: Process | undefined;
  #trustFile: Uint8Array | undefined;
  #trust = NO_TRUST;
  /** Counts starts of the daemon: streams of an earlier one are gone. */
  incarnation = 0;
  /** Set by the first registration; must never change. */
  node: NodeId = 0;

  /** Overrides what the daemon is told, from its next start on. */
  settings: Partial<Pick<DaemonConfig, 'beacons' | 'relayOnly' | 'relayForPeers'>> = {};

  constructor(host: Host, rendezvous: RendezvousMachine, observer: AppObserver) {
    this.name = host.name;
    this.host = host;
    this.#rendezvous = rendezvous;
    this.#observer = observer;
  }

  get world(): World {
    return this.host.world;
  }

  get daemon(): Daemon | undefined {
    return this.#daemon;
  }

  get isRunning(): boolean {
    return this.#daemon !== undefined;
  }

  get app(): App | undefined {
    return this.#app?.process.alive ? this.#app : undefined;
  }

  /** Starts the daemon, and the application unless it lives. Rejects when the daemon cannot start. */
  async start(): Promise<void> {
    if (this.#process?.alive) throw new Error(`${this.name} runs already`);
    const process = this.host.start();
    this.#process = process;
    this.incarnation++;
    const { net, clock, random, crypto, log } = process;
    const starting = Daemon.start({
      net,
      clock,
      random,
      crypto,
      log,
      storage: process.storage(HOME),
      config: {
        socketPath: SOCKET,
        registries: [this.#rendezvous.registry],
        tls: { fingerprint: this.#rendezvous.fingerprint },
        hostname: this.name,
        version: 'world',
        ...this.settings,
      },
    });
    const daemon = await starting;
    if (!process.alive) return;
    this.#daemon = daemon;
    if (this.app === undefined) this.#app = new App(this.name, this.host, SOCKET, this.#observer);
  }

  /** Trust as the daemon keeps it on disk. */
  get trust(): TrustSnapshot {
    const file = this.host.disk.files.get(`${HOME}/trust.json`);
    if (file === undefined) return NO_TRUST;
    if (file.data !== this.#trustFile) {
      const parsed = parseTrustFile(fromUtf8(file.data));
      if (typeof parsed === 'string') throw new Error(`${this.name} has a broken trust.json: ${parsed}`);
      this.#trustFile = file.data;
      this.#trust = parsed;
    }
    return this.#trust;
  }

  trusts(peer: Machine): boolean {
    return this.trust.trusted.some((record) => record.node === peer.node);
  }

  /** The peer has asked and waits for a decision. */
  isAskedBy(peer: Machine): boolean {
    return this.trust.pending.some((request) => request.node === peer.node);
  }

  /** How datagrams to the peer travel now; undefined without a session. */
  pathTo(peer: Machine): 'direct' | 'relay' | undefined {
    const row = this.#daemon?.info().peer_list.find((entry) => entry.node_id === peer.node);
    if (row === undefined || row.endpoint === '' || !row.encrypted) return undefined;
    return row.relay ? 'relay' : 'direct';
  }

  /** An orderly end, as by `pilotctl daemon stop`. */
  async stop(): Promise<void> {
    const [daemon, process] = [this.#daemon, this.#process];
    this.#daemon = undefined;
    await daemon?.stop();
    process?.kill('killed');
  }

  /** `killed` ends the daemon alone; `power` the whole machine. */
  crash(death: Death): void {
    this.#daemon = undefined;
    if (death === 'power') this.host.stop('power');
    else this.#process?.kill('killed');
  }
}
