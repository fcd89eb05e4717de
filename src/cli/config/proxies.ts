import { type ProxiedNet, proxiedNet } from '../../directory/proxied-net.ts';
import type { Log } from '../../runtime/ports.ts';
import type { Host } from '../host.ts';
import type { Probing } from '../registry-probe.ts';
import type { Settings } from './settings.ts';

type Rules = Pick<Settings, 'proxy' | 'proxy_cmd' | 'transport'>;

const SILENT: Log = { event: () => {} };

/** The net of this machine, through proxies as the settings say. */
export function netOf(host: Host, { proxy, proxy_cmd, transport }: Rules, log: Log = SILENT): ProxiedNet {
  const rules = {
    proxy,
    env: host.env,
    command: proxy_cmd === undefined ? undefined : () => host.shell(proxy_cmd),
    always: transport === 'compat',
  };
  return proxiedNet(host.net, rules, { clock: host.clock, log });
}

/** What a first contact with a registry needs, by the same ways as the daemon's. */
export function probingOf(host: Host, settings: Rules): Probing {
  const net = netOf(host, settings);
  return {
    net,
    clock: host.clock,
    fingerprintOf: (server, timeout, options = {}) =>
      net.reach(server, options, (way) => host.fingerprintOf(server, timeout, way)),
  };
}
