/** The part of the platform's AbortSignal that ports mention. */
declare global {
  interface AbortSignal {
    readonly aborted: boolean;
    readonly reason: unknown;
  }
}
export {};
