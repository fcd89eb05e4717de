/** Rules for hostnames and tags. spec/10 §4.5, §5.3 */

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const TAG = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const RESERVED: ReadonlySet<string> = new Set(['localhost', 'backbone', 'broadcast']);
const MAX_TAGS = 10;

/** Why a hostname is not one, in the words old clients know; undefined when it is fine. */
export function hostnameProblem(hostname: string): string | undefined {
  if (hostname.length > 63) return 'hostname too long (max 63 chars)';
  if (!LABEL.test(hostname))
    return 'hostname must be lowercase alphanumeric with hyphens, start/end with alphanumeric';
  if (RESERVED.has(hostname)) return `hostname "${hostname}" is reserved`;
  return undefined;
}

/** Strips `#`, drops repeats; or says what is wrong. */
export function normalizeTags(tags: readonly string[]): readonly string[] | { readonly problem: string } {
  if (tags.length > MAX_TAGS) return { problem: `too many tags (max ${MAX_TAGS})` };
  const kept: string[] = [];
  for (const raw of tags) {
    const tag = raw.startsWith('#') ? raw.slice(1) : raw;
    if (tag === '') return { problem: 'empty tag not allowed' };
    if (tag.length > 32) return { problem: `tag "${tag.slice(0, 64)}" too long (max 32 chars)` };
    if (!TAG.test(tag)) return { problem: `tag "${tag}" must be lowercase alphanumeric with hyphens` };
    if (!kept.includes(tag)) kept.push(tag);
  }
  return kept;
}
