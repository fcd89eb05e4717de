import { PilotError } from '../../../api/errors.ts';
import { formatEndpoint } from '../../../base/endpoint.ts';
import type { DaemonFacts, DaemonLaunch } from '../../background/launch.ts';
import { runningDaemon } from '../../background/run-file.ts';
import { startProgram } from '../../background/start.ts';
import { defineCommand, type Result } from '../../command.ts';
import { proxyAddress, REGISTRY_PORT } from '../../config/keys.ts';
import { registryPin } from '../../config/pins.ts';
import type { FlagTexts, Settings } from '../../config/settings.ts';
import type { Context } from '../../context.ts';
import { formatFields } from '../../text.ts';
import { fingerprint, hostname, hostPort, oneOf, path, text, tunnelAddress } from '../../values.ts';

/** Every user of this machine sees the command lines of all programs, and restarts repeat them. */
const openProxyAddress: typeof proxyAddress = {
  label: 'proxy',
  parse(input) {
    const read = proxyAddress.parse(input);
    if (read.includes('@'))
      throw new RangeError(
        'credentials do not belong on a command line: set PILOT_PROXY, or proxy in config.json',
      );
    return read;
  },
};

export const daemonStart = defineCommand({
  name: 'daemon start',
  group: 'Daemon',
  summary: 'Start the daemon in the background and wait until it is ready',
  details:
    'Flags win over environment and config.json for this run. With no registry configured, the daemon joins the ' +
    'network of this machine, or hosts it (a registry and beacon on 127.0.0.1).',
  flags: {
    registry: { value: hostPort('host', REGISTRY_PORT), summary: 'registry to join' },
    fingerprint: { value: fingerprint, summary: 'the key the registry must show' },
    tls: { summary: 'speak plaintext to the registry', negated: true },
    beacon: { value: hostPort('host', 9001), summary: 'beacon to use' },
    transport: {
      value: oneOf('way', ['auto', 'udp', 'compat']),
      summary: 'reach beacons over UDP, by WebSocket (compat), or as it works (auto)',
    },
    proxy: {
      value: openProxyAddress,
      summary: 'auto, off, or http://HOST:PORT; credentials: see PILOT_PROXY',
    },
    hostname: { value: hostname, summary: 'name of this node' },
    email: { value: text, summary: 'owner told to the registry' },
    listen: { value: tunnelAddress, summary: 'UDP address of the daemon' },
    socket: { value: path, summary: 'local socket' },
    public: { summary: 'let anyone on the network connect' },
    relayOnly: { summary: 'never use a direct path' },
    trustAutoApprove: { summary: 'approve every request for trust (closed test networks only)' },
    logLevel: {
      value: oneOf('level', ['trace', 'debug', 'info', 'warn', 'error']),
      summary: 'how much is logged',
    },
    foreground: { summary: 'run here, logging to standard error, until Ctrl-C' },
  },
  timeout: '30s',
  returns:
    '{pid, node_id, address, hostname, socket, log_file, registry, registered, network: "configured" | "hosting" | "joined"}',
  examples: [
    { line: 'pilotctl daemon start', about: 'Start with what is configured' },
    {
      line: 'PILOT_HOME=~/.pilot-b pilotctl daemon start --hostname b',
      about: 'A second node on this machine',
    },
  ],
  async run(context, { flags }) {
    const given: FlagTexts = {
      ...(flags.registry && { registry: formatEndpoint(flags.registry) }),
      ...(flags.fingerprint && { registry_fingerprint: flags.fingerprint }),
      ...(!flags.tls && { registry_tls: 'false' }),
      ...(flags.beacon && { beacon: formatEndpoint(flags.beacon) }),
      ...(flags.transport && { transport: flags.transport }),
      ...(flags.proxy && { proxy: flags.proxy }),
      ...(flags.hostname && { hostname: flags.hostname }),
      ...(flags.email && { email: flags.email }),
      ...(flags.listen && { listen: formatEndpoint(flags.listen) }),
      ...(flags.socket && { socket: context.host.absolute(flags.socket) }),
      ...(flags.public && { public: 'true' }),
      ...(flags.relayOnly && { relay_only: 'true' }),
      ...(flags.trustAutoApprove && { trust_auto_approve: 'true' }),
      ...(flags.logLevel && { log_level: flags.logLevel }),
    };
    return startDaemon(context, given, flags.foreground);
  },
});

export async function startDaemon(context: Context, flags: FlagTexts, foreground: boolean): Promise<Result> {
  const { host, home } = context;
  const running = await runningDaemon(host, home);
  if (running !== undefined) throw alreadyRunning(running.pid);
  const resolved = await context.settings(flags);
  const launch: DaemonLaunch = {
    home: home.root,
    settings: resolved.settings,
    public: resolved.origins.public === 'default' ? undefined : resolved.settings.public,
    fingerprint: await registryPin(context, resolved),
    flags,
    foreground,
  };
  warnOfOpenDoors(context, resolved.settings);
  if (foreground) {
    context.standAlone();
    await host.processes.runHere('daemon', launch, (said) => {
      if (said.type === 'progress') context.output.note(said.text);
      if (said.type !== 'ready') return;
      context.output.note(report({ pid: host.processes.pid, ...(said.facts as unknown as DaemonFacts) }));
    });
    return { data: { stopped: true }, human: '' };
  }
  const { pid, facts } = await startProgram(context, 'daemon', launch, home.daemon.log);
  const data = { pid, ...(facts as unknown as DaemonFacts) };
  const { flags: _flags, ...shown } = data;
  if (!data.registered) {
    context.output.note(
      `warning: not registered yet: cannot reach the registry at ${data.registry}; trying again`,
    );
  }
  return { data: shown, human: report(data) };
}

/** Rules that grant everything to whoever asks are seldom meant. */
function warnOfOpenDoors(context: Context, { trust_auto_approve, auto_approve }: Settings): void {
  if (trust_auto_approve) {
    context.output.note('warning: every request for trust will be approved (trust_auto_approve)');
  }
  for (const { name, everyone, give = '*' } of auto_approve) {
    if (everyone !== true || give !== '*') continue;
    context.output.note(`warning: rule "${name}" of auto_approve opens every port to whoever asks`);
  }
}

export function alreadyRunning(pid: number): PilotError {
  return new PilotError('already_exists', `The daemon is already running (pid ${pid})`, {
    hint: 'see: pilotctl daemon status, or use: pilotctl daemon restart',
  });
}

function report(data: DaemonFacts & { pid: number }): string {
  const lines = [
    `Daemon running (pid ${data.pid})`,
    formatFields(
      [
        ['Address', data.node_id === 0 ? 'none until registered' : data.address],
        ['Hostname', data.hostname === '' ? undefined : data.hostname],
        ['Registry', registryLine(data)],
        ['Socket', data.socket],
        ['Logs', data.log_file === '' ? undefined : data.log_file],
      ],
      '  ',
    ),
  ];
  if (data.network === 'configured') return lines.join('\n');
  return [
    ...lines,
    'Only daemons of this machine are on this network. For other machines: run `pilotctl rendezvous start` on one that the',
    'others can reach, and `pilotctl init --registry HOST` on each; or join a network you know: pilotctl init --registry HOST',
  ].join('\n');
}

function registryLine({ registry, network }: DaemonFacts): string {
  if (network === 'configured') return registry;
  return network === 'hosting'
    ? `${registry} (this machine only, hosted here)`
    : `${registry} (this machine only)`;
}
