/** Started by `run.ts`: a registry with a made-up network and its dashboard, in a process of its own. */
import { serveNetwork } from '../../lab/dashboard/served.ts';
import { makeTraffic } from '../../lab/dashboard/traffic.ts';

const nodes = Number(process.argv[2]);
const begun = performance.now();
const served = await serveNetwork({ nodes, store: 'embedded', trust: 1, past: true });
const traffic = await makeTraffic(served.registryPort);
process.send!({ url: served.url, filled: performance.now() - begun, made: served.made });
process.once('message', () => {
  traffic.close();
  void served.close().then(() => process.disconnect());
});
