import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import Database from 'libsql';
import { toHex, utf8 } from '../../../base/bytes.ts';
import { nodeClock, nodeCrypto } from '../../../platform/index.ts';
import { openEmbeddedStore } from '../embedded.ts';
import { admission, newInvite, newNetwork, T0 } from '../fixtures.testkit.ts';
import { InviteTable } from '../sql/invites.ts';
import { NetworkTable } from '../sql/networks.ts';
import { type Row, runNow, type Steps, type Value } from '../steps.ts';
import { MIGRATIONS, migrate } from './schema.ts';
import { Sql } from './sql.ts';

const directory = mkdtempSync(join(tmpdir(), 'pilot-networks-'));
after(() => rmSync(directory, { recursive: true, force: true }));

test('networks of earlier versions keep their members; their tokens are kept as hashes from then on', async () => {
  const path = join(directory, 'old.db');
  const old = new Sql(new Database(path));
  migrate(old, MIGRATIONS.slice(0, 1));
  old.run(
    "INSERT INTO networks (name, join_rule, token, enterprise, created_at) VALUES ('a', 'open', '', 0, ?)",
    T0,
  );
  old.run(
    "INSERT INTO networks (name, join_rule, token, enterprise, created_at) VALUES ('b', 'token', 'the secret', 0, ?)",
    T0 + 1,
  );
  for (const [network, node, role] of [
    [1, 7, 'owner'],
    [2, 8, 'owner'],
    [2, 7, 'member'],
  ] as const) {
    old.run('INSERT INTO members (network, node, role) VALUES (?, ?, ?)', network, node, role);
  }
  old.close();
  const hash = toHex(nodeCrypto().sha256(utf8('the secret')));
  for (let opening = 0; opening < 2; opening++) {
    const store = await openEmbeddedStore({ path, clock: nodeClock(), log: { event() {} } });
    const [open, keyed] = [await store.network(1), await store.network(2)];
    assert.deepEqual([open!.tokenHash, open!.members, open!.ports, open!.exprPolicy], ['', 1, [], '']);
    assert.deepEqual([keyed!.tokenHash, keyed!.members, await store.owner(2)], [hash, 2, 8]);
    assert.deepEqual(await store.member(2, 7), { node: 7, role: 'member', tags: [], since: T0 + 1 });
    await store.close();
  }
  const raw = new Sql(new Database(path));
  assert.deepEqual(
    raw.all('SELECT token FROM networks').map(({ token }) => token),
    ['', ''],
  );
  raw.close();
});

/** Notes every statement that walks a whole table. */
class Watched extends Sql {
  readonly walks = new Set<string>();

  override one(sql: string, ...values: readonly Value[]): Row | undefined {
    this.#explain(sql, values);
    return super.one(sql, ...values);
  }
  override all(sql: string, ...values: readonly Value[]): Row[] {
    this.#explain(sql, values);
    return super.all(sql, ...values);
  }
  override run(sql: string, ...values: readonly Value[]): number {
    this.#explain(sql, values);
    return super.run(sql, ...values);
  }
  #explain(sql: string, values: readonly Value[]): void {
    for (const { detail } of super.all(`EXPLAIN QUERY PLAN ${sql}`, ...values)) {
      const plan = String(detail);
      if (plan.startsWith('SCAN') || plan.includes('TEMP B-TREE')) this.walks.add(`${sql}: ${plan}`);
    }
  }
}

test('no request walks over all networks, members or invitations', () => {
  const plain = new Database(':memory:');
  migrate(new Sql(plain));
  const sql = new Watched(plain);
  const networks = new NetworkTable();
  const invites = new InviteTable(networks);
  const done = (steps: Steps<unknown>): unknown => runNow(steps, (statement) => sql.execute(statement));
  done(networks.create(newNetwork('a', 1)));
  done(networks.create(newNetwork('b', 1, { joinRule: 'invite' })));
  done(networks.join(admission(1, 2)));
  done(networks.byName('a'));
  done(networks.list(10, 2, 0));
  done(networks.patch(1, { maxMembers: 5, ports: [1], description: 'd', exprPolicy: '{}', tokenHash: 'x' }));
  done(networks.rename(1, 'c'));
  done(networks.members(1, 10, 0));
  done(networks.owner(1));
  done(networks.setTags(1, 2, ['x']));
  done(networks.changeRole(1, 2, 'member', 'admin'));
  done(networks.changeRole(1, 2, 'admin', 'member'));
  done(networks.transfer(1, 1, 2, 16));
  done(networks.of(1));
  done(networks.membershipsOf(1, 10, 0));
  done(networks.shared(1, 2));
  done(invites.add(newInvite(2, 1, 3)));
  done(invites.list(3, 0, 10));
  done(invites.accept(admission(2, 3), 0));
  done(invites.add(newInvite(2, 1, 4)));
  done(invites.decline(2, 4, 0));
  done(networks.remove(1, 1, []));
  done(networks.delete(1));
  // At most a hundred rows are sorted.
  sql.walks.delete(
    'SELECT * FROM invites WHERE target = ? AND at >= ? ORDER BY sequence LIMIT ?: USE TEMP B-TREE FOR ORDER BY',
  );
  assert.deepEqual([...sql.walks], []);
});
