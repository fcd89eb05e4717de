import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PilotError } from '../api/errors.ts';
import type { Endpoint } from '../base/units.ts';
import { World } from '../sim/net/index.ts';
import { Sockets } from './sockets.ts';

const PORT = 4000;

/** A node with its sockets, and a host that writes down what reaches it. */
async function scene() {
  const world = new World('sockets');
  const process = world.addHost('node', world.internet).start();
  const other = world.addHost('other', world.internet).start();
  const heard: string[] = [];
  const sources: Endpoint[] = [];
  const remote = await other.net.udp({ host: '0.0.0.0', port: 9 });
  remote.onDatagram((data, from) => {
    heard.push(`${data[0]}`);
    sources.push(from);
  });
  let refuse = false;
  const net: typeof process.net = {
    ...process.net,
    udp: (bind) =>
      refuse ? Promise.reject(new PilotError('io_error', 'too many files')) : process.net.udp(bind),
  };
  const main = await net.udp({ host: '0.0.0.0', port: PORT });
  const sockets = new Sockets({ net, clock: process.clock, log: process.log, main });
  const received: string[] = [];
  sockets.listen({
    received: (data, _from, via) => received.push(`${via}:${data[0]}`),
    receivedTrain: (train, _segment, _from, via) => received.push(`${via}:${train[0]}`),
    unreachable() {},
    tooLong() {},
  });
  const to = { host: other.host.address, port: 9 };
  return {
    world,
    sockets,
    remote,
    heard,
    sources,
    received,
    to,
    setRefuse: (value: boolean) => {
      refuse = value;
    },
  };
}

describe('the sockets of a node', () => {
  it('are told apart by number in both directions', async () => {
    const { world, sockets, remote, heard, sources, received, to } = await scene();
    sockets.open(3);
    sockets.send(0, to, Uint8Array.of(1));
    sockets.send(3, to, Uint8Array.of(2));
    await world.runFor(1_000);
    assert.deepEqual(heard.sort(), ['1', '2']);
    const ports = new Set(sources.map(({ port }) => port));
    assert.equal(ports.size, 2);
    for (const source of sources) remote.send(Uint8Array.of(source.port === PORT ? 10 : 20), source);
    await world.runFor(1_000);
    assert.deepEqual(received.sort(), ['0:10', '3:20']);
  });

  it('that are closed hear nothing more, but still send what they were given', async () => {
    const { world, sockets, remote, heard, sources, received, to } = await scene();
    sockets.open(1);
    await world.runFor(10);
    sockets.send(1, to, Uint8Array.of(7));
    sockets.close(1);
    sockets.send(1, to, Uint8Array.of(8));
    await world.runFor(100);
    assert.deepEqual(heard, ['7']);
    remote.send(Uint8Array.of(9), sources[0]!);
    await world.runFor(1_000);
    assert.deepEqual(received, []);
    assert.equal(sockets.count, 1);
  });

  it('send a train as its datagrams, and leave its bytes to whoever gave it', async () => {
    const { world, sockets, heard, to } = await scene();
    const train = Uint8Array.of(1, 9, 2, 9, 3);
    sockets.open(1);
    sockets.sendTrain(1, to, train, 2);
    sockets.sendTrain(0, to, train, 2);
    train.fill(0);
    await world.runFor(1_000);
    assert.deepEqual(heard.sort(), ['1', '1', '2', '2', '3', '3']);
  });

  it('that were closed while they opened stay closed', async () => {
    const { world, sockets, heard, to } = await scene();
    sockets.open(1);
    sockets.send(1, to, Uint8Array.of(7));
    sockets.close(1);
    await world.runFor(1_000);
    assert.deepEqual(heard, []);
    sockets.open(1);
    sockets.send(1, to, Uint8Array.of(8));
    await world.runFor(1_000);
    assert.deepEqual(heard, ['8']);
  });

  it('are at most 300 besides the main one, each opened once', async () => {
    const { world, sockets } = await scene();
    for (let via = 0; via < 1_000; via++) sockets.open(via);
    sockets.open(1);
    await world.runFor(1_000);
    assert.equal(sockets.count, 301);
    await sockets.stop();
    assert.equal(sockets.count, 1);
    sockets.open(5);
    assert.equal(sockets.count, 1);
  });

  it('that cannot be opened lose their datagrams and disturb nothing', async () => {
    const { world, sockets, heard, to, setRefuse } = await scene();
    setRefuse(true);
    sockets.open(1);
    sockets.send(1, to, Uint8Array.of(7));
    await world.runFor(100);
    sockets.send(1, to, Uint8Array.of(8));
    sockets.send(0, to, Uint8Array.of(9));
    await world.runFor(1_000);
    assert.deepEqual(heard, ['9']);
    sockets.close(1);
    await sockets.stop();
  });
});
