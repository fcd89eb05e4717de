/** Which of the ways to seal packets and to send them is in use; every one of them does the same. */

export const ACCELERATOR_SETTINGS = ['auto', 'segmented', 'off'] as const;
/** `auto`: the best there is. `segmented`: plain sockets with the kernel's help. `off`: JavaScript and Node alone. */
export type AcceleratorSetting = (typeof ACCELERATOR_SETTINGS)[number];

export interface Acceleration {
  /** Who seals and opens packets: the addon, whole trains at once, or Node's crypto, one by one. */
  readonly sealing: 'native' | 'node';
  /**
   * `native`: trains leave and arrive in one system call, nothing is fragmented. `segmented`: the same for what is sent.
   * `plain`: one system call for each packet.
   */
  readonly udp: 'native' | 'segmented' | 'plain';
  /** Why it is not all native; '' when it is. */
  readonly why: '' | 'switched_off' | 'not_built' | 'not_loadable' | 'not_on_this_system';
}

/** Node alone, as when nobody says what the ports are made of. */
export const NOT_ACCELERATED: Acceleration = { sealing: 'node', udp: 'plain', why: 'switched_off' };
