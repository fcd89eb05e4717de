import { PilotError } from '../../../api/errors.ts';
import { parseHostPort } from '../../../base/endpoint.ts';
import type { RendezvousFacts, RendezvousLaunch } from '../../background/launch.ts';
import { holderOf } from '../../background/run-file.ts';
import { startProgram } from '../../background/start.ts';
import { defineCommand } from '../../command.ts';
import { BEACON_PORT, carrierAddress, REGISTRY_PORT } from '../../config/keys.ts';
import type { Context } from '../../context.ts';
import { localStore, takeStore } from '../../local/handover.ts';
import { formatFields } from '../../text.ts';
import { bindAddress, httpAddress, isPostgresUrl, oneOf, path, text, wholeNumber } from '../../values.ts';

export const rendezvousStart = defineCommand({
  name: 'rendezvous start',
  group: 'Registry and beacon',
  summary: 'Start a registry and beacon that other machines can use',
  details:
    'Everything it is told is stored durably. When the daemons of this machine already have a network of their own, ' +
    'the rendezvous takes it over, with its addresses and trust. Relays see only sealed packets.',
  flags: {
    registryAddr: {
      value: bindAddress,
      summary: 'TCP address of the registry',
      fallback: `0.0.0.0:${REGISTRY_PORT}`,
    },
    beaconAddr: {
      value: bindAddress,
      summary: 'UDP address of the beacon',
      fallback: `0.0.0.0:${BEACON_PORT}`,
    },
    beaconAlternateAddr: {
      value: bindAddress,
      summary:
        'second UDP address of the beacon, by which nodes learn how their NAT behaves; by default the port ' +
        'after the next, when it is free',
    },
    wsAddr: {
      value: bindAddress,
      summary:
        'TCP address for WebSockets without TLS, for a web server in front that has it; with TLS they are ' +
        'taken at --registry-addr in any case',
    },
    wsUrl: { value: carrierAddress, summary: 'how nodes reach that web server: wss://HOST[:PORT]' },
    http: {
      value: httpAddress,
      summary:
        'serve the dashboard, /metrics, /healthz and /readyz here, without TLS; a port alone is for this machine only',
    },
    publicHost: { value: text, summary: 'name or address under which others reach this machine' },
    store: {
      value: path,
      summary:
        'directory of the durable store, by default in the home of the node; or the postgres:// URL of a database ' +
        'that several instances may share (its password better in PGPASSWORD)',
    },
    adminTokenFile: {
      value: path,
      summary:
        'file with a token that may do everything, of 16 characters or more; without it, tokens are made with ' +
        '`pilotctl registry token create` on this machine',
    },
    tlsCert: {
      value: path,
      summary:
        'file with the certificate to show, PEM, the same on all instances; by default one that is made and kept',
    },
    tlsKey: { value: path, summary: 'file with its key, PEM without a passphrase' },
    networkCreation: {
      value: oneOf('who', ['anyone', 'operator']),
      fallback: 'anyone',
      summary: 'who may make networks: every node that proved its key, or who has the token of the operator',
    },
    webhooks: {
      value: oneOf('where', ['public', 'anywhere']),
      fallback: 'public',
      summary:
        'where webhooks may go: hosts of the Internet by HTTPS, or also hosts inside, also without TLS',
    },
    auditKeep: {
      value: wholeNumber('entries', 10_000, 1_000_000_000),
      fallback: '10000000',
      summary: 'entries of the audit log to keep; the oldest give way',
    },
    requireProof: {
      summary:
        'refuse what only old daemons send: no proof at registration, signatures that cover no content',
    },
    foreground: { summary: 'run here, logging to standard error, until Ctrl-C' },
  },
  timeout: '30s',
  returns:
    '{pid, registry, beacon, fingerprint, http, store, log_file, hosts, init}; init is the command for other machines',
  examples: [
    { line: 'pilotctl rendezvous start', about: 'On a machine that the others can reach' },
    { line: 'pilotctl rendezvous start --public-host pilot.example.net', about: 'Known under a name' },
    {
      line: 'pilotctl rendezvous start --http :8080',
      about: 'With the dashboard for browsers of this machine',
    },
    {
      line: 'pilotctl rendezvous start --registry-addr 0.0.0.0:443 --public-host pilot.example.net',
      about: 'In reach of networks that let nothing out but TCP 443: registry and beacon on that one port',
    },
  ],
  async run(context, { flags }) {
    const { host, home } = context;
    const running = await holderOf(host, home.rendezvous.run);
    if (running !== undefined) {
      throw new PilotError('already_exists', `The rendezvous is already running (pid ${running.pid})`, {
        hint: 'see: pilotctl rendezvous status',
      });
    }
    const { settings } = await context.settings();
    const database = flags.store !== undefined && isPostgresUrl(flags.store) ? flags.store : undefined;
    const store = await directoryOf(context, database === undefined ? flags.store : undefined, database);
    const giveBack = await takeStore(context, store);
    context.onEnd(giveBack);
    const launch: RendezvousLaunch = {
      home: home.root,
      store,
      database,
      registry: flags.registryAddr,
      beacon: flags.beaconAddr,
      beaconAlternate: flags.beaconAlternateAddr,
      webSocket: flags.wsAddr,
      webSocketUrl: flags.wsUrl,
      http: flags.http,
      publicHost: flags.publicHost,
      adminTokenFile: flags.adminTokenFile === undefined ? undefined : host.absolute(flags.adminTokenFile),
      tls: certificateFiles(flags.tlsCert, flags.tlsKey, (file) => host.absolute(file)),
      networkCreation: flags.networkCreation,
      webhooks: flags.webhooks,
      auditKeep: flags.auditKeep,
      requireProof: flags.requireProof,
      logLevel: settings.log_level,
      logMaxSize: settings.log_max_size,
      logMaxBackups: settings.log_max_backups,
      foreground: flags.foreground,
    };
    if (flags.foreground) {
      context.standAlone();
      await host.processes.runHere('rendezvous', launch, (said) => {
        if (said.type !== 'ready') return;
        void giveBack();
        const facts = said.facts as unknown as RendezvousFacts;
        context.output.note(`Rendezvous running (pid ${host.processes.pid})\n${describeRendezvous(facts)}`);
      });
      return { data: { stopped: true }, human: '' };
    }
    const { pid, facts } = await startProgram(context, 'rendezvous', launch, home.rendezvous.log);
    const data = { pid, ...(facts as unknown as RendezvousFacts) };
    const init = initLine(data);
    return { data: { ...data, init }, human: `Rendezvous running (pid ${pid})\n${describeRendezvous(data)}` };
  },
});

