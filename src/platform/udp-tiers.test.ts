/** What every tier of UDP socket does alike, between every two of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Endpoint } from '../base/units.ts';
import { loadAccelerator } from './accelerator.ts';
import { openNativeUdp } from './native-udp.ts';
import { type NodeUdpSocket, openUdp } from './udp.ts';

const accelerator = loadAccelerator();
const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0 };

interface Tier {
  readonly name: string;
  open(bind: Endpoint): Promise<NodeUdpSocket>;
}
const plain: Tier = { name: 'plain', open: (bind) => openUdp(bind) };
const segmented: Tier = { name: 'segmented', open: (bind) => openUdp(bind, accelerator?.setOption) };
const native: Tier = { name: 'native', open: (bind) => openNativeUdp(accelerator!, bind) };
const TIERS: readonly Tier[] = [
  plain,
  ...(accelerator?.setOption === undefined ? [] : [segmented]),
  ...(accelerator?.udpOpen === undefined ? [] : [native]),
];

interface Arrived {
  readonly data: Uint8Array;
  readonly from: Endpoint;
}

/** What arrives at a socket until `count` datagrams did, as trains or one by one. */
function collect(socket: NodeUdpSocket, count: number, inTrains = false): Promise<Arrived[]> {
  const got: Arrived[] = [];
  return new Promise((resolve) => {
    const add = (data: Uint8Array, from: Endpoint): void => {
      got.push({ data, from });
      if (got.length === count) resolve(got);
    };
    if (!inTrains) socket.onDatagram(add);
    else
      socket.onTrain((train, segment, from) => {
        for (let at = 0; at === 0 || at < train.length; at += segment)
          add(train.slice(at, at + segment), from);
      });
  });
}

for (const from of TIERS) {
  for (const to of TIERS) {
    test(`${from.name} to ${to.name}: datagrams of any lengths arrive one by one, in their order`, async () => {
      const [a, b] = [await from.open(LOOPBACK), await to.open(LOOPBACK)];
      const runs = [1, 1200, 1200, 1200, 700, 0, 1200, 1200, 9000, 9000, 10, 10, 10, 11, 0, 0];
      const lengths = [...runs, ...Array<number>(150).fill(333)];
      const arrived = collect(b, lengths.length);
      lengths.forEach((length, i) => void a.send(new Uint8Array(length).fill(i), b.local));
      const got = await arrived;
      assert.deepEqual(
        got.map(({ data }) => data.length),
        lengths,
      );
      got.forEach(({ data, from: source }, i) => {
        assert.ok(data.every((byte) => byte === (i & 0xff)));
        assert.deepEqual(source, a.local);
      });
      await Promise.all([a.close(), b.close()]);
    });

    test(`${from.name} to ${to.name}: trains arrive as what they are made of`, async () => {
      const [a, b] = [await from.open(LOOPBACK), await to.open(LOOPBACK)];
      for (const [segment, length] of [
        [1200, 1200],
        [1200, 700],
        [1200, 2400],
        [1200, 2401],
        [1400, 61_600],
        [1400, 200_000],
        [9000, 63_001],
        [60_000, 120_000],
        [10, 1001],
        [1, 130],
      ] as const) {
        const train = Uint8Array.from({ length }, (_, i) => (i * 7 + segment) & 0xff);
        const arrived = collect(b, Math.ceil(length / segment), true);
        const given = train.slice();
        a.sendTrain(given, segment, b.local);
        given.fill(0xff);
        const got = await arrived;
        assert.deepEqual(
          got.map(({ data }) => data.length),
          got.map((_, i) => Math.min(segment, length - i * segment)),
        );
        assert.deepEqual(Buffer.concat(got.map(({ data }) => data)), Buffer.from(train));
        assert.ok(got.every((one) => one.from.port === a.local.port && one.from.host === '127.0.0.1'));
      }
      await Promise.all([a.close(), b.close()]);
    });

    test(`${from.name} to ${to.name}: what arrived is the receiver's own`, async () => {
      const [a, b] = [await from.open(LOOPBACK), await to.open(LOOPBACK)];
      const arrived = collect(b, 60);
      for (let round = 0; round < 4; round++) {
        a.sendTrain(new Uint8Array(15 * 1400).fill(round), 1400, b.local);
        await new Promise((resolve) => setImmediate(resolve));
      }
      (await arrived).forEach(({ data }, i) => {
        assert.ok(data.every((byte) => byte === Math.floor(i / 15)));
      });
      await Promise.all([a.close(), b.close()]);
    });
  }
}

