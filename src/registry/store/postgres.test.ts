import { after, before } from 'node:test';
import { startPostgres, type TestPostgres } from '../../../test/postgres.ts';
import { nodeClock } from '../../platform/index.ts';
import { storeContract } from './contract.testkit.ts';
import { openPostgresStore } from './postgres.ts';
import type { Store } from './store.ts';

let server: TestPostgres;
let count = 0;
before(async () => {
  server = await startPostgres();
});
after(() => server.close());

const open = (schema = `contract_${++count}`): Promise<Store> =>
  openPostgresStore({
    url: server.url(schema),
    clock: nodeClock(),
    log: { event() {} },
    random: () => 0.5,
  });

storeContract('PostgreSQL', () => open());
