import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../base/units.ts';
import { nodeNet } from './net.ts';
import { openUdp, plainHost } from './udp.ts';

const anyPort: Endpoint = { host: '127.0.0.1', port: 0 };

test('datagrams cross loopback with their bytes and source', async () => {
  const [a, b] = [await openUdp(anyPort), await openUdp(anyPort)];
  const received = new Promise<{ data: Uint8Array; from: Endpoint }>((resolve) => {
    b.onDatagram((data, from) => resolve({ data, from }));
  });
  a.send(Uint8Array.of(1, 2, 3), b.local);
  const { data, from } = await received;
  assert.deepEqual([...data], [1, 2, 3]);
  assert.deepEqual(from, a.local);
  await Promise.all([a.close(), b.close()]);
});

test('a dual-stack socket talks to IPv4 peers under their IPv4 addresses', async (t) => {
  const dual = await openUdp({ host: '::', port: 0 }).catch(() => undefined);
  if (dual === undefined) {
    t.skip('this machine has no IPv6');
    return;
  }
  const four = await openUdp(anyPort);
  const echoed = new Promise<Endpoint>((resolve) => four.onDatagram((_data, from) => resolve(from)));
  dual.onDatagram((data, from) => {
    assert.deepEqual(from, four.local);
    dual.send(data, from);
  });
  four.send(Uint8Array.of(9), { host: '127.0.0.1', port: dual.local.port });
  assert.deepEqual(await echoed, { host: '127.0.0.1', port: dual.local.port });
  await Promise.all([dual.close(), four.close()]);
});

test('a send that cannot work is counted and disturbs nothing', async () => {
  const [a, b] = [await openUdp(anyPort), await openUdp(anyPort)];
  a.send(new Uint8Array(4), { host: '127.0.0.1', port: 0 });
  a.send(new Uint8Array(4), { host: 'not an address', port: 9 });
  a.send(new Uint8Array(4), { host: '::1', port: 9 });
  a.send(new Uint8Array(70_000), b.local);
  const received = new Promise<void>((resolve) => b.onDatagram(() => resolve()));
  a.send(new Uint8Array(4), b.local);
  await received;
  assert.equal(a.sendErrors(), 4);
  await a.close();
  a.send(new Uint8Array(4), b.local);
  await a.close();
  await b.close();
});

test('a taken port is port_in_use', async () => {
  const held = await nodeNet().udp(anyPort);
  await assert.rejects(nodeNet().udp(held.local), { code: 'port_in_use' });
  await held.close();
  await (await nodeNet().udp(held.local)).close();
});

test('addresses lose the IPv4-mapped prefix and the interface scope', () => {
  assert.equal(plainHost('::ffff:10.0.0.1'), '10.0.0.1');
  assert.equal(plainHost('fe80::1%eth0'), 'fe80::1');
  assert.equal(plainHost('2001:db8::1'), '2001:db8::1');
});
