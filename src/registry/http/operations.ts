/** What the programs of an operator ask: is it alive, is it ready, how is it doing. */
import type { FastifyInstance } from 'fastify';
import { demand, type FindOperator, isLocal } from './access.ts';
import type { Health } from './health.ts';

export interface OperationsOptions {
  readonly version: string;
  readonly health: Health;
  readonly findOperator: FindOperator;
  /** Seconds since the process serves. */
  readonly uptime: () => number;
  readonly online: () => number;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
}

export function addOperations(server: FastifyInstance, options: OperationsOptions): void {
  const { health, version } = options;
  server.get('/healthz', async (_request, reply) => {
    void reply.header('cache-control', 'no-store');
    return {
      status: 'ok',
      version,
      uptime_seconds: Math.floor(options.uptime()),
      nodes_online: options.online(),
    };
  });
  server.get('/readyz', async (_request, reply) => {
    const readiness = await health.readiness();
    void reply.header('cache-control', 'no-store').code(readiness === 'ready' ? 200 : 503);
    return { status: readiness };
  });
  server.get('/metrics', async (request, reply) => {
    if (!isLocal(request)) await demand(request, options.findOperator, 'metrics:read');
    const { type, text } = await options.metrics();
    return reply.header('cache-control', 'no-store').type(type).send(text);
  });
}
