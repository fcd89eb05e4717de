/** Where one node keeps its state. spec/22 §4.3 */
export interface Home {
  readonly root: string;
  readonly config: string;
  readonly identity: string;
  readonly inbox: string;
  readonly received: string;
  /** The store of the embedded or standalone rendezvous. */
  readonly registry: string;
  readonly localNetwork: string;
  readonly knownRegistries: string;
  readonly defaultSocket: string;
  readonly daemon: RunPaths;
  readonly rendezvous: RunPaths;
  /** Where a running rendezvous takes orders of its user. */
  readonly rendezvousSocket: string;
}

/** Files of one background program. */
export interface RunPaths {
  /** The pid in decimal, for other programs. */
  readonly pid: string;
  /** Who runs and with what, for us. */
  readonly run: string;
  readonly log: string;
}

export function homeAt(root: string): Home {
  const run = (name: string): RunPaths => ({
    pid: `${root}/${name}.pid`,
    run: `${root}/${name}.run`,
    log: `${root}/${name}.log`,
  });
  return {
    root,
    config: `${root}/config.json`,
    identity: `${root}/identity.json`,
    inbox: `${root}/inbox`,
    received: `${root}/received`,
    registry: `${root}/registry`,
    localNetwork: `${root}/local-network.json`,
    knownRegistries: `${root}/known-registries.json`,
    defaultSocket: `${root}/pilot.sock`,
    daemon: run('pilot'),
    rendezvous: run('rendezvous'),
    rendezvousSocket: `${root}/rendezvous.sock`,
  };
}

/** `$PILOT_HOME`, else `~/.pilot`. */
export function homeOf(host: { env: Readonly<Record<string, string | undefined>>; userHome: string }): Home {
  const chosen = host.env.PILOT_HOME;
  const root = chosen === undefined || chosen === '' ? `${host.userHome}/.pilot` : chosen;
  return homeAt(root.length > 1 && root.endsWith('/') ? root.slice(0, -1) : root);
}
