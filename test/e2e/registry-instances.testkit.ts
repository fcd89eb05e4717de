/** Three registries on one PostgreSQL, each as a process of its own, each over a way to the database that can be cut. */
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { startPostgres, type TestPostgres } from '../postgres.ts';
import { firstLine, killChild, scriptBeside, startChild } from './children.testkit.ts';
import { type Cut, cuttable } from './cut.testkit.ts';

const CHILD = scriptBeside(import.meta.url, 'registry-instance-child');

export interface Instance {
  readonly port: number;
  readonly way: Cut;
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface Instances {
  readonly database: TestPostgres;
  readonly all: readonly Instance[];
  readonly ports: readonly number[];
  close(): Promise<void>;
}

export async function startInstances(count: number): Promise<Instances> {
  const database = await startPostgres({ durable: true });
  const all: Instance[] = [];
  const close = async (): Promise<void> => {
    for (const { kill, way } of all) {
      await kill();
      await way.close();
    }
    await database.close();
  };
  try {
    for (let n = 0; n < count; n++) all.push(await instance(database));
    for (const { start } of all) await start();
    return { database, all, ports: all.map(({ port }) => port), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function instance(database: TestPostgres): Promise<Instance> {
  const way = await cuttable(database.port);
  const url = database.url().replace(`:${database.port}/`, `:${way.port}/`);
  const port = await freePort();
  let child: ChildProcess | undefined;
  return {
    port,
    way,
    kill: () => killChild(child),
    async start() {
      child = startChild(CHILD, [url, String(port)]);
      await firstLine(child);
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
