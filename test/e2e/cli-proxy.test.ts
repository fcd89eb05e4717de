/** Daemons that reach nothing but an HTTP proxy: the name of the registry means something to that proxy alone. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startProxy, type TestProxy } from '../../src/platform/connect-proxy.testkit.ts';
import { eventually, freePort, type Node, Sandbox } from './pilotctl.ts';

const NAME = 'pilot.hidden.invalid';
let sandbox: Sandbox;
let proxy: TestProxy;
let port: number;
let fingerprint: string;

before(async () => {
  sandbox = await Sandbox.open();
  port = await freePort();
  proxy = await startProxy((target) =>
    target === `${NAME}:${port}` ? { host: '127.0.0.1', port } : undefined,
  );
  proxy.credentials = 'agent:right';
  const rendezvous = sandbox.node('rendezvous');
  const started = await rendezvous.data<{ fingerprint: string }>([
    ...['rendezvous', 'start', '--public-host', NAME],
    ...['--registry-addr', `127.0.0.1:${port}`, '--beacon-addr', `127.0.0.1:${await freePort()}`],
  ]);
  fingerprint = started.fingerprint;
});
after(async () => {
  await sandbox.close();
  await proxy.close();
});

function proxyUrl(credentials: string): string {
  return `http://${credentials}@127.0.0.1:${proxy.endpoint.port}`;
}

interface Shown {
  readonly transport: string;
  readonly transport_in_use: string;
  readonly carrier: string;
  readonly proxy: string;
  readonly registered: boolean;
}

async function inReach(node: Node): Promise<void> {
  await eventually(async () => {
    const info = await node.data<Shown>(['info']);
    assert.deepEqual(
      [info.registered, info.transport_in_use, info.proxy],
      [true, 'compat', `127.0.0.1:${proxy.endpoint.port}`],
    );
    assert.equal(info.carrier, `wss://${NAME}:${port}/v1/compat`);
  });
}

test('wrong credentials are explained, right ones work, and no log holds any', async () => {
  const node = sandbox.node('a');
  const init = ['init', '--registry', `${NAME}:${port}`, '--hostname', 'a'];
  const none = await node.failure(init, { env: { HTTPS_PROXY: `http://127.0.0.1:${proxy.endpoint.port}` } });
  assert.deepEqual([none.code, none.exit], ['proxy_auth_required', 1]);
  assert.match(none.hint, /PILOT_PROXY/);
  const wrong = await node.failure(init, { env: { HTTPS_PROXY: proxyUrl('agent:wrong') } });
  assert.equal(wrong.code, 'proxy_auth_required');
  assert.match(wrong.message, /refuses the credentials \(407\)/);

  const env = { HTTPS_PROXY: proxyUrl('agent:right') };
  const made = await node.data(init, { env });
  assert.equal(made.fingerprint, fingerprint, 'the key was learned through the proxy');
  await node.text(['daemon', 'start', '--public'], { env });
  await inReach(node);
  assert.match(
    await node.text(['info']),
    /WebSocket wss:.* through the proxy 127\.0\.0\.1:\d+ \(no beacon answers over UDP\)/,
  );
  assert.doesNotMatch(node.log, /right|wrong|Basic/);
});

test('a command whose credentials rotate keeps a daemon in reach', async () => {
  const node = sandbox.node('b');
  const command = join(sandbox.root, 'credentials.sh');
  const prints = (credentials: string): void => writeFileSync(command, `echo '${proxyUrl(credentials)}'\n`);
  prints('agent:right');
  chmodSync(command, 0o700);
  const env = { PILOT_PROXY_CMD: `sh ${command}` };
  await node.data(['init', '--registry', `${NAME}:${port}`, '--hostname', 'b'], { env });
  await node.text(['daemon', 'start', '--public'], { env });
  await inReach(node);
  await eventually(() => node.text(['send-message', 'a', '--data', 'hello']));

  proxy.credentials = 'agent:second';
  prints('agent:second');
  const before = proxy.log.length;
  proxy.cut();
  await eventually(async () => {
    const since = proxy.log.slice(before).map(({ status }) => status);
    assert.ok(since.includes(407) && since.includes(200), `${since}`);
  });
  await inReach(node);
  assert.doesNotMatch(node.log, /right|second|Basic/);
  proxy.credentials = 'agent:right';
  await eventually(() => node.text(['send-message', 'a', '--data', 'again']), 40_000);
});

test('credentials are kept out of command lines and of what is shown', async () => {
  const node = sandbox.node('c');
  const refused = await node.failure(['daemon', 'start', '--proxy', proxyUrl('agent:right')]);
  assert.equal(refused.code, 'invalid_argument');
  const set = await node.data(['config', '--set', `proxy=${proxyUrl('agent:right')}`]);
  assert.equal(set.value, `http://***@127.0.0.1:${proxy.endpoint.port}`);
  assert.doesNotMatch(await node.text(['config']), /right/);
  const bad = await node.failure(['config', '--set', 'proxy=socks5://agent:right@x']);
  assert.doesNotMatch(JSON.stringify(bad), /right/);
  await node.text(['config', '--set', 'transport=compat']);
  await node.text(['config', '--set', 'transport=auto']);
  const { settings } = await node.data<{ settings: { transport: { origin: string } } }>(['config']);
  assert.equal(settings.transport.origin, 'default', 'older daemons refuse a file that says auto');
});
