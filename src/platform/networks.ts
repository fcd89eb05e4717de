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

/** How often interfaces are looked at, ms. One look takes some 0.1 ms. */
const INTERVAL = 1_000;
/** Wall-clock time that passed without the monotonic clock, or between two looks, from which we were asleep. */
const SLEPT = 5_000;

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

export function gateways(): Gateway[] {
  const found: Gateway[] = [];
  const interfaces = networkInterfaces();
  for (const { host, through } of defaultRoutes()) {
    const family = host.includes(':') ? 'IPv6' : 'IPv4';
    const own = Object.entries(interfaces)
      .flatMap(([name, entries]) => (entries ?? []).map((entry) => ({ name, ...entry })))
      .filter((entry) => entry.family === family && (entry.name === through || entry.address === through));
    const local = own.find((entry) => !isLinkLocal(entry.address)) ?? own[0];
    if (local !== undefined) found.push({ host, local: local.address });
  }
  return found;
}

export function watchNetworks(onChange: (change: NetworkChange) => void): Timer {
  const watch = new NetworkWatch();
  watch.look(pictureOfNetworks(), performance.now(), Date.now());
  const timer = setInterval(() => {
    const change = watch.look(pictureOfNetworks(), performance.now(), Date.now());
    if (change !== undefined) onChange(change);
  }, INTERVAL);
  return { cancel: () => clearInterval(timer) };
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

function pictureOfNetworks(): string {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
    (entries ?? []).filter((entry) => !entry.internal).map((entry) => `${name} ${entry.mac} ${entry.cidr}`),
  );
  return JSON.stringify([addresses, defaultRoutes()]);
}

function defaultRoutes(): readonly DefaultRoute[] {
  if (process.platform !== 'linux') return askedRoutes();
  return [
    ...readProcRoute(contents('/proc/net/route')),
    ...readProcIpv6Route(contents('/proc/net/ipv6_route')),
  ];
}

function contents(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Elsewhere a program has to be asked: the last answer is given, and a new one asked for now and then. */
const ASK_EVERY = 10_000;
let asked: readonly DefaultRoute[] = [];
let askedAt = Number.NEGATIVE_INFINITY;

function askedRoutes(): readonly DefaultRoute[] {
  if (performance.now() - askedAt < ASK_EVERY) return asked;
  askedAt = performance.now();
  const [command, args, read] =
    process.platform === 'win32'
      ? (['route', ['print', '-4', '0.0.0.0'], readRoutePrint] as const)
      : (['netstat', ['-rn'], readNetstat] as const);
  execFile(command, args, { timeout: 5_000, windowsHide: true }, (error, stdout) => {
    if (error === null) asked = read(stdout);
  });
  return asked;
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}
