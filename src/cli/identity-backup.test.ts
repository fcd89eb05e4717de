import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { ManualClock, MemoryStorage } from '../services/data-exchange/exchange.testkit.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import { formatIdentityFile } from '../wire/identity-file.ts';
import { type TestHost, TestMachine } from './cli.testkit.ts';
import { finishRestore, gatherBackup, restoreBackup } from './identity-backup.ts';
import { runCli } from './main.ts';

const crypto = nodeCrypto();

function identityOf(byte: number): { text: string; fingerprint: string } {
  const seed = new Uint8Array(32).fill(byte);
  const { publicKey } = crypto.signingKey(seed);
  return { text: formatIdentityFile({ seed, publicKey }), fingerprint: fingerprintOf(crypto, publicKey) };
}

function homeWith(files: Record<string, string>): MemoryStorage {
  const storage = new MemoryStorage(new ManualClock());
  for (const [name, text] of Object.entries(files)) {
    storage.files.set(name, { data: utf8(text), modified: 0 });
  }
  return storage;
}

const contents = (storage: MemoryStorage): Record<string, string> =>
  Object.fromEntries([...storage.files].map(([name, { data }]) => [name, fromUtf8(data)]));

const FULL = {
  'identity.json': identityOf(1).text,
  'node.json': '{"version":1,"node_id":7,"hostname":"node-a","registries":["127.0.0.1:9000"]}',
  'trust.json': '{"trusted":[]}',
  'config.json': '{"registry":"127.0.0.1:9000"}',
  'pilot.log': 'not part of it',
};

describe('a backup of a node', () => {
  test('holds what the node is and whom it knows, and nothing else', async () => {
    const content = await gatherBackup(homeWith(FULL), 1_700_000_000_000);
    assert.deepEqual([content.node, content.hostname, content.registries], [7, 'node-a', ['127.0.0.1:9000']]);
    assert.deepEqual(Object.keys(content.files).sort(), [
      'config.json',
      'identity.json',
      'node.json',
      'trust.json',
    ]);
    await assert.rejects(gatherBackup(homeWith({}), 0), { code: 'not_found' });
    const rotating = homeWith({ ...FULL, 'identity.next.json': '{}' });
    await assert.rejects(gatherBackup(rotating, 0), { code: 'unavailable' });
  });

  test('restored over another node leaves nothing of that but a copy of its key', async () => {
    const content = await gatherBackup(homeWith(FULL), 0);
    const other = identityOf(2);
    const home = homeWith({
      'identity.json': other.text,
      'node.json': '{"node_id":9}',
      'trust.json': '{"trusted":[1]}',
      'peers.json': '{"peers":[]}',
      'identity.next.json': '{}',
    });
    const kept = `identity.replaced-${other.fingerprint}.json`;
    assert.match((await restoreBackup(home, crypto, content)) ?? '', new RegExp(`${kept}$`));
    assert.deepEqual(contents(home), { ...content.files, [kept]: other.text });
  });

  test('is either not begun or goes on at the next start, whatever write the process dies at', async () => {
    const content = await gatherBackup(homeWith(FULL), 0);
    const before = { 'identity.json': identityOf(2).text, 'trust.json': '{"old":1}', 'peers.json': '{}' };
    for (let crashAt = 1; ; crashAt++) {
      const home = homeWith(before);
      const real = { replace: home.replace.bind(home), remove: home.remove.bind(home) };
      let writes = 0;
      const dying = (): void => {
        if (++writes >= crashAt) throw new Error('power cut');
      };
      home.replace = async (path, data) => {
        dying();
        return real.replace(path, data);
      };
      home.remove = async (path) => {
        dying();
        return real.remove(path);
      };
      const outcome = await restoreBackup(home, crypto, content).then(
        () => 'done',
        () => 'died',
      );
      Object.assign(home, real);
      const goesOn = await finishRestore(home);
      const after = contents(home);
      delete after[`identity.replaced-${identityOf(2).fingerprint}.json`];
      const label = `died at write ${crashAt}`;
      if (goesOn || outcome === 'done') assert.deepEqual(after, content.files, label);
      else assert.deepEqual(after, before, label);
      assert.equal(await finishRestore(home), false, label);
      if (outcome === 'done') {
        assert.ok(crashAt > 8, `only ${crashAt - 1} places to die at`);
        return;
      }
    }
  });
});

describe('pilotctl identity', () => {
  const PASSPHRASE = { PILOT_PASSPHRASE: 'correct horse battery' };
  const storages = new Map<string, MemoryStorage>();

  function hostAt(machine: TestMachine, env: Record<string, string>): TestHost {
    const storage = (root: string): MemoryStorage => {
      const home = storages.get(root) ?? homeWith(root === '/home/1000/.pilot' ? FULL : {});
      storages.set(root, home);
      return home;
    };
    return Object.assign(machine.host({ env }), { storage });
  }
  const run = async (
    host: TestHost,
    line: string,
  ): Promise<{ exit: number; error: string; data: string }> => {
    const exit = await runCli(host, [...line.split(' '), '--json']);
    return { exit, error: host.stderr.text, data: host.stdout.text };
  };

  test('backup and restore need a passphrase, and spare what is there', async () => {
    const machine = new TestMachine();
    const backup = 'identity backup --file /media/b.backup';
    assert.match((await run(hostAt(machine, {}), backup)).error, /No passphrase given/);
    assert.match((await run(hostAt(machine, { PILOT_PASSPHRASE: 'short' }), backup)).error, /at least 8/);
    const made = await run(hostAt(machine, PASSPHRASE), backup);
    assert.equal(made.exit, 0, made.error);
    assert.match(made.data, new RegExp(`"fingerprint":"${identityOf(1).fingerprint}"`));
    assert.match((await run(hostAt(machine, PASSPHRASE), backup)).error, /already_exists/);

    const elsewhere = { ...PASSPHRASE, PILOT_HOME: '/home/1000/other' };
    const restore = 'identity restore --file /media/b.backup';
    const wrong = { ...elsewhere, PILOT_PASSPHRASE: 'wrong horse battery' };
    assert.match((await run(hostAt(machine, wrong), restore)).error, /permission_denied/);
    assert.match((await run(hostAt(machine, PASSPHRASE), restore)).error, /already_exists.*--replace/s);
    const restored = await run(hostAt(machine, elsewhere), restore);
    assert.equal(restored.exit, 0, restored.error);
    const { 'pilot.log': _, ...kept } = FULL;
    assert.deepEqual(contents(storages.get('/home/1000/other')!), kept);
  });

  test('restore does not touch the home of a running daemon', async () => {
    const machine = new TestMachine();
    const made = await run(hostAt(machine, PASSPHRASE), 'identity backup --file /media/b.backup');
    assert.equal(made.exit, 0, made.error);
    const running = { pid: 77, stamp: 'boot:77', started_at: 0, facts: {} };
    machine.stamps.set(77, 'boot:77');
    machine.files.set('/home/1000/.pilot/pilot.run', { data: JSON.stringify(running), owner: 1000 });
    const refused = await run(
      hostAt(machine, PASSPHRASE),
      'identity restore --file /media/b.backup --replace',
    );
    assert.match(refused.error, /already_exists.*running \(pid 77\)/s);
  });
});
