/** The machine's addresses and default routers, and when they change. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Gateway, NetworkChange, Timer } from '../runtime/ports.ts';
import {
  type DefaultRoute,
  readNetstat,
  readProcIpv6Route,
  readProcRoute,
  readRoutePrint,
} from './routes.ts';

/** How often interfaces are looked at, ms. Chosen: a look is a few files of the kernel, a lost second is a gap. */
const INTERVAL = 1_000;
/** Wall-clock time that passed without the monotonic clock, or between two looks, from which we were asleep. */
const SLEPT = 5_000;
/** How often a program is asked for the routes, ms. */
const ASK_EVERY = 10_000;

export function localAddresses(): string[] {
  const found: string[] = [];
  for (const addresses of Object.values(networkInterfaces())) {
    for (const entry of addresses ?? []) {
      // Link-local IPv6 needs an interface name that no wire field can carry.
      if (!entry.internal && !isLinkLocal(entry.address)) found.push(entry.address);
    }
  }
  return found;
}

/** The default routers, with our own address on the network of each. */
function reached(routes: readonly DefaultRoute[]): Gateway[] {
  const found: Gateway[] = [];
  const interfaces = networkInterfaces();
  for (const { host, through } of routes) {
    const family = host.includes(':') ? 'IPv6' : 'IPv4';
    const own = Object.entries(interfaces)
      .flatMap(([name, entries]) => (entries ?? []).map((entry) => ({ name, ...entry })))
      .filter((entry) => entry.family === family && (entry.name === through || entry.address === through));
    const local = own.find((entry) => !isLinkLocal(entry.address)) ?? own[0];
    if (local !== undefined) found.push({ host, local: local.address });
  }
  return found;
}

/** Routes as the system shows or tells them. */
export class Routes {
  #asked: readonly DefaultRoute[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;

  gateways(): Gateway[] {
    return reached(this.defaults());
  }

  /** Calls back when addresses or default routers have changed, and when the machine was asleep. */
  watch(onChange: (change: NetworkChange) => void): Timer {
    const watch = new NetworkWatch();
    const look = (): NetworkChange | undefined =>
      watch.look(pictureOf(this.defaults()), performance.now(), Date.now());
    look();
    const timer = setInterval(() => {
      const change = look();
      if (change !== undefined) onChange(change);
    }, INTERVAL);
    return { cancel: () => clearInterval(timer) };
  }

  defaults(): readonly DefaultRoute[] {
    if (process.platform !== 'linux') return this.#ask();
    return [
      ...readProcRoute(contents('/proc/net/route')),
      ...readProcIpv6Route(contents('/proc/net/ipv6_route')),
    ];
  }

  /** Where a program has to be asked, the last answer is given, and a new one asked for now and then. */
  #ask(): readonly DefaultRoute[] {
    if (performance.now() - this.#askedAt < ASK_EVERY) return this.#asked;
    this.#askedAt = performance.now();
    const [command, args, read] =
      process.platform === 'win32'
        ? (['route', ['print', '-4', '0.0.0.0'], readRoutePrint] as const)
        : (['netstat', ['-rn'], readNetstat] as const);
    execFile(command, args, { timeout: 5_000, windowsHide: true }, (error, stdout) => {
      if (error === null) this.#asked = read(stdout);
    });
    return this.#asked;
  }
}

/** Compares one look with the one before. */
export class NetworkWatch {
  #picture: string | undefined;
  #now = 0;
  #wall = 0;

  /** What has happened since the last look. */
  look(picture: string, now: number, wall: number): NetworkChange | undefined {
    const isFirst = this.#picture === undefined;
    const changed = this.#picture !== picture;
    // Some systems stop the monotonic clock while asleep; on others it jumps with the wall clock.
    const slept = wall - this.#wall - (now - this.#now) >= SLEPT || now - this.#now >= INTERVAL + SLEPT;
    this.#picture = picture;
    this.#now = now;
    this.#wall = wall;
    if (isFirst) return undefined;
    if (slept) return 'slept';
    return changed ? 'changed' : undefined;
  }
}

function pictureOf(routes: readonly DefaultRoute[]): string {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
    (entries ?? []).filter((entry) => !entry.internal).map((entry) => `${name} ${entry.mac} ${entry.cidr}`),
  );
  return JSON.stringify([addresses, routes]);
}

function contents(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}
