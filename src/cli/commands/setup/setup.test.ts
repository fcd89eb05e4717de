import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestMachine } from '../../cli.testkit.ts';
import { runCli } from '../../main.ts';

const CONFIG = '/home/1000/.pilot/config.json';
const KEY = 'ab'.repeat(32);
const OTHER_KEY = 'cd'.repeat(32);

class Desk {
  readonly machine = new TestMachine();
  env: Record<string, string> = {};

  /** Runs a command with --json; data of success or the error object. */
  async run(...argv: string[]): Promise<Record<string, unknown> & { exit: number }> {
    const host = this.machine.host({ env: this.env });
    const running = runCli(host, [...argv, '--json']);
    let exit: number | undefined;
    void running.then((status) => {
      exit = status;
    });
    for (let step = 0; step < 400 && exit === undefined; step++) await this.machine.clock.advance(100);
    const line = exit === 0 ? host.stdout.text : host.stderr.text;
    const { data, ...rest } = JSON.parse(line);
    return { ...(exit === 0 ? data : rest), exit: exit ?? -1 };
  }

  get file(): Record<string, unknown> | undefined {
    const stored = this.machine.files.get(CONFIG);
    return stored === undefined ? undefined : JSON.parse(stored.data);
  }
  set file(raw: object) {
    this.machine.files.set(CONFIG, { data: JSON.stringify(raw), owner: 1000 });
  }
}

test('init learns the key and the beacon of a registry and pins the key', async () => {
  const desk = new Desk();
  desk.machine.registries.set(9000, { fingerprint: KEY, beacons: ['0.0.0.0:9001'] });
  const { exit, ...data } = await desk.run('init', '--registry', 'example.net', '--hostname', 'node-a');
  assert.equal(exit, 0);
  assert.deepEqual(data, {
    config_path: CONFIG,
    registry: 'example.net:9000',
    beacon: 'example.net:9001',
    fingerprint: KEY,
    tls: true,
    socket: '/home/1000/.pilot/pilot.sock',
    hostname: 'node-a',
  });
  assert.deepEqual(desk.file, {
    registry: 'example.net:9000',
    registry_fingerprint: KEY,
    hostname: 'node-a',
  });
});

test('init refuses a registry whose key changed, unless the new key is given', async () => {
  const desk = new Desk();
  desk.file = { registry: 'example.net:9000', registry_fingerprint: KEY };
  desk.machine.registries.set(9000, { fingerprint: OTHER_KEY, beacons: [] });
  const refused = await desk.run('init', '--registry', 'example.net');
  assert.equal(refused.exit, 1);
  assert.equal(refused.code, 'fingerprint_mismatch');
  assert.match(String(refused.hint), /pilotctl init --registry example\.net:9000 --fingerprint/);
  assert.equal(desk.file?.registry_fingerprint, KEY);
  const accepted = await desk.run('init', '--registry', 'example.net', '--fingerprint', OTHER_KEY);
  assert.equal(accepted.exit, 0);
  assert.equal(desk.file?.registry_fingerprint, OTHER_KEY);
});

test('init saves nothing when the key given is not the one shown', async () => {
  const desk = new Desk();
  desk.machine.registries.set(9000, { fingerprint: KEY, beacons: [] });
  const refused = await desk.run('init', '--registry', 'example.net', '--fingerprint', OTHER_KEY);
  assert.equal(refused.code, 'fingerprint_mismatch');
  assert.equal(desk.file, undefined);
});

test('a registry that is away is configured only when its key is given', async () => {
  const desk = new Desk();
  const refused = await desk.run('init', '--registry', 'example.net');
  assert.equal(refused.code, 'registry_unreachable');
  assert.match(String(refused.message), /nothing was saved/);
  assert.equal(desk.file, undefined);
  const saved = await desk.run('init', '--registry', 'example.net', '--fingerprint', KEY);
  assert.equal(saved.exit, 0);
  assert.deepEqual(desk.file, { registry: 'example.net:9000', registry_fingerprint: KEY });
});

test('an old registry without TLS needs --no-tls, and gets its usual beacon', async () => {
  const desk = new Desk();
  desk.machine.registries.set(9000, { fingerprint: '', beacons: [], plain: true });
  const refused = await desk.run('init', '--registry', 'old.example');
  assert.equal(refused.code, 'protocol_error');
  assert.match(String(refused.hint), /--no-tls/);
  const saved = await desk.run('init', '--registry', 'old.example', '--no-tls');
  assert.equal(saved.exit, 0);
  assert.equal(saved.beacon, 'old.example:9001');
  assert.deepEqual(desk.file, {
    registry: 'old.example:9000',
    registry_tls: false,
    beacon: 'old.example:9001',
  });
});

test('another registry leaves nothing of the one before', async () => {
  const desk = new Desk();
  desk.file = {
    registry: 'old.example:9000',
    registry_tls: false,
    beacon: 'old.example:9001',
    hostname: 'a',
  };
  desk.machine.registries.set(9100, { fingerprint: KEY, beacons: ['192.0.2.9:7'] });
  await desk.run('init', '--registry', 'new.example:9100');
  assert.deepEqual(desk.file, { registry: 'new.example:9100', registry_fingerprint: KEY, hostname: 'a' });
});

