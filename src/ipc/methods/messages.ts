/** What programs do with messages beyond sending them. docs/decisions/0015 */
export interface MessageMethods {
  /**
   * Questions that reach the data exchange port are given to this client from now on: each as an accepted stream on
   * `port`, which speaks data exchange. Errors: `port_in_use` (another program does), `unavailable`.
   */
  messages_serve: [Record<string, never>, { port: number }];
  messages_release: [Record<string, never>, { port: number }];
  /**
   * Copies of what is stored in the inbox from this node reach this client from now on: each as an accepted stream
   * on port 0, holding a JSON frame `{"id"}` and the message. Errors: `unavailable`.
   */
  messages_watch: [{ node_id: number }, { known: boolean; echoes: boolean }];
  messages_unwatch: [{ node_id: number }, { node_id: number }];
  /** The hostname this daemon knows a node by; "" when none. Asks nobody. */
  peer_name: [{ node_id: number }, { hostname: string }];
}