/** With a database, it only holds what is this machine's own. */
async function directoryOf(
  { host, home }: Pick<Context, 'host' | 'home'>,
  chosen: string | undefined,
  database: string | undefined,
): Promise<string> {
  if (chosen !== undefined) return host.absolute(chosen);
  const local = database === undefined ? await localStore(host, home) : undefined;
  return local ?? home.registry;
}

function certificateFiles(
  certificate: string | undefined,
  key: string | undefined,
  absolute: (file: string) => string,
): RendezvousLaunch['tls'] {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined)
    throw new PilotError('invalid_argument', '--tls-cert and --tls-key belong together');
  return { certificate: absolute(certificate), key: absolute(key) };
}

/** The command that joins other machines to a rendezvous. */
export function initLine({ registry, hosts, fingerprint }: RendezvousFacts): string {
  const port = parseHostPort(registry)?.port ?? REGISTRY_PORT;
  const host = hosts[0] ?? '127.0.0.1';
  const shown = host.includes(':') ? `[${host}]` : host;
  return `pilotctl init --registry ${port === REGISTRY_PORT ? host : `${shown}:${port}`} --fingerprint ${fingerprint}`;
}

export function describeRendezvous(facts: RendezvousFacts): string {
  const others = facts.hosts.slice(1);
  return [
    formatFields(
      [
        ['Registry', `${facts.registry} (TCP)`],
        ['Beacon', `${facts.beacon} (UDP)`],
        ['Fingerprint', facts.fingerprint],
        ['Dashboard', facts.http === '' ? undefined : `http://${facts.http}/`],
        ['Store', facts.store],
        ['Logs', facts.log_file === '' ? undefined : facts.log_file],
      ],
      '  ',
    ),
    'On each machine that is to join, this one included:',
    `  ${initLine(facts)}`,
    '  pilotctl daemon start',
    ...(others.length === 0 ? [] : [`(this machine is also known as ${others.join(', ')})`]),
  ].join('\n');
}
