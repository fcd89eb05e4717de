import { asPilotError, PilotError } from '../src/api/errors.ts';
import { fromUtf8 } from '../src/base/bytes.ts';
import { formatEndpoint } from '../src/base/endpoint.ts';
import type { RendezvousFacts, RendezvousLaunch } from '../src/cli/background/launch.ts';
import { type Claim, claim, claimRun, isClaim } from '../src/cli/background/run-file.ts';
import { homeAt } from '../src/cli/home.ts';
import type { Host, StartReport } from '../src/cli/host.ts';
import { storeLock } from '../src/cli/local/handover.ts';
import { isWildcard } from '../src/cli/registry-probe.ts';
import { nodeLog } from '../src/platform/index.ts';
import { readPlace } from '../src/registry/index.ts';
import { ownCertificate } from './host/certificate.ts';
import { nodeHost } from './host/node-host.ts';
import { rotatingLog } from './host/rotating-log.ts';
import { serve } from './host/serve.ts';
import { untilStopped } from './host/until-stopped.ts';

const MB = 1024 * 1024;
const MAX_TOKEN_FILE = 4096;
const MIN_TOKEN = 16;

/** Runs a registry and beacon in this process until it is told to stop. */
export async function runRendezvous(given: unknown, report: (report: StartReport) => void): Promise<void> {
  const launch = given as RendezvousLaunch;
  const host = nodeHost();
  const home = homeAt(launch.home);
  const log = nodeLog({
    level: launch.logLevel,
    ...(launch.foreground
      ? {}
      : { stream: rotatingLog(home.rendezvous.log, launch.logMaxSize * MB, launch.logMaxBackups) }),
  });
  const run = held(await claimRun(host, home.rendezvous, {}));
  let lock: Claim | undefined;
  try {
    lock = held(await claim(host, storeLock(launch.store), { program: 'rendezvous', home: home.root }));
    const { store, database, registry, beacon, beaconAlternate, publicHost, webSocket, webSocketUrl, http } =
      launch;
    const config = {
      adminToken: await adminToken(host, launch.adminTokenFile),
      networkCreation: launch.networkCreation,
      webhookReach: launch.webhooks,
      auditKept: launch.auditKeep,
      legacySignatures: !launch.requireProof,
    };
    const places = {
      store,
      database,
      registry,
      beacon,
      beaconAlternate,
      publicHost,
      webSocket,
      webSocketUrl,
      http,
      certificate: launch.tls && (await ownCertificate(host, launch.tls)),
    };
    const serving = await serve({ host, log, ...places, control: home.rendezvousSocket, config }).catch(
      (thrown: unknown) => {
        throw portExplained(thrown);
      },
    );
    const { registryEndpoint, beaconEndpoint, fingerprint } = serving;
    const facts: RendezvousFacts = {
      registry: formatEndpoint(registryEndpoint),
      beacon: formatEndpoint(beaconEndpoint),
      fingerprint,
      http: serving.httpEndpoint === undefined ? '' : formatEndpoint(serving.httpEndpoint),
      store: database === undefined ? store : readPlace(database).name,
      log_file: launch.foreground ? '' : home.rendezvous.log,
      hosts:
        launch.publicHost === undefined
          ? reachableAs(registryEndpoint.host, host.net.localAddresses())
          : [launch.publicHost],
    };
    await run.update({ ...facts });
    report({ type: 'ready', facts: { ...facts } });
    await untilStopped(log);
    await serving.close();
  } finally {
    await lock?.release();
    await run.release();
  }
}

/** The file's text without the white space around it; "" without a file. Guessing it would give the whole registry away. */
async function adminToken(host: Host, file: string | undefined): Promise<string> {
  if (file === undefined) return '';
  const bytes = await host.files.read(file, MAX_TOKEN_FILE);
  const token = bytes === undefined ? '' : fromUtf8(bytes).trim();
  if (token.length >= MIN_TOKEN) return token;
  throw new PilotError(
    'invalid_argument',
    `Cannot read the token of the operator from ${file}: ${bytes === undefined ? 'no such file' : `it must have ${MIN_TOKEN} characters or more`}`,
    { hint: `make one: openssl rand -hex 32 > ${file}` },
  );
}

function held(result: Awaited<ReturnType<typeof claim>>): Claim {
  if (isClaim(result)) return result;
  throw new PilotError('already_exists', `A rendezvous is already running (pid ${result.pid})`, {
    hint: 'see: pilotctl rendezvous status',
  });
}

/** Own addresses by which other machines may reach a bound host; IPv4 first, as most can use it. */
function reachableAs(bound: string, addresses: readonly string[]): string[] {
  if (!isWildcard(bound)) return [bound];
  const v4 = addresses.filter((address) => !address.includes(':'));
  const all = bound === '::' ? [...v4, ...addresses.filter((address) => address.includes(':'))] : v4;
  return all.length === 0 ? ['127.0.0.1'] : all;
}

function portExplained(thrown: unknown): PilotError {
  const error = asPilotError(thrown);
  if (error.code !== 'port_in_use') return error;
  return new PilotError('port_in_use', error.message, {
    hint: 'stop what holds it, or choose other ports: pilotctl rendezvous start --registry-addr :9100 --beacon-addr :9101',
    cause: thrown,
  });
}
