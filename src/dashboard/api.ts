/** An answer that says no. */
export class Refused extends Error {
  readonly status: number;
  readonly hint: string;

  constructor(status: number, message: string, hint: string) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/** Asks the registry. Errors: `Refused`; TypeError when it can't be reached. */
export async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(path, init);
  if (response.ok) return (await response.json()) as T;
  const said = (await response.json().catch(() => ({}))) as { error?: string; hint?: string };
  throw new Refused(
    response.status,
    said.error ?? `The registry answered ${response.status}`,
    said.hint ?? '',
  );
}

export function problemText(error: unknown): string {
  if (error instanceof Refused) return error.hint === '' ? error.message : `${error.message}: ${error.hint}`;
  return 'The registry can’t be reached';
}
