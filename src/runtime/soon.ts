const settled = Promise.resolve();

/** Runs `work` behind what is under way in this turn. As `queueMicrotask`, which on Node makes an async resource each time. */
export function soon(work: () => void): void {
  void settled.then(work);
}
