/** What users do in a sequence: how it changes the model, and how it is done for real. */
import type { Random } from '../../../src/base/random.ts';
import type { PilotClient } from '../../../src/sdk/client.ts';
import { chance, pick } from '../../../src/sim/index.ts';
import { approve, ask, type Ports, reject, untrust, type Wish } from './model.ts';
import { pair, pairOf, portsText, type State, withMember, withPair } from './state.ts';
import { PORTS } from './tester.ts';

export interface Operation {
  readonly name: string;
  /** Who does it. */
  readonly by: number;
  /** Whose pair it concerns; undefined for the network, or for nobody's trust. */
  readonly peer: number | undefined;
  /** Takes effect where it is done, whatever others have heard. */
  readonly isLocal: boolean;
  /** Not for storms: without its answer nobody could go on. */
  readonly isCalm?: true;
  /** The model after it, when it succeeds. */
  apply(state: State): State;
  run(client: PilotClient, ids: Ids): Promise<unknown>;
}

/** What the model counts from 0, as the real network numbers it. */
export interface Ids {
  readonly nodes: readonly number[];
  network: number;
}

export interface Now {
  readonly random: Random;
  readonly state: State;
  readonly count: number;
  /** Wall time of the world, ms. */
  readonly wall: number;
}

/** The founder of the network; never leaves it. */
export const FOUNDER = 0;
const TOKEN = 'sesame';

/** Something a user could do now. */
export function randomOperation(now: Now): Operation {
  const { random, state } = now;
  if (chance(random, 0.22)) return networkOperation(now);
  const by = random.below(now.count);
  const peer = (by + 1 + random.below(now.count - 1)) % now.count;
  const { side } = pairOf(by, peer);
  const { trust, asked } = pair(state, by, peer);
  const theirs = asked[1 - side];
  if (theirs !== undefined) {
    if (chance(random, 0.15)) return rejection(by, peer);
    if (chance(random, 0.85)) return approval(now, by, peer, theirs);
  }
  if (trust === undefined)
    return theirs === undefined ? question(now, by, peer) : approval(now, by, peer, theirs);
  const draw = random.below(10);
  if (draw < 3) return withdrawal(by, peer);
  if (draw < 5) return rotation(by);
  if (draw < 8) return change(now, by, peer, 'narrow');
  return change(now, by, peer, 'widen');
}

function question(now: Now, by: number, peer: number): Operation {
  const wish = randomWish(now);
  return {
    name: `${by} asks ${peer} for ${inWords(wish)}`,
    by,
    peer,
    isLocal: false,
    apply: (state) => withPair(state, by, peer, ask(pair(state, by, peer), pairOf(by, peer).side, wish)),
    run: (client, { nodes }) =>
      client.handshake(String(nodes[peer]), 'model', { terms: terms(wish, now.wall) }),
  };
}

function approval(now: Now, by: number, peer: number, asked: Wish): Operation {
  const limit = randomWish(now);
  const wish = chance(now.random, 0.5) ? { ...limit, until: undefined } : EVERYTHING;
  return {
    name: `${by} approves ${peer} for ${inWords(wish)}, asked ${inWords(asked)}`,
    by,
    peer,
    isLocal: false,
    apply: (state) => withPair(state, by, peer, approve(pair(state, by, peer), pairOf(by, peer).side, wish)),
    run: (client, { nodes }) => client.approve(String(nodes[peer]), terms(wish, now.wall)),
  };
}

function rejection(by: number, peer: number): Operation {
  return {
    name: `${by} rejects ${peer}`,
    by,
    peer,
    isLocal: false,
    apply: (state) => withPair(state, by, peer, reject(pair(state, by, peer), pairOf(by, peer).side)),
    run: (client, { nodes }) => client.reject(String(nodes[peer]), 'no'),
  };
}

function withdrawal(by: number, peer: number): Operation {
  return {
    name: `${by} withdraws trust in ${peer}`,
    by,
    peer,
    isLocal: true,
    apply: (state) => withPair(state, by, peer, untrust(pair(state, by, peer), pairOf(by, peer).side)),
    run: (client, { nodes }) => client.untrust(String(nodes[peer])),
  };
}

function rotation(by: number): Operation {
  return {
    name: `${by} replaces its key`,
    by,
    peer: undefined,
    isLocal: false,
    apply: (state) => state,
    run: (client) => client.ipc.call('rotate_key', {}),
  };
}

