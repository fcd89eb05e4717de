import type { AcceleratorSetting } from '../../api/acceleration.ts';
import type { AutoApproveRule } from '../../api/auto-approve.ts';
import type { CongestionKind } from '../../api/congestion.ts';
import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import type { LogLevel } from '../../runtime/ports.ts';
import type { Home } from '../home.ts';
import { checkConfigFile, type RawConfig, readKey } from './file.ts';
import { KEY_NAMES, KEYS, type KeyName, variableOf } from './keys.ts';

/** Every setting with its value in force. */
export interface Settings {
  readonly registry: Endpoint | undefined;
  readonly registry_fallbacks: readonly Endpoint[] | undefined;
  readonly registry_fingerprint: string | undefined;
  readonly registry_tls: boolean;
  readonly registry_trust: 'pinned' | 'system';
  readonly beacon: Endpoint | undefined;
  readonly transport: 'auto' | 'udp' | 'compat';
  readonly compat_beacon: string | undefined;
  readonly compat_fingerprint: string | undefined;
  /** `auto`, `off`, or a URL, with credentials perhaps. */
  readonly proxy: string;
  readonly proxy_cmd: string | undefined;
  readonly socket: string;
  readonly hostname: string | undefined;
  readonly email: string | undefined;
  readonly listen: Endpoint;
  readonly public: boolean;
  readonly relay_only: boolean;
  readonly relay_for_peers: boolean;
  readonly relay_for_peers_rate: number;
  readonly port_mapping: 'auto' | 'off';
  readonly accelerator: AcceleratorSetting;
  readonly path_mtu: 'auto' | 'off' | number;
  readonly congestion: CongestionKind;
  readonly trust_auto_approve: boolean;
  readonly auto_approve: readonly AutoApproveRule[];
  readonly log_level: LogLevel;
  readonly log_max_size: number;
  readonly log_max_backups: number;
  readonly local_registry_port: number;
  readonly local_beacon_port: number;
}

export type Origin = 'flag' | 'environment' | 'file' | 'default';

export interface Resolved {
  readonly settings: Settings;
  readonly origins: Readonly<Record<KeyName, Origin>>;
}

/** Values given on the command line, as text. */
export type FlagTexts = Readonly<Partial<Record<KeyName, string>>>;

/**
 * Applies the order flag, environment, file, default. An empty variable counts as unset.
 * Throws `invalid_argument` for unknown keys in the file and for wrong values anywhere.
 */
export function resolveSettings(sources: {
  readonly flags?: FlagTexts;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: RawConfig;
  readonly home: Home;
}): Resolved {
  checkConfigFile(sources.file, sources.home.config);
  const settings: Record<string, unknown> = {};
  const origins: Partial<Record<KeyName, Origin>> = {};
  for (const key of KEY_NAMES) {
    const [value, origin] = pick(key, sources);
    settings[key] = value;
    origins[key] = origin;
  }
  settings.socket ??= sources.home.defaultSocket;
  dropForeignPin(settings, origins as Record<KeyName, Origin>, sources.file);
  return { settings: settings as unknown as Settings, origins: origins as Record<KeyName, Origin> };
}

function pick(
  key: KeyName,
  sources: {
    flags?: FlagTexts;
    env: Readonly<Record<string, string | undefined>>;
    file: RawConfig;
    home: Home;
  },
): [unknown, Origin] {
  const flag = sources.flags?.[key];
  if (flag !== undefined) return [readKey(key, flag, 'on the command line'), 'flag'];
  const variable = sources.env[variableOf(key)];
  if (variable !== undefined && variable !== '') {
    return [readKey(key, variable, `in the environment (${variableOf(key)})`), 'environment'];
  }
  if (Object.hasOwn(sources.file, key))
    return [readKey(key, sources.file[key], `in ${sources.home.config}`), 'file'];
  const fallback = (KEYS[key] as { fallback?: string | number | boolean }).fallback;
  return [fallback === undefined ? undefined : readKey(key, fallback, 'by default'), 'default'];
}

const PRECEDENCE: Readonly<Record<Origin, number>> = { flag: 3, environment: 2, file: 1, default: 0 };

/**
 * A pin, beacon or TLS switch belongs to the registry it was set with: when a flag or variable names another
 * registry, those that came from a weaker source do not apply to it.
 */
function dropForeignPin(
  settings: Record<string, unknown>,
  origins: Record<KeyName, Origin>,
  file: RawConfig,
): void {
  const strength = PRECEDENCE[origins.registry];
  if (strength <= PRECEDENCE.file) return;
  if (file.registry !== undefined) {
    const configured = readKey('registry', file.registry, '');
    if (sameEndpoint(configured, settings.registry as Endpoint)) return;
  }
  for (const key of [
    'registry_fallbacks',
    'registry_fingerprint',
    'beacon',
    'compat_beacon',
    'compat_fingerprint',
    'registry_tls',
  ] as const) {
    if (PRECEDENCE[origins[key]] >= strength || origins[key] === 'default') continue;
    settings[key] = key === 'registry_tls' ? true : undefined;
    origins[key] = 'default';
  }
}
