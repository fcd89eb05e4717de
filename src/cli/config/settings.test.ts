import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PilotError } from '../../api/errors.ts';
import { homeAt } from '../home.ts';
import type { RawConfig } from './file.ts';
import { KEY_NAMES, KEYS, variableOf } from './keys.ts';
import { type FlagTexts, resolveSettings } from './settings.ts';

const home = homeAt('/home/1000/.pilot');
const PIN = 'ab'.repeat(32);

function resolve(file: RawConfig = {}, env: Record<string, string> = {}, flags: FlagTexts = {}) {
  return resolveSettings({ file, env, flags, home });
}

function refusal(run: () => unknown): PilotError {
  try {
    run();
  } catch (error) {
    assert(error instanceof PilotError);
    return error;
  }
  throw new assert.AssertionError({ message: 'nothing was refused' });
}

test('a flag wins over the environment, that over the file, that over the default', () => {
  const file = { log_level: 'warn' };
  const env = { PILOT_LOG_LEVEL: 'debug' };
  assert.equal(resolve().settings.log_level, 'info');
  assert.equal(resolve(file).settings.log_level, 'warn');
  assert.equal(resolve(file, env).settings.log_level, 'debug');
  const all = resolve(file, env, { log_level: 'error' });
  assert.equal(all.settings.log_level, 'error');
  assert.deepEqual(
    [resolve(), resolve(file), resolve(file, env), all].map(({ origins }) => origins.log_level),
    ['default', 'file', 'environment', 'flag'],
  );
});

test('an empty variable counts as unset', () => {
  assert.equal(resolve({ hostname: 'a' }, { PILOT_HOSTNAME: '' }).settings.hostname, 'a');
});

test('the socket lies in the home unless another is named', () => {
  assert.equal(resolve().settings.socket, '/home/1000/.pilot/pilot.sock');
  assert.equal(resolve({}, { PILOT_SOCKET: '/run/p.sock' }).settings.socket, '/run/p.sock');
});

test('values written as text by other Pilot programs are understood', () => {
  const { settings } = resolve({ public: 'true', log_max_size: '50', registry: 'example.net' });
  assert.equal(settings.public, true);
  assert.equal(settings.log_max_size, 50);
  assert.deepEqual(settings.registry, { host: 'example.net', port: 9000 });
});

test('keys of other Pilot daemons are left alone', () => {
  assert.doesNotThrow(() =>
    resolve({ admin_token: 'x', webhook: 'http://x', transport: 'auto', encrypt: 'true' }),
  );
});

test('an unknown key is refused with the key meant and a command that removes it', () => {
  const error = refusal(() => resolve({ regsitry: 'x' }));
  assert.equal(error.code, 'invalid_argument');
  assert.match(error.message, /Unknown key "regsitry" in \/home\/1000\/\.pilot\/config\.json/);
  assert.equal(error.hint, 'did you mean "registry"? remove it with: pilotctl config --unset regsitry');
});

test('a wrong value is refused wherever it comes from, with the key and a command', () => {
  const cases: [() => unknown, RegExp][] = [
    [() => resolve({ public: 'maybe' }), /"maybe" for "public" in .*config\.json: expected true or false/],
    [() => resolve({ log_max_size: true }), /true for "log_max_size" .*expected a whole number/],
    [() => resolve({ registry: 7 }), /7 for "registry".*expected HOST/],
    [() => resolve({ registry: 'a b' }), /"a b" for "registry"/],
    [() => resolve({ log_level: 'loud' }), /"loud" for "log_level".*one of trace/],
    [() => resolve({}, { PILOT_PUBLIC: 'x' }), /in the environment \(PILOT_PUBLIC\)/],
    [() => resolve({}, {}, { listen: 'x' }), /on the command line/],
    [() => resolve({ socket: 'relative.sock' }), /expected an absolute path/],
  ];
  for (const [run, message] of cases) {
    const error = refusal(run);
    assert.equal(error.code, 'invalid_argument');
    assert.match(error.message, message);
    assert.match(error.hint, /pilotctl config --set \w+=/);
  }
});

test('a pin does not follow to another registry', () => {
  const file = {
    registry: 'a.example:9000',
    registry_fingerprint: PIN,
    beacon: 'b.example:1',
    registry_tls: false,
  };
  assert.equal(resolve(file).settings.registry_fingerprint, PIN);
  const other = resolve(file, { PILOT_REGISTRY: 'c.example' }).settings;
  assert.equal(other.registry_fingerprint, undefined);
  assert.equal(other.beacon, undefined);
  assert.equal(other.registry_tls, true);
  const same = resolve(file, { PILOT_REGISTRY: 'a.example' }).settings;
  assert.equal(same.registry_fingerprint, PIN);
  const both = resolve(file, {
    PILOT_REGISTRY: 'c.example',
    PILOT_REGISTRY_FINGERPRINT: 'cd'.repeat(32),
  }).settings;
  assert.equal(both.registry_fingerprint, 'cd'.repeat(32));
});

test('every key has a variable, and a default that it accepts itself', () => {
  for (const key of KEY_NAMES) {
    assert.match(variableOf(key), /^PILOT_[A-Z_]+$/);
    const fallback = (KEYS[key] as { fallback?: unknown }).fallback;
    if (fallback !== undefined) assert(KEYS[key].schema.safeParse(fallback).success, key);
  }
});

test('other instances of a registry are read with their ports, and go with the registry they belong to', () => {
  const file = { registry: 'a.example', registry_fallbacks: 'b.example, c.example:9100' };
  assert.deepEqual(resolve(file).settings.registry_fallbacks, [
    { host: 'b.example', port: 9000 },
    { host: 'c.example', port: 9100 },
  ]);
  const other = resolve(file, {}, { registry: 'elsewhere.example' });
  assert.equal(other.settings.registry_fallbacks, undefined);
  assert.equal(refusal(() => resolve({ registry_fallbacks: 'b.example,,c' })).code, 'invalid_argument');
});
