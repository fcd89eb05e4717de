import { asPilotError, PilotError } from '../src/api/errors.ts';
import { formatEndpoint } from '../src/base/endpoint.ts';
import type { DaemonFacts, DaemonLaunch } from '../src/cli/background/launch.ts';
import { claimRun, isClaim } from '../src/cli/background/run-file.ts';
import { alreadyRunning } from '../src/cli/commands/daemon/start.ts';
import { EVERYONE_RULE } from '../src/cli/config/auto-approve.ts';
import { netOf } from '../src/cli/config/proxies.ts';
import type { Settings } from '../src/cli/config/settings.ts';
import { homeAt } from '../src/cli/home.ts';
import type { StartReport } from '../src/cli/host.ts';
import { finishRestore } from '../src/cli/identity-backup.ts';
import { LocalNetwork } from '../src/cli/local/network.ts';
import { Daemon } from '../src/daemon/daemon.ts';
import type { CarrierAddress } from '../src/directory/types.ts';
import { guardHome, nodeLog } from '../src/platform/index.ts';
import type { TlsClientOptions } from '../src/runtime/ports.ts';
import { nodeHost } from './host/node-host.ts';
import { rotatingLog } from './host/rotating-log.ts';
import { serve } from './host/serve.ts';
import { untilStopped } from './host/until-stopped.ts';

const MB = 1024 * 1024;

/** Runs a daemon in this process until it is told to stop. */
export async function runDaemon(given: unknown, report: (report: StartReport) => void): Promise<void> {
  const { home: root, settings, flags, foreground, ...launch } = given as DaemonLaunch;
  const host = nodeHost(settings.accelerator);
  const home = homeAt(root);
  const log = nodeLog({
    level: settings.log_level,
    ...(foreground
      ? {}
      : { stream: rotatingLog(home.daemon.log, settings.log_max_size * MB, settings.log_max_backups) }),
  });
  const run = await claimRun(host, home.daemon, {});
  if (!isClaim(run)) throw alreadyRunning(run.pid);
  let warnings: readonly string[];
  try {
    if (await finishRestore(host.storage(root))) log.event('info', 'identity.restored');
    warnings = (await guardHome(root)).fixed;
  } catch (thrown) {
    await run.release();
    throw thrown;
  }
  const { clock, random, crypto } = host;
  const net = netOf(host, settings, log);
  const note = (text: string): void => {
    log.event('info', 'daemon.note', { text });
    report({ type: 'progress', text });
  };
  let local: LocalNetwork | undefined;
  let facts: DaemonFacts | undefined;
  // From the first moment, as the signal would otherwise end the process.
  process.on('SIGUSR2', () => {
    local
      ?.stepBack()
      .catch((error: unknown) => log.event('warn', 'local_network.step_back_failed', { error }));
  });
  try {
    if (settings.registry === undefined) {
      local = await LocalNetwork.enter({
        host,
        home,
        log,
        note,
        registryPort: settings.local_registry_port,
        beaconPort: settings.local_beacon_port,
        onRole(network) {
          if (facts === undefined) return;
          facts = { ...facts, network };
          run
            .update({ ...facts })
            .catch((error: unknown) => log.event('warn', 'run_file.not_updated', { error }));
        },
        async serve(store, registry, beacon) {
          const serving = await serve({ host, log, store, registry, beacon });
          const { registryEndpoint, beaconEndpoint, fingerprint } = serving;
          return {
            registry: registryEndpoint,
            beacon: beaconEndpoint,
            fingerprint,
            close: () => serving.close(),
          };
        },
      });
    }
    const registry = local?.registry ?? settings.registry!;
    const fingerprint = local === undefined ? launch.fingerprint : local.fingerprint;
    const beacon = settings.beacon ?? local?.beacon;
    const daemon = await Daemon.start({
      net,
      clock,
      random,
      crypto,
      acceleration: host.acceleration(settings.accelerator),
      log,
      storage: host.storage(root),
      proxy: () => net.proxyInUse,
      config: {
        socketPath: settings.socket,
        listen: settings.listen,
        registries: [registry, ...(local === undefined ? (settings.registry_fallbacks ?? []) : [])],
        ...tlsOf(local === undefined ? settings : undefined, fingerprint),
        transport: settings.transport,
        carriers: carriersOf(settings),
        beacons: beacon === undefined ? [] : [beacon],
        ...(settings.hostname === undefined ? {} : { hostname: settings.hostname }),
        ...(launch.public === undefined ? {} : { public: launch.public }),
        relayOnly: settings.relay_only,
        ...(settings.relay_for_peers && { relayForPeers: { rate: settings.relay_for_peers_rate } }),
        portMapping: settings.port_mapping,
        pathMtu: settings.path_mtu,
        congestion: settings.congestion,
        autoApprove: settings.trust_auto_approve
          ? [...settings.auto_approve, EVERYONE_RULE]
          : settings.auto_approve,
        ...(settings.email === undefined ? {} : { owner: settings.email }),
        version: host.version,
        warnings,
      },
    }).catch((thrown: unknown) => {
      throw socketExplained(thrown, settings.socket);
    });
    const info = daemon.info();
    facts = {
      node_id: info.node_id,
      address: info.address,
      hostname: info.hostname,
      socket: settings.socket,
      log_file: foreground ? '' : home.daemon.log,
      registry: formatEndpoint(registry),
      // Registered, though perhaps about to tell of a new endpoint.
      registered: info.node_id !== 0 && info.registry_connected,
      network: local === undefined ? 'configured' : local.role,
      flags,
    };
    await run.update({ ...facts });
    report({ type: 'ready', facts: { ...facts } });
    await untilStopped(log);
    await daemon.stop();
  } finally {
    await local?.close();
    await run.release();
  }
}

function tlsOf(settings: Settings | undefined, fingerprint: string | undefined): { tls?: TlsClientOptions } {
  if (fingerprint !== undefined) return { tls: { fingerprint } };
  const bySystem = settings?.registry_tls === true && settings.registry_trust === 'system';
  return bySystem ? { tls: { system: true } } : {};
}

function carriersOf({ compat_beacon: url, compat_fingerprint: pinned }: Settings): CarrierAddress[] {
  return url === undefined ? [] : [{ url, ...(pinned !== undefined && { fingerprint: pinned }) }];
}

/** A socket that somebody holds, or whose path is too long, needs another hint here than in a library. */
function socketExplained(thrown: unknown, socket: string): PilotError {
  const error = asPilotError(thrown);
  if (error.code === 'socket_in_use') {
    return new PilotError('already_exists', `A daemon is already running (socket ${socket} is active)`, {
      hint: 'stop it with the PILOT_HOME it was started with, or choose another --socket',
      cause: thrown,
    });
  }
  if (error.code === 'invalid_argument' && error.message.includes(socket)) {
    return new PilotError('invalid_argument', error.message, {
      hint: 'choose a shorter path: pilotctl config --set socket=/run/user/1000/pilot.sock',
      cause: thrown,
    });
  }
  return error;
}
