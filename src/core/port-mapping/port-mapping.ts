import { equal } from '../../base/bytes.ts';
import { sameEndpoint } from '../../base/endpoint.ts';
import type { Machine } from '../../base/machine.ts';
import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import { decodeNatPmp, encodeNatPmpAddress, encodeNatPmpMap } from '../../wire/nat-pmp.ts';
import { decodePcpMap, encodePcpMap } from '../../wire/pcp.ts';
import { isPublic } from './public.ts';
import type {
  MappedNetwork,
  Mapping,
  PortMappingMethod,
  PortMappingOutput,
  PortMappingStatus,
} from './types.ts';

// Chosen.

/** Between the requests of one round; a router is a hop away, and without PCP there may be UPnP. */
const PAUSES: readonly Millis[] = [250, 500, 1_000];
/** Renewals repeat more slowly: there is half a lifetime left. */
const RENEWAL_PAUSES: readonly Millis[] = [1_000, 4_000, 15_000];
/** How long UPnP may take altogether. */
const UPNP_LIMIT: Millis = 15_000;
/** Wanted lifetime. RFC 6886 §3.3 recommends it. */
const LIFETIME: Millis = 7_200_000;
/** A router's word is bounded: shorter is renewed no more often, longer no more rarely. */
const SHORTEST: Millis = 60_000;
const LONGEST: Millis = 86_400_000;
/** After a failure of all methods. */
const TRY_AGAIN: Millis = 900_000;
/** Least time between renewals that signs of a restarted router cause. */
const CHECK_PAUSE: Millis = 10_000;

type State =
  | { readonly at: 'idle' }
  /** PCP, and from the second request on NAT-PMP. */
  | { readonly at: 'asking'; readonly sent: number; readonly dueAt: Instant }
  /** NAT-PMP: the address is known, the port not yet, or the other way round. */
  | {
      readonly at: 'nat-pmp';
      readonly sent: number;
      readonly dueAt: Instant;
      readonly host: string | undefined;
      readonly port: { readonly port: number; readonly lifetime: number } | undefined;
    }
  | { readonly at: 'upnp'; readonly dueAt: Instant }
  | { readonly at: 'failed'; readonly dueAt: Instant };

interface Held extends Mapping {
  readonly method: PortMappingMethod;
  readonly expiresAt: Instant;
  readonly renewAt: Instant;
}

/**
 * Asks the router for a port: by PCP, else NAT-PMP, else UPnP, which the owner carries out. Keeps the mapping, and says
 * when it is gone.
 *
 * - inputs: `handleDatagram` (from the router's port 5351), `upnpMapped`, `upnpFailed`
 * - commands: `use`, `check`, `release`
 * - getter: `status`
 */
export class PortMapping implements Machine<PortMappingOutput> {
  readonly #nonce: Uint8Array;
  #network: MappedNetwork | undefined;
  #state: State = { at: 'idle' };
  #held: Held | undefined;
  #tried: PortMappingMethod[] = [];
  #problem: string | undefined;
  #checkedAt: Instant = Number.NEGATIVE_INFINITY;
  readonly #outputs: PortMappingOutput[] = [];

  /** `nonce`: 12 bytes that only we know, the same after a restart, so that our mapping is ours again. */
  constructor(options: { nonce: Uint8Array }) {
    this.#nonce = options.nonce;
  }

