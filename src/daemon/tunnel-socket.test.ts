import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PilotError } from '../api/errors.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { Net, UdpSocket } from '../runtime/ports.ts';
import { bindTunnel, localEndpoints, resolveEndpoints } from './tunnel-socket.ts';

const QUIET = { event() {} };

/** Binds what `refuses` does not refuse. */
function bindingNet(refuses: (at: Endpoint) => 'port_in_use' | 'io_error' | undefined): Net {
  return {
    udp(at: Endpoint) {
      const code = refuses(at);
      if (code !== undefined) return Promise.reject(new PilotError(code, formatEndpoint(at)));
      return Promise.resolve({ local: at } as UdpSocket);
    },
  } as Net;
}

async function bound(net: Net, wanted: Endpoint, lastPort?: number): Promise<string> {
  return formatEndpoint((await bindTunnel(net, wanted, lastPort)).local);
}

describe('the tunnel’s socket', () => {
  const any = { host: '::', port: 0 };

  it('takes both families, at the port of the last run', async () => {
    assert.equal(
      await bound(
        bindingNet(() => undefined),
        any,
        4000,
      ),
      '[::]:4000',
    );
    assert.equal(
      await bound(
        bindingNet(() => undefined),
        any,
      ),
      '[::]:0',
    );
  });

  it('takes another port when the last one is taken, but not when one was asked for', async () => {
    const taken = bindingNet(({ port }) => (port === 4000 ? 'port_in_use' : undefined));
    assert.equal(await bound(taken, any, 4000), '[::]:0');
    await assert.rejects(bound(taken, { host: '::', port: 4000 }), { code: 'port_in_use' });
  });

  it('is IPv4 only where there is no IPv6, with the same rules for ports', async () => {
    const v4Only = bindingNet(({ host }) => (host === '::' ? 'io_error' : undefined));
    assert.equal(await bound(v4Only, any, 4000), '0.0.0.0:4000');
    const taken = bindingNet(({ host, port }) =>
      host === '::' ? 'io_error' : port === 4000 ? 'port_in_use' : undefined,
    );
    assert.equal(await bound(taken, any, 4000), '0.0.0.0:0');
    await assert.rejects(
      bound(v4Only, { host: '::1', port: 0 }).then(() => bound(taken, { host: '::', port: 4000 })),
      {
        code: 'port_in_use',
      },
    );
  });
});

describe('local endpoints', () => {
  const net = {
    localAddresses: () => [
      '172.17.0.1',
      '10.0.0.5',
      '2001:db8::5',
      ...Array.from({ length: 9 }, (_, i) => `172.18.0.${i}`),
    ],
    gateways: () => [
      { host: '10.0.0.1', local: '10.0.0.5' },
      { host: 'fe80::1%eth0', local: '2001:db8::5' },
    ],
  } as unknown as Net;

  it('begin with those on the way to the world, and are few', () => {
    const found = localEndpoints(net, { host: '::', port: 4000 }).map(formatEndpoint);
    assert.deepEqual(found.slice(0, 3), ['10.0.0.5:4000', '[2001:db8::5]:4000', '172.17.0.1:4000']);
    assert.equal(found.length, 8);
  });

  it('are of the families the socket speaks', () => {
    const found = localEndpoints(net, { host: '0.0.0.0', port: 4000 });
    assert.ok(found.every(({ host }) => !host.includes(':')));
    const one = { host: '192.0.2.1', port: 4000 };
    assert.deepEqual(localEndpoints(net, one), [one]);
  });
});

describe('beacons', () => {
  const names: Readonly<Record<string, readonly string[]>> = {
    dual: ['2001:db8::1', '203.0.113.1', '203.0.113.2'],
    six: ['2001:db8::2'],
  };
  const net = {
    resolve(host: string) {
      const found = names[host] ?? (host === 'gone' ? undefined : [host]);
      return found === undefined
        ? Promise.reject(new PilotError('connection_failed', host))
        : Promise.resolve(found);
    },
  } as unknown as Net;
  const wanted = ['dual:1', 'gone:2', 'six:3', '192.0.2.9:4'].map((text) => {
    const [host, port] = text.split(':');
    return { host: host!, port: Number(port) };
  });

  it('are had in both families, IPv4 first, and what does not resolve is left out', async () => {
    const found = await resolveEndpoints(net, QUIET, wanted, { host: '::', port: 1 });
    assert.deepEqual(found.map(formatEndpoint), [
      ...['203.0.113.1:1', '[2001:db8::1]:1', '[2001:db8::2]:3', '192.0.2.9:4'],
    ]);
  });

  it('are had in the one family a socket speaks', async () => {
    const four = await resolveEndpoints(net, QUIET, wanted, { host: '0.0.0.0', port: 1 });
    assert.deepEqual(four.map(formatEndpoint), ['203.0.113.1:1', '192.0.2.9:4']);
    const six = await resolveEndpoints(net, QUIET, wanted, { host: '2001:db8::9', port: 1 });
    assert.deepEqual(six.map(formatEndpoint), ['[2001:db8::1]:1', '[2001:db8::2]:3']);
  });

  it('behind a byte stream keep their name', async () => {
    const carrier = { host: 'wss://pilot.example:443/v1/compat', port: 443 };
    assert.deepEqual(await resolveEndpoints(net, QUIET, [carrier], { host: '::', port: 1 }), [carrier]);
  });
});
