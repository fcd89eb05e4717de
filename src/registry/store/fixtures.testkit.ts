/** Inputs of store tests. */
import assert from 'node:assert/strict';
import type {
  Admission,
  CertifiedTrust,
  HandshakeRequest,
  HandshakeResponse,
  NewInvite,
  NewNetwork,
  Registration,
  RegistrationOutcome,
  Revocation,
  Store,
} from './store.ts';

export const T0 = 1_800_000_000_000;
export const RELEASE = { unprovenSeenBefore: 0, anySeenBefore: 0 };

export function key(n: number): Uint8Array {
  return new Uint8Array(32).fill(n);
}
export function registration(n: number, changes: Partial<Registration> = {}): Registration {
  return {
    publicKey: key(n),
    proven: false,
    owner: '',
    endpoint: `203.0.113.${n}:4000`,
    lan: [],
    beacons: [],
    version: '',
    relayOnly: false,
    hostname: undefined,
    release: RELEASE,
    maxNodes: 1000,
    at: T0,
    ...changes,
  };
}
export function request(from: number, to: number, changes: Partial<HandshakeRequest> = {}): HandshakeRequest {
  return {
    from,
    to,
    justification: 'hi',
    message: `ask ${from}`,
    source: `10.0.0.${from}`,
    at: T0,
    replace: false,
    quiet: false,
    perTarget: 3,
    perSource: 2,
    ...changes,
  };
}
export function response(
  from: number,
  to: number,
  changes: Partial<HandshakeResponse> = {},
): HandshakeResponse {
  return {
    from,
    to,
    accept: true,
    message: `answer ${from}`,
    at: T0,
    deliverUnasked: false,
    askedAfter: T0 - 1000,
    perTarget: 3,
    ...changes,
  };
}
export function revocation(from: number, peer: number, changes: Partial<Revocation> = {}): Revocation {
  return { from, peer, message: '', at: T0, deliver: true, perTarget: 3, ...changes };
}

export function certified(
  a: number,
  b: number,
  serial: number,
  changes: Partial<CertifiedTrust> = {},
): CertifiedTrust {
  return { a, b, serial, notAfter: undefined, text: `cert ${serial}`, ...changes };
}

export async function add(store: Store, n: number, changes: Partial<Registration> = {}): Promise<number> {
  return made(await store.register(registration(n, changes))).node.id;
}
export function made(outcome: RegistrationOutcome) {
  assert.ok(outcome.kind === 'created' || outcome.kind === 'known', outcome.kind);
  return outcome;
}

/** Runs one check on a fresh store. */
export type Check = (title: string, body: (store: Store) => Promise<void>) => void;
export function newNetwork(name: string, creator: number, changes: Partial<NewNetwork> = {}): NewNetwork {
  return {
    name,
    joinRule: 'open',
    tokenHash: '',
    enterprise: false,
    exprPolicy: '',
    creator,
    at: T0,
    perOwner: 16,
    perNode: 64,
    lastId: 0xffff,
    ...changes,
  };
}
export function admission(network: number, node: number, changes: Partial<Admission> = {}): Admission {
  return { network, node, at: T0, perNetwork: 100, perNode: 64, ...changes };
}
export function newInvite(
  network: number,
  inviter: number,
  target: number,
  changes: Partial<NewInvite> = {},
): NewInvite {
  return {
    network,
    inviter,
    target,
    source: `10.0.0.${inviter}`,
    at: T0,
    expiredBefore: T0 - 1000,
    perTarget: 3,
    perSource: 2,
    perNetwork: 5,
    ...changes,
  };
}