  status(): PortMappingStatus {
    return {
      mode: 'auto',
      tried: [...this.#tried],
      ...(this.#network !== undefined && { gateway: this.#network.gateway }),
      ...(this.#held !== undefined && {
        method: this.#held.method,
        external: this.#held.external,
        expiresAt: this.#held.expiresAt,
      }),
      ...(this.#problem !== undefined && { problem: this.#problem }),
    };
  }

  /** Where we are now. A mapping of another network is no longer ours. */
  use(network: MappedNetwork | 'no_router' | 'public_address', now: Instant): void {
    this.#drop();
    this.#tried = [];
    if (typeof network === 'string') {
      this.#network = undefined;
      this.#state = { at: 'idle' };
      this.#problem = network;
    } else {
      this.#network = network;
      this.#begin(now);
    }
  }

  /** The router may have restarted: asks for the mapping again. */
  check(now: Instant): void {
    if (this.#network === undefined || now - this.#checkedAt < CHECK_PAUSE) return;
    if (this.#state.at !== 'idle' && this.#state.at !== 'failed') return;
    this.#begin(now);
  }

  /** Gives the mapping back; nothing is asked for afterwards. */
  release(): void {
    const { internal } = this.#network ?? {};
    const held = this.#held;
    this.#drop();
    this.#network = undefined;
    this.#state = { at: 'idle' };
    if (held === undefined || internal === undefined) return;
    if (held.method === 'pcp') this.#send(this.#pcp(internal, { host: '0.0.0.0', port: 0 }, 0));
    else if (held.method === 'nat-pmp') this.#send(encodeNatPmpMap(internal.port, 0, 0));
    else this.#outputs.push({ type: 'upnp', task: 'unmap', external: held.external.port });
  }

  handleDatagram(data: Uint8Array, now: Instant): void {
    if (this.#network === undefined) return;
    const { at } = this.#state;
    if (at !== 'asking' && at !== 'nat-pmp') return;
    if (data[0] === 0) this.#handleNatPmp(data, now);
    else if (at === 'asking') this.#handlePcp(data, now);
  }

  upnpMapped({ external, lifetime }: Mapping, now: Instant): void {
    if (this.#state.at === 'upnp') this.#made('upnp', external, lifetime, now);
  }

  /** `problem` is a code. */
  upnpFailed(problem: string, now: Instant): void {
    if (this.#state.at === 'upnp') this.#failed(problem, now);
  }

  handleTimeout(now: Instant): void {
    if (this.#held !== undefined && this.#held.expiresAt <= now) this.#drop();
    const state = this.#state;
    if (state.at === 'idle') {
      if (this.#held !== undefined && this.#held.renewAt <= now) this.#begin(now);
      else if (this.#held === undefined && this.#network !== undefined) this.#begin(now);
      return;
    }
    if (state.dueAt > now) return;
    switch (state.at) {
      case 'asking':
        if (state.sent < PAUSES.length) this.#ask(state.sent, now);
        else this.#tryUpnp('no_answer', now);
        return;
      case 'nat-pmp':
        if (state.sent < PAUSES.length) this.#askNatPmp(state, now);
        else this.#tryUpnp('no_answer', now);
        return;
      case 'upnp':
        this.#failed('no_answer', now);
        return;
      case 'failed':
        this.#begin(now);
        return;
      default:
        state satisfies never;
    }
  }

  nextTimeout(): Instant | undefined {
    const times: Instant[] = [];
    if (this.#held !== undefined) times.push(this.#held.expiresAt);
    if (this.#state.at !== 'idle') times.push(this.#state.dueAt);
    else if (this.#held !== undefined) times.push(this.#held.renewAt);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  poll(): PortMappingOutput | undefined {
    return this.#outputs.shift();
  }

  #begin(now: Instant): void {
    this.#checkedAt = now;
    this.#tried = [];
    this.#problem = undefined;
    if (this.#held?.method === 'upnp') this.#tryUpnp(undefined, now);
    else this.#ask(0, now);
  }

  #ask(sent: number, now: Instant): void {
    const { internal } = this.#network!;
    this.#note('pcp');
    this.#send(this.#pcp(internal, this.#wanted(internal), LIFETIME / 1000));
    // Old routers may not even say that they know only NAT-PMP.
    if (sent > 0) {
      this.#note('nat-pmp');
      this.#send(encodeNatPmpAddress());
    }
    this.#state = { at: 'asking', sent: sent + 1, dueAt: now + this.#pause(sent) };
  }

  #askNatPmp(known: { readonly sent: number; readonly host?: string | undefined }, now: Instant): void {
    const { internal } = this.#network!;
    this.#note('nat-pmp');
    if (known.host === undefined) this.#send(encodeNatPmpAddress());
    this.#send(encodeNatPmpMap(internal.port, this.#wanted(internal).port, LIFETIME / 1000));
    this.#state = {
      at: 'nat-pmp',
      sent: known.sent + 1,
      dueAt: now + this.#pause(known.sent),
      host: known.host,
      port: undefined,
    };
  }

  #handlePcp(data: Uint8Array, now: Instant): void {
    const { internal } = this.#network!;
    const answer = decodePcpMap(data);
    if (typeof answer === 'string' || answer.internalPort !== internal.port) return;
    if (!equal(answer.nonce, this.#nonce)) return;
    if (answer.result === 'success' && answer.external.port !== 0) {
      this.#made('pcp', answer.external, answer.lifetime * 1000, now);
    } else if (answer.result === 'unsupported_version') this.#askNatPmp({ sent: 0 }, now);
    else this.#tryUpnp(answer.result, now);
  }

  #handleNatPmp(data: Uint8Array, now: Instant): void {
    const answer = decodeNatPmp(data);
    if (typeof answer === 'string') return;
    const state = this.#state;
    if (state.at === 'asking') {
      // Either the answer to our PCP request in the only version the router knows, or to the question for the address.
      if (answer.type === 'refused' && answer.result !== 'unsupported_version') return;
      this.#askNatPmp({ sent: 0, host: answer.type === 'address' ? answer.host : undefined }, now);
      return;
    }
    if (state.at !== 'nat-pmp') return;
    if (answer.type === 'refused') {
      if (answer.result !== 'unsupported_version') this.#tryUpnp(answer.result, now);
      return;
    }
    const { internal } = this.#network!;
    if (answer.type === 'map' && answer.internalPort !== internal.port) return;
    const host = answer.type === 'address' ? answer.host : state.host;
    const port =
      answer.type === 'map' ? { port: answer.externalPort, lifetime: answer.lifetime } : state.port;
    if (host !== undefined && port !== undefined && port.port !== 0)
      this.#made('nat-pmp', { host, port: port.port }, port.lifetime * 1000, now);
    else this.#state = { ...state, host, port };
  }

  #tryUpnp(problem: string | undefined, now: Instant): void {
    this.#problem = problem;
    this.#note('upnp');
    this.#state = { at: 'upnp', dueAt: now + UPNP_LIMIT };
    const { internal } = this.#network!;
    this.#outputs.push({ type: 'upnp', task: 'map', external: this.#wanted(internal).port });
  }

  #made(method: PortMappingMethod, external: Endpoint, granted: Millis | undefined, now: Instant): void {
    const before = this.#held;
    const lifetime = granted === undefined ? undefined : Math.min(Math.max(granted, SHORTEST), LONGEST);
    this.#state = { at: 'idle' };
    this.#problem = isPublic(external.host) ? undefined : 'router_behind_nat';
    this.#held = {
      method,
      external,
      lifetime,
      expiresAt: now + (lifetime ?? LONGEST),
      renewAt: now + (lifetime ?? LONGEST) / 2,
    };
    if (before !== undefined && sameEndpoint(before.external, external)) return;
    this.#outputs.push({ type: 'event', event: { name: 'port_mapping.made', method, external, lifetime } });
    // A router with a private address outside leads nowhere.
    const usable = isPublic(external.host) ? external : undefined;
    if (usable !== undefined || before !== undefined)
      this.#outputs.push({ type: 'mapped', external: usable });
  }

  #failed(problem: string, now: Instant): void {
    this.#problem = this.#problem === undefined || this.#problem === 'no_answer' ? problem : this.#problem;
    const held = this.#held;
    // What the router does not answer for may still be there, until its time is up.
    const again = held === undefined ? now + TRY_AGAIN : Math.min(now + TRY_AGAIN, held.expiresAt);
    this.#state = { at: 'failed', dueAt: again };
    this.#outputs.push({
      type: 'event',
      event: { name: 'port_mapping.failed', problem: this.#problem, tried: [...this.#tried] },
    });
  }

  #drop(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    const { method, external } = held;
    this.#outputs.push({ type: 'event', event: { name: 'port_mapping.lost', method, external } });
    this.#outputs.push({ type: 'mapped', external: undefined });
  }

  #wanted(internal: Endpoint): Endpoint {
    return this.#held?.external ?? { host: '0.0.0.0', port: internal.port };
  }

  #pcp(internal: Endpoint, suggested: Endpoint, lifetime: number): Uint8Array {
    return encodePcpMap({ nonce: this.#nonce, internal, suggested, lifetime });
  }

  #pause(sent: number): Millis {
    const pauses = this.#held === undefined ? PAUSES : RENEWAL_PAUSES;
    return pauses[Math.min(sent, pauses.length - 1)]!;
  }

  #note(method: PortMappingMethod): void {
    if (!this.#tried.includes(method)) this.#tried.push(method);
  }

  #send(data: Uint8Array): void {
    this.#outputs.push({ type: 'transmit', data });
  }
}
