import { parseHostPort } from '../../../base/endpoint.ts';
import type { RendezvousFacts } from '../../background/launch.ts';
import { holderOf } from '../../background/run-file.ts';
import { defineCommand } from '../../command.ts';
import { isWildcard, probeRegistry } from '../../registry-probe.ts';
import { formatSpan } from '../../text.ts';
import { describeRendezvous, initLine } from './start.ts';

export const rendezvousStatus = defineCommand({
  name: 'rendezvous status',
  group: 'Registry and beacon',
  summary: 'Show whether the registry and beacon run, and how other machines join',
  timeout: '10s',
  returns:
    '{running, responsive, pid, registry?, beacon?, fingerprint?, http?, store?, log_file, uptime_secs?, init?}',
  examples: [{ line: 'pilotctl rendezvous status', about: 'Fingerprint and join command again' }],
  async run(context) {
    const { host, home } = context;
    const running = await holderOf(host, home.rendezvous.run);
    if (running === undefined) {
      return {
        data: { running: false, responsive: false, pid: 0, log_file: home.rendezvous.log },
        human: 'Rendezvous: stopped\nstart with: pilotctl rendezvous start',
      };
    }
    const facts = running.facts as unknown as RendezvousFacts;
    const responsive = await isResponsive(context.host, facts);
    const uptime = host.clock.wallNow() - running.started_at;
    return {
      data: {
        running: true,
        responsive,
        pid: running.pid,
        ...facts,
        uptime_secs: Math.floor(uptime / 1000),
        init: initLine(facts),
      },
      human: [
        `Rendezvous: running (pid ${running.pid}) for ${formatSpan(uptime)}${responsive ? '' : ', but the registry does not answer'}`,
        describeRendezvous(facts),
      ].join('\n'),
    };
  },
});

async function isResponsive(
  host: Parameters<typeof probeRegistry>[0],
  facts: RendezvousFacts,
): Promise<boolean> {
  const bound = parseHostPort(facts.registry);
  if (bound === undefined) return false;
  const endpoint = isWildcard(bound.host) ? { host: '127.0.0.1', port: bound.port } : bound;
  try {
    await probeRegistry(host, endpoint, { tls: true, fingerprint: facts.fingerprint, timeout: 3000 });
    return true;
  } catch {
    return false;
  }
}