for (const tier of TIERS) {
  test(`${tier.name}: two destinations in turn get theirs, trains and single datagrams in the order sent`, async () => {
    const [from, one, other] = await Promise.all([1, 2, 3].map(() => tier.open(LOOPBACK)));
    const arrived = Promise.all([collect(one!, 100), collect(other!, 50)]);
    for (let i = 0; i < 50; i++) {
      from!.send(Uint8Array.of(1, 2 * i), one!.local);
      from!.send(Uint8Array.of(2, i), other!.local);
      if (i % 2 === 1) from!.sendTrain(Uint8Array.of(1, 2 * i - 1, 1, 2 * i + 1), 2, one!.local);
    }
    const [atOne, atOther] = await arrived;
    const expected = [...Array(25).keys()].flatMap((pair) => [0, 2, 1, 3].map((n) => 4 * pair + n));
    assert.deepEqual(
      atOne.map(({ data }) => data[1]),
      expected,
    );
    assert.ok(atOther.every(({ data }, i) => data[0] === 2 && data[1] === i));
    await Promise.all([from, one, other].map((socket) => socket!.close()));
  });

  test(`${tier.name}: a socket on :: takes IPv4 too, and shows it as such`, async (t) => {
    const to = await tier.open({ host: '::', port: 0 }).catch(() => undefined);
    if (to === undefined) {
      t.skip('this machine has no IPv6');
      return;
    }
    const from = await tier.open(LOOPBACK);
    const arrived = collect(to, 3);
    for (let i = 0; i < 3; i++) from.send(new Uint8Array(100), { host: '127.0.0.1', port: to.local.port });
    assert.deepEqual(
      (await arrived).map((one) => one.from),
      Array(3).fill(from.local),
    );
    const answered = collect(from, 41);
    to.send(new Uint8Array(5), from.local);
    to.sendTrain(new Uint8Array(40 * 1000), 1000, from.local);
    assert.equal((await answered)[0]!.data.length, 5);
    await Promise.all([from.close(), to.close()]);
  });

  test(`${tier.name}: bad destinations disturb nothing, and what is too long is told`, async () => {
    const [from, to] = [await tier.open(LOOPBACK), await tier.open(LOOPBACK)];
    const tooLong = new Promise<[Endpoint, number]>((resolve) =>
      from.onTooLong((where, bytes) => resolve([where, bytes])),
    );
    assert.ok(from.receiveBuffer! >= 64 * 1024, `${from.receiveBuffer}`);
    for (const [host, port] of [
      ['::1', 9],
      ['no address', 9],
      ['127.0.0.1', 0],
    ] as const) {
      from.send(new Uint8Array(4), { host, port });
    }
    from.send(new Uint8Array(70_000), to.local);
    const arrived = collect(to, 1);
    from.send(new Uint8Array(4), to.local);
    assert.equal((await arrived)[0]!.data.length, 4);
    assert.deepEqual(await tooLong, [to.local, 70_000]);
    assert.equal(from.sendErrors(), 4);
    from.sendTrain(new Uint8Array(400), 100, { host: 'no address', port: 9 });
    await Promise.all([from.close(), to.close()]);
  });

  test(`${tier.name}: nothing happens after the close, and the port is free`, async () => {
    const [from, to] = [await tier.open(LOOPBACK), await tier.open(LOOPBACK)];
    const arrived = collect(to, 1);
    from.send(Uint8Array.of(7), to.local);
    const closing = from.close();
    from.send(Uint8Array.of(8), to.local);
    from.sendTrain(new Uint8Array(400), 100, to.local);
    await closing;
    await from.close();
    assert.equal((await arrived)[0]!.data[0], 7);
    await (await tier.open(from.local)).close();
    await to.close();
  });

  test(`${tier.name}: closing while datagrams come in is safe`, async () => {
    const [from, to] = [await tier.open(LOOPBACK), await tier.open(LOOPBACK)];
    let after = 0;
    const closing = new Promise<void>((resolve) => {
      to.onTrain(() => {
        after++;
        void to.close().then(resolve);
      });
    });
    for (let i = 0; i < 100; i++) from.sendTrain(new Uint8Array(100 * (i + 1)), 100, to.local);
    await closing;
    assert.equal(after, 1);
    await from.close();
  });

  test(`${tier.name}: a socket that is full goes on`, async () => {
    const [from, to] = [await tier.open(LOOPBACK), await tier.open(LOOPBACK)];
    let got = 0;
    let finished = (): void => {};
    const last = new Promise<void>((resolve) => (finished = resolve));
    to.onDatagram((data) => {
      got++;
      if (data.length === 1) finished();
    });
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 100; i++) from.send(new Uint8Array(1200), to.local);
      from.sendTrain(new Uint8Array(120_000), 1200, to.local);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const goodbye = setInterval(() => from.send(new Uint8Array(1), to.local), 20);
    await last;
    clearInterval(goodbye);
    assert.ok(got > 100);
    await Promise.all([from.close(), to.close()]);
  });
}

test('the native tier is the one that never fragments where the kernel offers that', async () => {
  if (!TIERS.includes(native) || process.platform !== 'linux') return;
  for (const host of ['127.0.0.1', '::1']) {
    const socket = await native.open({ host, port: 0 }).catch(() => undefined);
    assert.ok(socket === undefined || socket.dontFragment);
    await socket?.close();
  }
  const [without, withOptions] = [await plain.open(LOOPBACK), await segmented.open(LOOPBACK)];
  assert.equal(without.dontFragment, false);
  assert.equal(withOptions.dontFragment, true);
  await Promise.all([without.close(), withOptions.close()]);
});

test('a thread that ends takes its sockets along', async () => {
  const [addon, module] = ['./accelerator.js', './native-udp.js'].map(
    (name) => new URL(name, import.meta.url),
  );
  const source = `
    const { loadAccelerator } = await import(${JSON.stringify(addon!.href)});
    const { openNativeUdp } = await import(${JSON.stringify(module!.href)});
    const { parentPort } = await import('node:worker_threads');
    const accelerator = loadAccelerator();
    if (accelerator?.udpOpen !== undefined) {
      const sockets = [];
      for (let i = 0; i < 5; i++) sockets.push(await openNativeUdp(accelerator, { host: '127.0.0.1', port: 0 }));
      sockets[0].close();
      sockets[1].sendTrain(new Uint8Array(9000), 100, sockets[2].local);
    }
    parentPort.postMessage('open');
  `;
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
  }
});
