/** A registry on its durable store, for `registry-kill.ts` to kill: `registry-child <store>` prints its port. */
import { nodeClock, nodeCrypto, nodeLog, nodeNet, nodeRandom } from '../../src/platform/index.ts';
import { createRegistryService, openEmbeddedStore, RegistryServer } from '../../src/registry/index.ts';

const path = process.argv[2];
if (path === undefined) throw new Error('usage: registry-child <store>');
const [clock, random, crypto, net] = [nodeClock(), nodeRandom(), nodeCrypto(), nodeNet()];
const log = nodeLog({ level: 'warn', stream: process.stderr });
// Rounds are short: soft state is under way to the disk in each of them, too.
const store = await openEmbeddedStore({ path, clock, log, softDelay: 100 });
const service = createRegistryService({
  store,
  clock,
  random,
  crypto,
  log,
  config: { newNodesPerHost: { burst: 1e6, perSecond: 1e6 } },
});
const limits = { slowRate: 1e6, cutRate: 1e6 };
const server = await RegistryServer.listen({
  net,
  clock,
  log,
  service,
  bind: { host: '127.0.0.1', port: 0 },
  limits,
});
process.stdout.write(`${server.endpoint.port}\n`);
// Dies with the program that started it.
process.stdin.on('end', () => process.exit(0)).resume();
