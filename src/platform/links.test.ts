import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localLinks, readMtu } from './links.ts';

test('every address of the machine has a link, and on Linux its size', () => {
  const links = localLinks([]);
  const loopback = links.find(({ address }) => address === '127.0.0.1');
  assert.equal(loopback?.loopback, true);
  assert.equal(loopback?.bits, 8);
  assert.equal(loopback?.leadsOut, false);
  for (const { mtu } of links) {
    assert.ok(mtu === undefined || mtu >= 68);
    if (process.platform === 'linux') assert.ok(mtu !== undefined);
  }
});

test('a route to everywhere marks the link it goes by', () => {
  const through = localLinks([])[0]!.address;
  const links = localLinks([{ host: '192.0.2.1', through, metric: 0 }]);
  assert.equal(links.find(({ address }) => address === through)?.leadsOut, true);
});

test('what is no size is none', () => {
  assert.equal(
    readMtu(() => '1500\n'),
    1_500,
  );
  for (const text of ['', 'x', '-1', '0', '1.5'])
    assert.equal(
      readMtu(() => text),
      undefined,
    );
  assert.equal(
    readMtu(() => {
      throw new Error('no such file');
    }),
    undefined,
  );
});
