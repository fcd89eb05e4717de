/** One of several registries on a PostgreSQL, for programs to kill: `registry-instance-child <url> <port>`. */
import { nodeClock, nodeCrypto, nodeLog, nodeNet, nodeRandom } from '../../src/platform/index.ts';
import { createRegistryService, openPostgresStore, RegistryServer } from '../../src/registry/index.ts';

const [url, port] = process.argv.slice(2);
if (url === undefined || port === undefined) throw new Error('usage: registry-instance-child <url> <port>');
const [clock, random, crypto, net] = [nodeClock(), nodeRandom(), nodeCrypto(), nodeNet()];
const log = nodeLog({ level: 'error', stream: process.stderr });
const store = await openPostgresStore({ url, clock, log, random: () => random.fraction() });
const service = createRegistryService({
  store,
  clock,
  random,
  crypto,
  log,
  config: { newNodesPerHost: { burst: 1e6, perSecond: 1e6 } },
});
const limits = { slowRate: 1e6, cutRate: 1e6 };
const bind = { host: '127.0.0.1', port: Number(port) };
const server = await RegistryServer.listen({ net, clock, log, service, bind, limits });
store.availability?.onChange((isUp) => server.serve(isUp));
server.serve(store.availability?.isUp ?? true);
process.stdout.write(`${server.endpoint.port}\n`);
// Dies with the program that started it.
process.stdin.on('end', () => process.exit(0)).resume();
