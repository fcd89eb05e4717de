/** The registry over HTTP: health, metrics, and the dashboard. */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { PilotError } from '../../api/errors.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import type { Clock, TlsServerOptions } from '../../runtime/ports.ts';
import { Budget } from '../service/budget.ts';
import { sourceOf } from '../source.ts';
import { clientOf, HttpRefusal, plainHost } from './access.ts';
import type { Meters } from './meters.ts';

const BODY_LIMIT = 4096;
const MAX_HEADER = 8192;
const REQUEST_TIMEOUT: Millis = 10_000;
/** Without a byte in either direction; streams have one every few seconds. */
const IDLE_TIMEOUT: Millis = 60_000;
const MAX_CONNECTIONS = 2000;
/** Of one network address; a web server on this machine has those of all its clients. */
const CONNECTIONS_PER_HOST = 100;
const FRONTS: ReadonlySet<string> = new Set(['127.0.0.1', '::1']);
/** Of one network address. */
const BUDGET = { burst: 200, perSecond: 20 };

/**
 * Nothing from elsewhere, nothing inline, nobody's frame. The uPlot chart and our own pictures set styles by script,
 * which a policy of styles does not concern.
 */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'interest-cohort=()',
};

export interface HttpServerOptions {
  readonly clock: Clock;
  readonly meters: Meters;
  readonly tls?: TlsServerOptions | undefined;
}

/** A server with limits, and without routes. */
export function httpServer({ clock, meters, tls }: HttpServerOptions): FastifyInstance {
  const budget = new Budget(BUDGET);
  const began = new WeakMap<FastifyRequest, number>();
  const server = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT,
    connectionTimeout: IDLE_TIMEOUT,
    keepAliveTimeout: 20_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 64 },
    ...(tls === undefined
      ? { http: { maxHeaderSize: MAX_HEADER } }
      : { https: { maxHeaderSize: MAX_HEADER, cert: tls.certificate, key: tls.privateKey } }),
  }) as unknown as FastifyInstance;
  server.server.maxConnections = MAX_CONNECTIONS;
  limitHosts(server);
  server.addHook('onRequest', async (request, reply) => {
    began.set(request, clock.now());
    void reply.headers(HEADERS);
    if (!budget.spend(sourceOf(clientOf(request).host), clock.now()))
      throw new HttpRefusal(429, 'rate_limited', 'Too many requests from this address', 'try again later');
  });
  server.addHook('onSend', async (request, reply) => {
    const spent = clock.now() - (began.get(request) ?? clock.now());
    void reply.header('server-timing', `total;dur=${spent.toFixed(2)}`);
  });
  const [answers, durations] = [
    meters.counter('pilot_http_requests_total'),
    meters.histogram('pilot_http_request_duration_seconds'),
  ];
  server.addHook('onResponse', async (request, reply) => {
    answers.inc({ code: String(reply.statusCode) });
    durations.observe((clock.now() - (began.get(request) ?? clock.now())) / 1000);
  });
  server.setNotFoundHandler((_request, reply) => {
    refuse(reply, new HttpRefusal(404, 'not_found', 'There is nothing here'));
  });
  server.setErrorHandler((error, _request, reply) => {
    refuse(reply, error instanceof HttpRefusal ? error : asRefusal(error));
  });
  return server;
}

/** Cuts the connections of a network address that has too many. */
function limitHosts(server: FastifyInstance): void {
  const perHost = new Map<string, number>();
  server.server.on('connection', (socket) => {
    const host = plainHost(socket.remoteAddress);
    if (FRONTS.has(host)) return;
    const source = sourceOf(host);
    const count = (perHost.get(source) ?? 0) + 1;
    perHost.set(source, count);
    socket.once('close', () => {
      const left = perHost.get(source)! - 1;
      if (left > 0) perHost.set(source, left);
      else perHost.delete(source);
    });
    if (count > CONNECTIONS_PER_HOST) socket.destroy();
  });
}

/** Binds. Errors: `port_in_use`, `io_error`. */
export async function bindHttp(server: FastifyInstance, { host, port }: Endpoint): Promise<Endpoint> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const code = (error as { code?: string }).code === 'EADDRINUSE' ? 'port_in_use' : 'io_error';
    const text = error instanceof Error ? error.message : String(error);
    throw new PilotError(code, `Cannot serve HTTP at ${host}:${port}: ${text}`, { cause: error });
  }
  const bound = server.server.address();
  return typeof bound === 'object' && bound !== null
    ? { host: bound.address, port: bound.port }
    : { host, port };
}

function refuse(reply: FastifyReply, { status, code, message, hint }: HttpRefusal): void {
  void reply.code(status).send({ error: message, code, ...(hint === '' ? {} : { hint }) });
}

/** What fastify refused by itself keeps its status; what failed on our side says nothing of why. */
function asRefusal(error: unknown): HttpRefusal {
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status >= 400 && status < 500)
    return new HttpRefusal(status, 'invalid_argument', 'The request is not valid');
  return new HttpRefusal(503, 'unavailable', 'The registry cannot do that now', 'try again later');
}
