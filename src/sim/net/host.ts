import { PilotError } from '../../api/errors.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import type { NetworkChange, UdpSocket } from '../../runtime/ports.ts';
import { Disk } from './disk.ts';
import type { Link, LinkConditions } from './link.ts';
import { type Death, Process } from './process.ts';
import type { Listener } from './tcp.ts';
import type { Segment } from './topology.ts';
import type { World } from './world.ts';

const FIRST_EPHEMERAL = 32_768;
const EPHEMERALS = 28_232;

export interface HostOptions {
  readonly conditions?: Partial<LinkConditions>;
  /** How far the host's wall clock is ahead of true time. */
  readonly skew?: Millis;
}

/** A UDP socket as the router sees it. */
export interface BoundSocket extends UdpSocket {
  readonly process: Process;
  receive(data: Uint8Array, from: Endpoint): void;
}

/** A machine: an address on a segment, a disk that survives, and processes that do not. */
export class Host {
  readonly kind = 'host';
  readonly world: World;
  readonly name: string;
  readonly link: Link;
  readonly disk: Disk;
  readonly listeners = new Map<number, Listener>();
  /** Listening local sockets by path. */
  readonly localListeners = new Map<string, Listener>();
  /** Called when the host has moved to another network, or has slept. */
  readonly watchers = new Set<(change: NetworkChange) => void>();
  segment: Segment;
  address: string;
  skew: Millis;
  /** False between a power cut and the next start of a process. */
  powered = true;
  /** How long the host has slept in all. */
  slept: Millis = 0;
  #asleepSince: number | undefined;
  #wakers: (() => void)[] = [];
  readonly #sockets = new Map<number, BoundSocket>();
  readonly #processes = new Set<Process>();
  readonly #random: Random;
  #started = 0;

  constructor(world: World, name: string, segment: Segment, options: HostOptions) {
    this.world = world;
    this.name = name;
    this.segment = segment;
    this.address = segment.allocate();
    this.link = world.link(name, options.conditions);
    this.skew = options.skew ?? 0;
    this.#random = world.random.fork(`host ${name}`);
    this.disk = new Disk(world.random.fork(`disk ${name}`));
    segment.attach(this);
  }

  get processes(): ReadonlySet<Process> {
    return this.#processes;
  }

  /** A new process: its ports are all a program needs. Each gets randomness of its own. */
  start(): Process {
    this.powered = true;
    const process = new Process(this, this.#random.fork(`process ${++this.#started}`), (gone) => {
      this.#processes.delete(gone);
      for (const [port, socket] of this.#sockets) if (socket.process === gone) this.#sockets.delete(port);
      for (const [port, listener] of this.listeners)
        if (listener.process === gone) this.listeners.delete(port);
      for (const [path, listener] of this.localListeners) {
        if (listener.process === gone) this.localListeners.delete(path);
      }
    });
    this.#processes.add(process);
    return process;
  }

  /** Ends every process. `power` also loses what the disk had not synced, and tells no peer. */
  stop(death: Death): void {
    for (const process of [...this.#processes]) process.kill(death);
    if (death === 'power') this.powered = false;
  }

  get isAsleep(): boolean {
    return this.#asleepSince !== undefined;
  }

  /** Suspends the machine: no program runs, no packet arrives, and monotonic clocks stand still. */
  sleep(): void {
    this.#asleepSince ??= this.world.now;
  }

  /** Goes on where it was. Wall clocks show how long that took; monotonic ones do not. */
  wake(): void {
    if (this.#asleepSince === undefined) return;
    this.slept += this.world.now - this.#asleepSince;
    this.#asleepSince = undefined;
    for (const waker of this.#wakers.splice(0)) waker();
    for (const watcher of [...this.watchers]) watcher('slept');
  }

  /** Calls back now, or once the host has woken up. */
  whenAwake(callback: () => void): void {
    if (this.isAsleep) this.#wakers.push(callback);
    else callback();
  }

  /** Appears on another network under a new address: UDP sockets live on, TCP connections are stranded. */
  moveTo(segment: Segment): void {
    this.segment.detach(this);
    this.segment = segment;
    this.address = segment.allocate();
    segment.attach(this);
    for (const watcher of [...this.watchers]) watcher('changed');
  }

  udpSocket(port: number): BoundSocket | undefined {
    return this.powered && !this.isAsleep ? this.#sockets.get(port) : undefined;
  }

  /** How many UDP sockets are open. */
  get udpSockets(): number {
    return this.#sockets.size;
  }

  bindUdp(wanted: number, make: (port: number) => BoundSocket): BoundSocket {
    const port = wanted === 0 ? this.ephemeralPort((candidate) => this.#sockets.has(candidate)) : wanted;
    if (this.#sockets.has(port)) {
      throw new PilotError(
        'port_in_use',
        `Cannot bind UDP ${formatEndpoint({ host: this.address, port })}: in use`,
      );
    }
    const socket = make(port);
    this.#sockets.set(port, socket);
    return socket;
  }

  unbindUdp(socket: BoundSocket): void {
    if (this.#sockets.get(socket.local.port) === socket) this.#sockets.delete(socket.local.port);
  }

  ephemeralPort(isTaken: (port: number) => boolean): number {
    let port = FIRST_EPHEMERAL + this.#random.below(EPHEMERALS);
    while (isTaken(port)) port = FIRST_EPHEMERAL + this.#random.below(EPHEMERALS);
    return port;
  }
}
