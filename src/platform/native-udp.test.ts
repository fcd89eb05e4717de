import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../base/units.ts';
import { loadAccelerator } from './accelerator.ts';
import { hasNativeUdp, openNativeUdp } from './native-udp.ts';
import { type NodeUdpSocket, openUdp } from './udp.ts';

const accelerator = loadAccelerator('auto');
const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0 };
type Open = (bind: Endpoint) => Promise<NodeUdpSocket>;
const native: Open | undefined = hasNativeUdp(accelerator)
  ? (bind) => openNativeUdp(accelerator, bind)
  : undefined;

/** What arrives at a socket until `count` datagrams did. */
function collect(socket: NodeUdpSocket, count: number): Promise<{ data: Uint8Array; from: Endpoint }[]> {
  const got: { data: Uint8Array; from: Endpoint }[] = [];
  return new Promise((resolve) => {
    socket.onDatagram((data, from) => {
      got.push({ data, from });
      if (got.length === count) resolve(got);
    });
  });
}

const PAIRS: readonly (readonly [string, Open, Open])[] =
  native === undefined
    ? [['plain to plain', openUdp, openUdp]]
    : [
        ['native to native', native, native],
        ['native to plain', native, openUdp],
        ['plain to native', openUdp, native],
      ];

for (const [name, openFrom, openTo] of PAIRS) {
  test(`${name}: datagrams of any lengths arrive one by one, in their order`, async () => {
    const [from, to] = [await openFrom(LOOPBACK), await openTo(LOOPBACK)];
    const lengths = [
      1,
      1200,
      1200,
      1200,
      700,
      0,
      1200,
      1200,
      9000,
      9000,
      10,
      10,
      10,
      11,
      ...Array(150).fill(333),
    ];
    const arrived = collect(to, lengths.length);
    lengths.forEach((length, i) => void from.send(new Uint8Array(length).fill(i), to.local));
    const got = await arrived;
    assert.deepEqual(
      got.map(({ data }) => data.length),
      lengths,
    );
    got.forEach(({ data, from: source }, i) => {
      assert.ok(data.every((byte) => byte === (i & 0xff)));
      assert.deepEqual(source, from.local);
    });
    await Promise.all([from.close(), to.close()]);
  });

  test(`${name}: two destinations in turn get theirs`, async () => {
    const [from, one, other] = [await openFrom(LOOPBACK), await openTo(LOOPBACK), await openTo(LOOPBACK)];
    const arrived = Promise.all([collect(one, 50), collect(other, 50)]);
    for (let i = 0; i < 50; i++) {
      from.send(Uint8Array.of(1, i), one.local);
      from.send(Uint8Array.of(2, i), other.local);
    }
    const [atOne, atOther] = await arrived;
    assert.ok(atOne.every(({ data }, i) => data[0] === 1 && data[1] === i));
    assert.ok(atOther.every(({ data }, i) => data[0] === 2 && data[1] === i));
    await Promise.all([from, one, other].map((socket) => socket.close()));
  });
}

test('a native socket on :: takes IPv4 too, and shows it as such', async () => {
  if (native === undefined) return;
  const [from, to] = [await native(LOOPBACK), await native({ host: '::', port: 0 })];
  const arrived = collect(to, 3);
  for (let i = 0; i < 3; i++) from.send(new Uint8Array(100), { host: '127.0.0.1', port: to.local.port });
  assert.deepEqual(
    (await arrived).map((one) => one.from),
    Array(3).fill(from.local),
  );
  const answered = collect(from, 1);
  to.send(new Uint8Array(5), from.local);
  assert.equal((await answered)[0]!.data.length, 5);
  await Promise.all([from.close(), to.close()]);
});

test('a native socket outlives bad destinations, and nothing happens after its close', async () => {
  if (native === undefined) return;
  const [from, to] = [await native(LOOPBACK), await native(LOOPBACK)];
  for (const [host, port] of [
    ['::1', 9],
    ['no address', 9],
    ['127.0.0.1', 0],
  ] as const)
    from.send(new Uint8Array(4), { host, port });
  from.send(new Uint8Array(70_000), to.local);
  const arrived = collect(to, 1);
  from.send(new Uint8Array(4), to.local);
  await arrived;
  assert.equal(from.sendErrors(), 4);
  const closing = from.close();
  from.send(new Uint8Array(4), to.local);
  await closing;
  await from.close();
  await native(from.local).then((again) => again.close());
  await to.close();
});

test('a native socket that is full keeps what fits its queue, and goes on', async () => {
  if (native === undefined) return;
  const [from, to] = [await native(LOOPBACK), await native(LOOPBACK)];
  let got = 0;
  let finished = (): void => {};
  const last = new Promise<void>((resolve) => (finished = resolve));
  to.onDatagram((data) => {
    got++;
    if (data.length === 1) finished();
  });
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 200; i++) from.send(new Uint8Array(1200), to.local);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const goodbye = setInterval(() => from.send(new Uint8Array(1), to.local), 20);
  await last;
  clearInterval(goodbye);
  assert.ok(got > 100);
  await Promise.all([from.close(), to.close()]);
});
