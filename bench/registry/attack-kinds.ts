/** What a stranger tries; see `attack.ts`. */
export const ATTACKS = [
  'junk registrations',
  'key churn',
  'slow loris',
  '4 MiB frames',
  'pipelined flood',
  'unread answers',
] as const;
export type Attack = (typeof ATTACKS)[number];

/** What an attack came to. */
export interface Damage {
  /** Registrations tried, frames sent, connections held: what the attack is about. */
  readonly tried: number;
  /** Of those, what the registry did as asked. */
  readonly done: number;
  /** Connections that the registry cut. */
  readonly cut: number;
}
