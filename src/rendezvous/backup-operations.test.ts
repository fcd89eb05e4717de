import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backupOperations } from './backup-operations.ts';

test('the file is held until the connection ends', async () => {
  let held = 0;
  const store = {
    async holdFile() {
      held++;
      return () => {
        held--;
      };
    },
  };
  const endings: (() => void)[] = [];
  const session = { onEnd: (run: () => void) => void endings.push(run) };
  const { backup_begin, backup_end } = backupOperations(store, '/the/store');
  assert.deepEqual(await backup_begin!({}, session), { store: '/the/store' });
  await backup_end!({}, session);
  assert.equal(held, 1);
  for (const run of endings) run();
  assert.equal(held, 0);
});

test('a registry without a file says what to do instead', async () => {
  const { backup_begin } = backupOperations(undefined, '/the/store');
  await assert.rejects(backup_begin!({}, { onEnd() {} }), {
    code: 'unavailable',
    message: /PostgreSQL/,
    hint: /pg_dump/,
  });
});
