/** TCP connections that go through an HTTP proxy where one is needed. spec/23 §1.1 */
import { asPilotError, PilotError } from '../api/errors.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint, Instant, Millis } from '../base/units.ts';
import type { Abort, Clock, ConnectOptions, Log, Net } from '../runtime/ports.ts';
import { parseCarrierUrl } from '../wire/compat.ts';
import { isExempt, isLoopback, type ProxyAddress, parseProxyUrl } from '../wire/proxy-url.ts';

/** What a command printed counts for so long. spec/23 §1.1 */
const COMMAND_AGE: Millis = 60_000;
/** How much earlier the direct way is tried than the proxy, where both may do. Chosen. */
const HEAD_START: Millis = 300;
/** What the proxy refuses is told once the direct way had so long. Chosen. */
const DIRECT_PATIENCE: Millis = 1_500;
/** Credentials that were refused are tried again after this. Chosen. */
const REFUSED_AGE: Millis = 30_000;

export interface ProxyRules {
  /**
   * `off`: never. `auto`: as the environment says, and where the direct way works as well, by whichever answers first.
   * Otherwise the URL of the proxy for everything but this machine itself.
   */
  readonly proxy: string;
  /** HTTPS_PROXY, ALL_PROXY and NO_PROXY, in either case. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Prints the URL of the proxy, with credentials that may change; in place of what the environment names. */
  readonly command?: (() => Promise<string>) | undefined;
  /** With `auto`: do not try the direct way where the environment names a proxy. @default false */
  readonly always?: boolean;
}

export interface ProxiedNet extends Net {
  /** `host:port` of the proxy that the last connection went through; undefined when it went without. */
  readonly proxyInUse: string | undefined;
  /** Runs another way to connect by the same rules: it is told the proxy to use. */
  reach<Result>(
    to: Endpoint,
    options: ConnectOptions,
    connect: (options: ConnectOptions) => Promise<Result>,
  ): Promise<Result>;
}

/** `net`, whose connections go through a proxy as the rules say. Errors are those of `Net.connect`. */
export function proxiedNet(net: Net, rules: ProxyRules, parts: { clock: Clock; log: Log }): ProxiedNet {
  const routes = new Routes(rules, parts);
  return {
    ...net,
    get proxyInUse() {
      return routes.inUse;
    },
    reach: (to, options, connect) => routes.reach(to, options, connect),
    connect: (to, options = {}) => routes.reach(to, options, (way) => net.connect(to, way)),
    webSocket(url, options) {
      const at = parseCarrierUrl(url);
      if (at === undefined) return net.webSocket(url, options);
      return routes.reach(at, options, (way) =>
        net.webSocket(url, { ...way, maxMessage: options.maxMessage }),
      );
    },
  };
}

/** What came too late is closed, when it can be. */
function discard(result: unknown): void {
  (result as { destroy?: () => void }).destroy?.();
}

class Routes {
  readonly #rules: ProxyRules;
  readonly #clock: Clock;
  readonly #log: Log;
  #printed: { readonly url: string; readonly at: Instant } | undefined;
  #refused: { readonly url: string; readonly at: Instant; readonly error: PilotError } | undefined;
  inUse: string | undefined;

  constructor(rules: ProxyRules, { clock, log }: { clock: Clock; log: Log }) {
    this.#rules = rules;
    this.#clock = clock;
    this.#log = log;
  }

