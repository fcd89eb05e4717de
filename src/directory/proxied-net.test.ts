import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import { nodeClock } from '../platform/clock.ts';
import { startProxy, type TestProxy } from '../platform/connect-proxy.testkit.ts';
import { nodeNet } from '../platform/net.ts';
import type { ConnectOptions, Log, PipeServer } from '../runtime/ports.ts';
import { type ProxiedNet, type ProxyRules, proxiedNet } from './proxied-net.ts';

const clock = nodeClock();
const logged: string[] = [];
const log: Log = { event: (_level, name, fields) => logged.push(JSON.stringify([name, fields])) };
/** A name that only the proxy can resolve. */
const HIDDEN: Endpoint = { host: 'registry.hidden.invalid', port: 443 };
let server: PipeServer;
let proxy: TestProxy;

before(async () => {
  server = await nodeNet().listen({ host: '127.0.0.1', port: 0 }, (pipe) => {
    pipe.onData((data) => pipe.write(data));
  });
  proxy = await startProxy((target) => (target === formatEndpoint(HIDDEN) ? server.local : undefined));
});
afterEach(() => {
  proxy.credentials = undefined;
  proxy.log.length = 0;
});
after(() => Promise.all([server.close(), proxy.close()]));

function urlWith(credentials?: string): string {
  return `http://${credentials === undefined ? '' : `${credentials}@`}${formatEndpoint(proxy.endpoint)}`;
}

function netWith(rules: Partial<ProxyRules>): ProxiedNet {
  return proxiedNet(nodeNet(), { proxy: 'auto', env: {}, ...rules }, { clock, log });
}

async function answers(net: ProxiedNet, to: Endpoint): Promise<void> {
  const pipe = await net.connect(to, { timeout: 5_000 });
  pipe.write(Uint8Array.of(5));
  assert.deepEqual([...(await new Promise<Uint8Array>((resolve) => pipe.onData(resolve)))], [5]);
  pipe.destroy();
}

test('goes through the proxy the environment names where there is no direct way', async () => {
  for (const name of ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy']) {
    const net = netWith({ env: { [name]: urlWith() } });
    await answers(net, HIDDEN);
    assert.equal(net.proxyInUse, formatEndpoint(proxy.endpoint));
  }
  assert.equal(proxy.log.length, 4);
});

test('this machine, servers of NO_PROXY, and everything with "off" are reached directly', async () => {
  const env = { HTTPS_PROXY: urlWith(), NO_PROXY: '.hidden.invalid' };
  await answers(netWith({ env, always: true }), server.local);
  await assert.rejects(netWith({ env }).connect(HIDDEN), { code: 'connection_failed' });
  await assert.rejects(netWith({ env: { HTTPS_PROXY: urlWith() }, proxy: 'off' }).connect(HIDDEN), {
    code: 'connection_failed',
  });
  assert.equal(proxy.log.length, 0);
});

test('a proxy that is named is used for all but this machine, whatever NO_PROXY says', async () => {
  const net = netWith({ proxy: urlWith(), env: { NO_PROXY: '*' } });
  await answers(net, HIDDEN);
  await answers(net, server.local);
  assert.deepEqual(proxy.log, [{ target: formatEndpoint(HIDDEN), status: 200 }]);
});

test('wrong credentials are told as such, and are in no message and no log', async () => {
  proxy.credentials = 'me:right';
  await assert.rejects(
    netWith({ env: { HTTPS_PROXY: urlWith('me:wrong') } }).connect(HIDDEN),
    (error: Error) => {
      assert.equal((error as { code?: string }).code, 'proxy_auth_required');
      assert.doesNotMatch(`${error.message} ${String(error.stack)}`, /wrong/);
      return true;
    },
  );
  await answers(netWith({ env: { HTTPS_PROXY: urlWith('me:right') } }), HIDDEN);
  assert.doesNotMatch(logged.join(), /wrong|right|Basic/);
});

