// A directory: answers which agents there are, from the signed records of the members of its network.
// Usage: list-agents.mjs PILOTCTL NETWORK
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const [pilotctl, network] = process.argv.slice(2);
let input = '';
for await (const chunk of process.stdin) input += chunk;

const { stdout } = await promisify(execFile)(process.execPath, [
  pilotctl,
  'services',
  '--network',
  network,
  '--json',
]);
const { services } = JSON.parse(stdout).data;
const agents = services
  .filter(({ port }) => port === 1001)
  .map(({ hostname, address, description, online }) => ({
    name: hostname,
    address,
    about: description,
    online,
  }));

if (input.trim().startsWith('/data')) console.log(JSON.stringify({ agents }));
else for (const { name, about } of agents) console.log(`${name}: ${about}`);