  async reach<Result>(
    to: Endpoint,
    options: ConnectOptions,
    connect: (options: ConnectOptions) => Promise<Result>,
  ): Promise<Result> {
    const { proxy: mode, always = false } = this.#rules;
    const proxied = mode !== 'off' && !isLoopback(to.host) && this.#mayProxy(to);
    if (!proxied) return this.#note(undefined, connect(options));
    const through = (signal?: Abort): Promise<Result> =>
      this.#throughProxy({ ...options, ...(signal && { signal }) }, connect);
    if (mode !== 'auto' || always) return through();
    return this.#race(options.signal, [
      (signal) => this.#note(undefined, connect({ ...options, signal })),
      through,
    ]);
  }

  /** Whether any proxy is named for this server. */
  #mayProxy(to: Endpoint): boolean {
    const { proxy, command } = this.#rules;
    if (proxy !== 'auto') return true;
    if (isExempt(this.#variable('no_proxy') ?? '', to)) return false;
    return command !== undefined || this.#named() !== undefined;
  }

  async #throughProxy<Result>(
    options: ConnectOptions,
    connect: (options: ConnectOptions) => Promise<Result>,
  ): Promise<Result> {
    let url = await this.#current(false);
    if (this.#isRefused(url)) url = await this.#current(true);
    for (let tries = 0; ; tries++) {
      // Whoever repeats wrong credentials may find his account locked.
      if (this.#isRefused(url)) throw this.#refused!.error;
      const proxy = addressOf(url);
      try {
        return await this.#note(proxy, connect({ ...options, proxy }));
      } catch (thrown) {
        const error = asPilotError(thrown);
        if (error.code === 'proxy_auth_required') this.#refused = { url, error, at: this.#clock.now() };
        if (!isVerdict(error) || tries > 0 || this.#rules.command === undefined) throw thrown;
        url = await this.#current(true);
        this.#log.event('debug', 'proxy.asked_again', { proxy: formatEndpoint(proxy), code: error.code });
      }
    }
  }

  #isRefused(url: string): boolean {
    const refused = this.#refused;
    return refused?.url === url && this.#clock.now() - refused.at < REFUSED_AGE;
  }

  async #note<Result>(proxy: Endpoint | undefined, connecting: Promise<Result>): Promise<Result> {
    const result = await connecting;
    const name = proxy && formatEndpoint(proxy);
    if (name !== this.inUse) this.#log.event('info', 'proxy.changed', { proxy: name ?? 'none' });
    this.inUse = name;
    return result;
  }

  /** The proxy by the rules; `renew`: what the command printed before does not work any more. */
  async #current(renew: boolean): Promise<string> {
    const { proxy, command } = this.#rules;
    if (command === undefined) return proxy === 'auto' ? (this.#named() ?? '') : proxy;
    const age = this.#clock.now() - (this.#printed?.at ?? Number.NEGATIVE_INFINITY);
    if (renew || age >= COMMAND_AGE) {
      try {
        const url = (await command()).trim();
        addressOf(url);
        this.#printed = { url, at: this.#clock.now() };
      } catch (thrown) {
        const { message } = asPilotError(thrown);
        this.#log.event('warn', 'proxy.command_failed', { message });
        // What it printed last may still be good.
        if (this.#printed === undefined && this.#named() === undefined) throw thrown;
      }
    }
    return this.#printed?.url ?? this.#named() ?? '';
  }

  #named(): string | undefined {
    return this.#variable('https_proxy') ?? this.#variable('all_proxy');
  }

  #variable(name: string): string | undefined {
    const { env } = this.#rules;
    return env[name] || env[name.toUpperCase()] || undefined;
  }

  /** The first way that works; the second begins when the first is slow or has failed. What is late is closed. */
  #race<Result>(
    signal: Abort | undefined,
    ways: readonly [(signal: Abort) => Promise<Result>, (signal: Abort) => Promise<Result>],
  ): Promise<Result> {
    const controllers = ways.map(() => new AbortController());
    const onAbort = (): void => controllers.forEach((one) => void one.abort(signal?.reason));
    signal?.addEventListener('abort', onAbort);
    return new Promise<Result>((resolve, reject) => {
      const failures: unknown[] = [];
      let settled = false;
      const begun = new Set<number>();
      const settle = (done: () => void): void => {
        settled = true;
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        done();
      };
      const begin = (which: number): void => {
        if (settled || begun.has(which)) return;
        begun.add(which);
        ways[which]!(controllers[which]!.signal).then(
          (result) => {
            if (settled) discard(result);
            else
              settle(() => {
                controllers[1 - which]!.abort(new PilotError('cancelled', 'Another way was faster'));
                resolve(result);
              });
          },
          (thrown: unknown) => {
            failures[which] = thrown;
            if (settled) return;
            if (begun.size < ways.length) begin(1);
            else if (which === 1 && failures[0] === undefined && isVerdict(thrown)) {
              // Dropped packets would keep the direct way waiting for the whole time allowed.
              timer.cancel();
              timer = this.#clock.at(started + DIRECT_PATIENCE, () => {
                if (!settled) settle(() => reject(failures[1]));
                controllers[0]!.abort(failures[1]);
              });
            } else if (failures[0] !== undefined && failures[1] !== undefined) {
              settle(() => reject(tellingOf(failures)));
            }
          },
        );
      };
      const started = this.#clock.now();
      let timer = this.#clock.at(started + HEAD_START, () => begin(1));
      if (signal?.aborted) onAbort();
      begin(0);
    });
  }
}

function addressOf(url: string): ProxyAddress {
  const address = parseProxyUrl(url);
  if (address !== undefined) return address;
  throw new PilotError(
    'invalid_argument',
    'The proxy is not named by a URL such as http://USER:PASSWORD@HOST:PORT',
  );
}

/** The proxy is there and says no. */
function isVerdict(thrown: unknown): boolean {
  const { code } = asPilotError(thrown);
  return code === 'proxy_auth_required' || code === 'proxy_refused';
}

/** What the proxy says explains more than that there is no direct way; another key than the pinned one explains most. */
function tellingOf([direct, proxied]: readonly unknown[]): unknown {
  const { code } = asPilotError(direct);
  return code === 'fingerprint_mismatch' || code === 'server_untrusted' ? direct : proxied;
}