test('a command whose credentials rotate is asked again when the proxy refuses, once', async () => {
  let runs = 0;
  let printed = 'me:1';
  const net = netWith({
    command: async () => {
      runs++;
      return `${urlWith(printed)}\n`;
    },
  });
  proxy.credentials = 'me:1';
  await answers(net, HIDDEN);
  await answers(net, HIDDEN);
  assert.equal(runs, 1, 'what it printed counts for a minute');
  proxy.credentials = 'me:2';
  printed = 'me:2';
  await answers(net, HIDDEN);
  assert.equal(runs, 2);
  proxy.credentials = 'me:3';
  await assert.rejects(net.connect(HIDDEN), { code: 'proxy_auth_required' });
  assert.equal(runs, 3, 'one more try, not more');
});

test('credentials that were refused are not repeated for a while, others are tried at once', async () => {
  let printed = 'me:old';
  proxy.credentials = 'me:new';
  const net = netWith({ command: async () => urlWith(printed) });
  for (let i = 0; i < 5; i++) await assert.rejects(net.connect(HIDDEN), { code: 'proxy_auth_required' });
  assert.equal(proxy.log.length, 1, 'the proxy was asked once');
  printed = 'me:new';
  await answers(net, HIDDEN);
});

test('a refusal is told soon although the direct way hangs', async () => {
  proxy.credentials = 'me:new';
  const hanging = {
    ...nodeNet(),
    connect: (to: Endpoint, options: ConnectOptions = {}) =>
      options.proxy === undefined
        ? new Promise<never>((_resolve, reject) => {
            options.signal?.addEventListener('abort', () => reject(options.signal?.reason));
          })
        : nodeNet().connect(to, options),
  };
  const rules = { proxy: 'auto', env: { HTTPS_PROXY: urlWith('me:old') } };
  const net = proxiedNet(hanging, rules, { clock, log });
  await assert.rejects(net.connect(HIDDEN), { code: 'proxy_auth_required' });
});

test('a command that fails leaves what it printed last, and fails the connection only when there is nothing', async () => {
  let fails = true;
  let now = 0;
  const net = proxiedNet(
    nodeNet(),
    {
      proxy: 'auto',
      env: {},
      command: async () => {
        if (fails) throw new Error('exit status 1');
        return urlWith();
      },
    },
    { clock: { ...clock, now: () => now, at: (_when, act) => clock.at(clock.now(), act) }, log },
  );
  await assert.rejects(net.connect(HIDDEN), /exit status 1/);
  fails = false;
  await answers(net, HIDDEN);
  fails = true;
  now += 61_000;
  await answers(net, HIDDEN);
  assert.ok(logged.some((line) => line.includes('proxy.command_failed')));
});

test('the faster of two ways wins, the other is closed', async () => {
  const wide = await nodeNet().listen({ host: '0.0.0.0', port: 0 }, (pipe) => {
    pipe.onData((data) => pipe.write(data));
  });
  const hostAddress = nodeNet()
    .localAddresses()
    .find((address) => !address.includes(':'));
  if (hostAddress !== undefined) {
    const net = netWith({ env: { HTTPS_PROXY: urlWith() } });
    await answers(net, { host: hostAddress, port: wide.local.port });
    assert.equal(net.proxyInUse, undefined, `${hostAddress} needs no proxy`);
    assert.equal(proxy.log.length, 0);
  }
  await wide.close();
});

test('a call that is called off ends both ways', async () => {
  const control = new AbortController();
  const silent = await nodeNet().listen({ host: '127.0.0.1', port: 0 }, () => {});
  const net = netWith({ env: { HTTPS_PROXY: `http://${formatEndpoint(silent.local)}` } });
  const asked = net.connect(HIDDEN, { signal: control.signal });
  control.abort(new Error('called off'));
  await assert.rejects(asked, /called off/);
  await silent.close();
});
