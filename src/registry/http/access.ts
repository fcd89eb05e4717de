/** Who asks by HTTP, and what for. */
import type { FastifyRequest } from 'fastify';
import type { Endpoint } from '../../base/units.ts';
import { parseIp } from '../../wire/ip.ts';

/** What a token may be good for here. */
export type HttpScope = 'metrics:read' | 'nodes:read' | 'networks:read';

export interface HttpOperator {
  readonly name: string;
  readonly scopes: ReadonlySet<string>;
  /** Of these networks alone; empty for all. */
  readonly networks: readonly number[];
}

/** Says whose a token is; undefined: nobody's, or not from there, or not any more. */
export type FindOperator = (token: string, from: Endpoint) => Promise<HttpOperator | undefined>;

export const COOKIE = 'pilot_operator';
const MAX_TOKEN = 512;

/** A request that is refused, as the answer says it. */
export class HttpRefusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, code: string, message: string, hint = '') {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** IPv4 in its own notation. */
export function plainHost(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** The address that connected. */
export function peerOf(request: FastifyRequest): string {
  return plainHost(request.raw.socket.remoteAddress);
}

/** The client: behind a web server on this machine, the address that one names last. */
export function clientOf(request: FastifyRequest): Endpoint {
  const peer = peerOf(request);
  const forwarded = isLoopback(peer) ? header(request, 'x-forwarded-for') : '';
  const last = forwarded.slice(forwarded.lastIndexOf(',') + 1).trim();
  return { host: last !== '' && parseIp(last) !== undefined ? last : peer, port: 0 };
}

/**
 * True for programs of this machine. A web server in front counts as the one it serves, and a name in `Host` as a
 * page somewhere that had its own name point here.
 */
export function isLocal(request: FastifyRequest): boolean {
  if (!isLoopback(peerOf(request))) return false;
  for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'via'])
    if (header(request, name) !== '') return false;
  const host = header(request, 'host').replace(/:\d+$/, '');
  return host === 'localhost' || isLoopback(host.replace(/^\[|\]$/g, ''));
}

/** True when nobody between can read along: a token may be said. */
export function isPrivate(request: FastifyRequest): boolean {
  const encrypted = (request.raw.socket as { encrypted?: boolean }).encrypted === true;
  if (encrypted || header(request, 'x-forwarded-proto') === 'https') return true;
  return isLoopback(peerOf(request)) && header(request, 'x-forwarded-proto') === '';
}

/** The token of a request: `Authorization: Bearer`, or the cookie of a log-in. */
export function tokenOf(request: FastifyRequest): string {
  const bearer = /^Bearer +(.+)$/i.exec(header(request, 'authorization'))?.[1];
  const cookie = new RegExp(`(?:^|; *)${COOKIE}=([^;]*)`).exec(header(request, 'cookie'))?.[1];
  const token = bearer ?? (cookie === undefined ? '' : decoded(cookie));
  return token.length <= MAX_TOKEN ? token : '';
}

/** The operator who asks; undefined for everybody else. Throws `HttpRefusal` for a token said where others can hear it. */
export async function operatorOf(
  request: FastifyRequest,
  find: FindOperator,
): Promise<HttpOperator | undefined> {
  const token = tokenOf(request);
  if (token === '') return undefined;
  if (!isPrivate(request))
    throw new HttpRefusal(
      403,
      'permission_denied',
      'A token was sent without encryption and is not taken',
      'use HTTPS: a web server in front that sets X-Forwarded-Proto, or an SSH tunnel to this machine',
    );
  return find(token, clientOf(request));
}

/** Refuses whoever has not got the scope. */
export async function demand(
  request: FastifyRequest,
  find: FindOperator,
  scope: HttpScope,
): Promise<HttpOperator> {
  const operator = await operatorOf(request, find);
  if (operator === undefined)
    throw new HttpRefusal(401, 'permission_denied', 'This needs a token of an operator', 'log in first');
  if (operator.networks.length > 0 || !operator.scopes.has(scope))
    throw new HttpRefusal(
      403,
      'permission_denied',
      `This token does not have the scope ${scope} for everything`,
    );
  return operator;
}

/** True for who may see every node: the others get what everybody gets. */
export async function seesAll(request: FastifyRequest, find: FindOperator): Promise<boolean> {
  const operator = await operatorOf(request, find);
  return operator?.networks.length === 0 && operator.scopes.has('nodes:read');
}

export function header(request: FastifyRequest, name: string): string {
  const value = request.headers[name];
  return typeof value === 'string' ? value : '';
}

function isLoopback(host: string): boolean {
  return host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
