/**
 * Plain sockets that measure what a network does, so that the laboratory itself is proven without the product.
 *
 *   probe reflect A B        on the public machine, which has the addresses A and B: answers on two ports of each
 *   probe behaviour A B      prints a NatBehaviour as JSON
 *   probe punch A            prints the endpoint A saw; reads the peer's endpoint from standard input, sends there for
 *                            a second, and prints what it heard
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import type { Dependence, NatBehaviour, PortAllocation } from '../src/core/nat/behaviour.ts';

const PORTS = [7001, 7002] as const;
const SOCKETS = 8;

interface Vantage {
  readonly host: string;
  readonly port: number;
}

interface Question {
  /** From where to answer; by default from where the question arrived. */
  readonly from?: Vantage;
}

/** What a reflector saw. */
interface Answer {
  readonly host: string;
  readonly port: number;
}

async function open(host = '', port = 0): Promise<Socket> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host === '' ? undefined : host, resolve);
  });
  return socket;
}

async function reflect(hosts: readonly string[]): Promise<void> {
  const sockets = new Map<string, Socket>();
  for (const host of hosts) {
    for (const port of PORTS) {
      const socket = await open(host, port);
      sockets.set(`${host} ${port}`, socket);
      socket.on('message', (data: Buffer, source: RemoteInfo) => {
        const { from } = JSON.parse(data.toString()) as Question;
        const answer: Answer = { host: source.address, port: source.port };
        const sender = from === undefined ? socket : sockets.get(`${from.host} ${from.port}`);
        sender?.send(JSON.stringify(answer), source.port, source.address);
      });
    }
  }
  console.log('ready');
}

/** Asks up to three times, a quarter of a second each. */
async function ask(socket: Socket, to: Vantage, question: Question = {}): Promise<Answer | undefined> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const answer = await new Promise<Answer | undefined>((resolve) => {
      const hear = (data: Buffer): void => done(JSON.parse(data.toString()) as Answer);
      const timer = setTimeout(() => done(undefined), 250);
      const done = (answer: Answer | undefined): void => {
        clearTimeout(timer);
        socket.off('message', hear);
        resolve(answer);
      };
      socket.on('message', hear);
      socket.send(JSON.stringify(question), to.port, to.host);
    });
    if (answer !== undefined) return answer;
  }
  return undefined;
}

async function behaviour(first: string, second: string): Promise<NatBehaviour> {
  const [main, other] = PORTS;
  const socket = await open();
  const seen = await ask(socket, { host: first, port: main });
  if (seen === undefined) {
    socket.close();
    const unknown = 'unknown' as const;
    return { translation: 'blocked', mapping: unknown, filtering: unknown, allocation: unknown, step: 0 };
  }
  // Filtering before mapping: the other vantage points must not have been contacted.
  const filtering = await filteringOf(first, second);
  const byPort = await ask(socket, { host: first, port: other });
  const byAddress = await ask(socket, { host: second, port: main });
  socket.close();
  const mapping: Dependence =
    byAddress === undefined || byPort === undefined
      ? 'unknown'
      : byAddress.port === seen.port
        ? 'endpoint-independent'
        : byPort.port === seen.port
          ? 'address-dependent'
          : 'address-and-port-dependent';
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const translation = own.some(({ address }) => address === seen.host) ? 'none' : 'nat';
  return { translation, mapping, filtering, ...(await allocationOf(first)) };
}

async function filteringOf(first: string, second: string): Promise<Dependence> {
  const to = { host: first, port: PORTS[0] };
  const heardFrom = async (from: Vantage): Promise<boolean> => {
    const socket = await open();
    const heard = await ask(socket, to, { from });
    socket.close();
    return heard !== undefined;
  };
  if (await heardFrom({ host: second, port: PORTS[1] })) return 'endpoint-independent';
  if (await heardFrom({ host: first, port: PORTS[1] })) return 'address-dependent';
  return 'address-and-port-dependent';
}

async function allocationOf(host: string): Promise<{ allocation: PortAllocation; step: number }> {
  const pairs: [local: number, seen: number][] = [];
  for (let i = 0; i < SOCKETS; i++) {
    const socket = await open();
    const seen = await ask(socket, { host, port: PORTS[0] });
    pairs.push([socket.address().port, seen?.port ?? 0]);
    socket.close();
  }
  if (pairs.every(([local, seen]) => local === seen)) return { allocation: 'preserving', step: 0 };
  const steps = pairs.slice(1).map(([, seen], i) => seen - pairs[i]![1]);
  const step = steps[0]!;
  if (step !== 0 && Math.abs(step) < 64 && steps.every((other) => other === step)) {
    return { allocation: 'sequential', step };
  }
  return { allocation: 'random', step: 0 };
}

async function punch(reflector: string): Promise<void> {
  const socket = await open(reflector.includes(':') ? '::' : '');
  const seen = await ask(socket, { host: reflector, port: PORTS[0] });
  console.log(JSON.stringify(seen ?? null));
  for await (const line of createInterface({ input: process.stdin })) {
    const peer = JSON.parse(line) as Vantage;
    const heard = new Set<string>();
    socket.on('message', (_data, source) => heard.add(`${source.address} ${source.port}`));
    for (let i = 0; i < 10; i++) {
      socket.send('punch', peer.port, peer.host);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    console.log(JSON.stringify([...heard]));
    socket.close();
    return;
  }
}

const [role, ...words] = process.argv.slice(2);
if (role === 'reflect') await reflect(words);
else if (role === 'behaviour') {
  console.log(JSON.stringify(await behaviour(words[0]!, words[1]!)));
} else if (role === 'punch') {
  await punch(words[0]!);
  process.exit(0);
} else throw new Error('usage: probe reflect|behaviour|punch ADDRESS...');
