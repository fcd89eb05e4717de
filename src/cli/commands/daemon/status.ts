import type { Info } from '../../../sdk/index.ts';
import type { DaemonFacts } from '../../background/launch.ts';
import { runningDaemon } from '../../background/run-file.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { QuietFailure } from '../../output.ts';
import { formatFields, formatSpan } from '../../text.ts';
import { warningLines } from '../diagnostics/info.ts';

export const daemonStatus = defineCommand({
  name: 'daemon status',
  group: 'Daemon',
  summary: 'Show whether the daemon runs, and how it fares',
  flags: { check: { summary: 'print nothing; exit 0 if it runs and answers, else 1' } },
  timeout: '10s',
  returns:
    '{running, responsive, pid, pid_file, socket, log_file, node_id?, address?, hostname?, registry?, registered?, network?, uptime_secs?, peers?, connections?, warnings?}',
  examples: [
    { line: 'pilotctl daemon status', about: 'Does it run?' },
    { line: 'pilotctl daemon status --check || pilotctl daemon start', about: 'Start it unless it runs' },
  ],
  async run(context, { flags }) {
    const { home, host } = context;
    const running = await runningDaemon(host, home);
    const { settings } = await context.settings();
    const info = await askInfo(context);
    if (flags.check && info === undefined) {
      throw new QuietFailure('not_running', 'The daemon is not running', {
        hint: 'start the daemon with: pilotctl daemon start',
      });
    }
    const facts = running?.facts as Partial<DaemonFacts> | undefined;
    const pid = running?.pid ?? 0;
    const base = {
      running: running !== undefined || info !== undefined,
      responsive: info !== undefined,
      pid,
      pid_file: home.daemon.pid,
      socket: facts?.socket ?? settings.socket,
      log_file: home.daemon.log,
    };
    if (flags.check) return { data: base, human: '' };
    if (info === undefined) return { data: base, human: silentReport(pid, home.daemon.log) };
    const data = {
      ...base,
      node_id: info.node_id,
      address: info.address,
      hostname: info.hostname,
      registry: info.registry,
      registered: info.registered,
      network: facts?.network ?? 'configured',
      uptime_secs: info.uptime_secs,
      peers: info.peers,
      connections: info.connections,
      warnings: info.warnings,
    };
    return {
      data,
      human: [
        `Daemon: running${pid === 0 ? '' : ` (pid ${pid})`}`,
        formatFields(
          [
            ['Node ID', info.node_id === 0 ? 'none yet' : String(info.node_id)],
            ['Address', info.node_id === 0 ? 'none yet' : info.address],
            ['Hostname', info.hostname === '' ? undefined : info.hostname],
            ['Registry', `${info.registry} (${registryState(info, data.network)})`],
            ['Uptime', formatSpan(info.uptime_secs * 1000)],
            ['Peers', String(info.peers)],
            ['Connections', String(info.connections)],
            ['Socket', base.socket],
            ['Logs', base.log_file],
          ],
          '  ',
        ),
        ...warningLines(info),
      ].join('\n'),
    };
  },
});

/** A daemon that takes longer counts as not answering, ms. */
const PATIENCE = 3000;

async function askInfo(context: Context): Promise<Info | undefined> {
  const asked = context.client().then((client) => client.info());
  const late = context.host.clock.sleep(PATIENCE).then(() => undefined);
  return Promise.race([asked.catch(() => undefined), late]);
}

function silentReport(pid: number, log: string): string {
  if (pid === 0) return 'Daemon: stopped\nstart with: pilotctl daemon start';
  return `Daemon: running (pid ${pid}), but it does not answer\nsee the log: ${log}; restart with: pilotctl daemon restart`;
}

function registryState(info: Info, network: string): string {
  const state = info.registered
    ? 'registered'
    : info.registry_connected
      ? 'connected, not registered yet'
      : 'away, trying again';
  return network === 'configured'
    ? state
    : `${state}, this machine only${network === 'hosting' ? ', hosted here' : ''}`;
}
