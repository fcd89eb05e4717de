import type { FoundRow } from '../../../sdk/index.ts';
import type { Value } from '../../values.ts';

/** A tag, with or without `#`. */
export const tag: Value<string> = {
  label: 'tag',
  parse(input) {
    const name = input.replace(/^#/, '');
    if (/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) return name;
    throw new RangeError('expected 1 to 32 lower-case letters, digits and hyphens');
  },
};

/** Name of a service in a signed record. */
export const serviceName: Value<string> = { ...tag, label: 'service' };

/** What stands behind a row, for people. */
export const VERIFIED: Readonly<Record<FoundRow['verified'], string>> = {
  pinned: 'key known',
  signed: 'signed',
  expired: 'signed, out of date',
  changed: 'ANOTHER KEY',
  unsigned: 'not signed',
};

export function tagText(tags: readonly string[]): string {
  return tags.map((name) => `#${name}`).join(' ');
}