/** Asks for less or for more than what is in force, in both directions. */
function change(now: Now, by: number, peer: number, kind: 'narrow' | 'widen'): Operation {
  const { side } = pairOf(by, peer);
  const { trust } = pair(now.state, by, peer);
  const [give, get] = [trust?.offers[side], trust?.offers[1 - side]];
  const changed = (ports: Ports): Ports => {
    if (kind === 'widen')
      return chance(now.random, 0.5) ? undefined : new Set([...(ports ?? PORTS), pick(now.random, PORTS)]);
    const kept = [...(ports ?? PORTS)];
    return new Set(kept.filter(() => chance(now.random, 0.7)));
  };
  const wish: Wish = {
    give: kind === 'widen' && give === undefined ? undefined : changed(give),
    get: kind === 'widen' && get === undefined ? undefined : changed(get),
    // Left out of the command, the end stays as it is.
    until: trust?.until,
    renew: false,
  };
  return {
    name: `${by} asks ${peer} to ${kind} to ${inWords(wish)}`,
    by,
    peer,
    isLocal: kind === 'narrow',
    apply: (state) => withPair(state, by, peer, ask(pair(state, by, peer), side, wish)),
    run: (client, { nodes }) =>
      client.handshake(String(nodes[peer]), 'model', {
        terms: terms({ ...wish, until: undefined }, now.wall),
      }),
  };
}

function networkOperation({ random, state, count }: Now): Operation {
  if (state.network === undefined) {
    const ports: Ports = chance(random, 0.3) ? undefined : new Set([pick(random, PORTS)]);
    return {
      name: `${FOUNDER} founds the network, ports ${portsText(ports)}`,
      by: FOUNDER,
      peer: undefined,
      isLocal: false,
      isCalm: true,
      apply: (now) => ({ ...now, network: { members: new Set([FOUNDER]), ports } }),
      run: async (client, ids) => {
        const { network_id } = await client.ipc.call('network_create', {
          name: 'team',
          join_rule: 'token',
          token: TOKEN,
        });
        ids.network = network_id;
        if (ports !== undefined)
          await client.ipc.call('network_set_policy', {
            network: String(network_id),
            allowed_ports: [...ports],
          });
      },
    };
  }
  const node = 1 + random.below(count - 1);
  if (!state.network.members.has(node)) {
    return {
      name: `${node} joins the network`,
      by: node,
      peer: undefined,
      isLocal: false,
      apply: (now) => withMember(now, node, true),
      run: (client, { network }) =>
        client.ipc.call('network_join', { network: String(network), token: TOKEN }),
    };
  }
  const isKick = chance(random, 0.5);
  return {
    name: isKick ? `${FOUNDER} kicks ${node}` : `${node} leaves the network`,
    by: isKick ? FOUNDER : node,
    peer: undefined,
    // Others believe in a membership until they hear that it is over.
    isLocal: false,
    apply: (now) => withMember(now, node, false),
    run: (client, { network, nodes }) =>
      isKick
        ? client.ipc.call('network_kick', { network: String(network), target: String(nodes[node]) })
        : client.ipc.call('network_leave', { network: String(network) }),
  };
}

const EVERYTHING: Wish = { give: undefined, get: undefined, until: undefined, renew: false };

function randomWish({ random, wall }: Now): Wish {
  const until = chance(random, 0.2) ? wall + 1000 * (100 + random.below(120)) : undefined;
  return { give: randomPorts(random), get: randomPorts(random), until, renew: false };
}

function randomPorts(random: Random): Ports {
  if (chance(random, 0.4)) return undefined;
  return new Set(PORTS.filter(() => chance(random, 0.6)));
}

function terms(wish: Wish, wall: number) {
  return {
    give: { ports: portsText(wish.give) },
    get: { ports: portsText(wish.get) },
    ...(wish.until !== undefined && { lifetime: Math.max(1, Math.floor((wish.until - wall) / 1000)) }),
  };
}

function inWords({ give, get, until }: Wish): string {
  const end = until === undefined ? '' : ` until ${Math.round(until / 1000)}`;
  return `[gives ${portsText(give) || 'nothing'}, gets ${portsText(get) || 'nothing'}${end}]`;
}
