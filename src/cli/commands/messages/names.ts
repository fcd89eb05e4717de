import type { Context } from '../../context.ts';
import { printable } from '../../text.ts';

/** Hostnames of trusted peers by address, as far as a running daemon can tell; addresses do without one. */
export async function namesByAddress(context: Context): Promise<ReadonlyMap<string, string>> {
  try {
    const trusted = await (await context.client()).trusted();
    return new Map(
      trusted.filter(({ hostname }) => hostname !== '').map((row) => [row.address, printable(row.hostname)]),
    );
  } catch {
    return new Map();
  }
}