test('a key without a registry means nothing', async () => {
  assert.equal((await new Desk().run('init', '--fingerprint', KEY)).code, 'invalid_argument');
  assert.equal((await new Desk().run('init', '--no-tls')).code, 'invalid_argument');
});

test('config stores values in their own type and tells where values come from', async () => {
  const desk = new Desk();
  desk.env = { PILOT_LOG_LEVEL: 'debug' };
  assert.deepEqual(await desk.run('config', '--set', 'public=true'), { key: 'public', value: true, exit: 0 });
  assert.deepEqual(await desk.run('config', '--set', 'registry=example.net'), {
    key: 'registry',
    value: 'example.net:9000',
    exit: 0,
  });
  assert.deepEqual(desk.file, { public: true, registry: 'example.net:9000' });
  const { settings } = (await desk.run('config')) as unknown as { settings: Record<string, object> };
  assert.deepEqual(settings.public, { value: true, origin: 'file' });
  assert.deepEqual(settings.log_level, { value: 'debug', origin: 'environment' });
  assert.deepEqual(settings.log_max_size, { value: 10, origin: 'default' });
  assert.deepEqual(settings.hostname, { value: null, origin: 'default' });
});

test('config refuses what it does not know, and stores nothing', async () => {
  const desk = new Desk();
  for (const assignment of [
    'nonsense',
    '=x',
    'regsitry=x',
    'public=maybe',
    'log_max_size=-1',
    'hostname=A_B',
    'socket=rel',
  ]) {
    const refused = await desk.run('config', '--set', assignment);
    assert.equal(refused.exit, 1, assignment);
    assert.equal(refused.code, 'invalid_argument', assignment);
    assert.match(String(refused.hint), /pilotctl config/, assignment);
  }
  assert.equal(desk.file, undefined);
});

test('a broken configuration is named, and the command in the hint mends it', async () => {
  const desk = new Desk();
  desk.file = { regsitry: 'x', hostname: 'a' };
  const refused = await desk.run('daemon', 'status');
  assert.equal(refused.code, 'invalid_argument');
  assert.match(String(refused.hint), /pilotctl config --unset regsitry$/);
  assert.equal((await desk.run('config', '--unset', 'regsitry')).exit, 0);
  assert.deepEqual(desk.file, { hostname: 'a' });
  assert.equal((await desk.run('daemon', 'status')).exit, 0);
});

test('a configuration that is not JSON is left alone', async () => {
  const desk = new Desk();
  desk.machine.files.set(CONFIG, { data: '{"registry": ', owner: 1000 });
  const refused = await desk.run('config', '--set', 'public=true');
  assert.equal(refused.code, 'state_corrupt');
  assert.match(String(refused.hint), /mv .*config\.json/);
  assert.equal(desk.machine.files.get(CONFIG)?.data, '{"registry": ');
});

test('going back to no registry takes its key and beacon along', async () => {
  const desk = new Desk();
  desk.file = {
    registry: 'a.example:9000',
    registry_fingerprint: KEY,
    beacon: 'a.example:9001',
    public: true,
  };
  await desk.run('config', '--unset', 'registry');
  assert.deepEqual(desk.file, { public: true });
});

test('commands that need the daemon say how to start it', async () => {
  const desk = new Desk();
  for (const argv of [
    ['info'],
    ['ping', 'b'],
    ['trust'],
    ['send-message', 'b', 'x'],
    ['recv', '1000'],
    ['set-public'],
  ]) {
    const refused = await desk.run(...argv);
    assert.equal(refused.exit, 1);
    assert.equal(refused.code, 'not_running', argv.join(' '));
    assert.equal(refused.hint, 'start the daemon with: pilotctl daemon start');
  }
});

test('PILOT_HOME moves everything', async () => {
  const desk = new Desk();
  desk.env = { PILOT_HOME: '/srv/agent' };
  const { home, config_path, socket } = await desk.run('config');
  assert.deepEqual(
    [home, config_path, socket],
    ['/srv/agent', '/srv/agent/config.json', '/srv/agent/pilot.sock'],
  );
});

test('config takes rules of automatic approval as JSON, keeps them readable, and names a mistake', async () => {
  const desk = new Desk();
  const rule = { name: 'data', everyone: true, ports: 'messages', expires: '24h', limit: '10/min' };
  const set = await desk.run('config', '--set', `auto_approve=${JSON.stringify([rule])}`);
  assert.equal(set.exit, 0);
  const kept = [{ name: 'data', everyone: true, ports: '1001', expires: '1d', limit: '10/min' }];
  assert.deepEqual(desk.file, { auto_approve: kept });
  const { settings } = (await desk.run('config')) as unknown as {
    settings: Record<string, { value: unknown; origin: string }>;
  };
  assert.deepEqual(settings.auto_approve, { value: kept, origin: 'file' });
  const refused = await desk.run('config', '--set', 'auto_approve=[{"name":"data"}]');
  assert.equal(refused.code, 'invalid_argument');
  assert.match(String(refused.message), /says nothing about who/);
  assert.deepEqual(desk.file, { auto_approve: kept });
});
