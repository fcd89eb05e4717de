/** IP literals: text to bytes and back, without a platform. */

/**
 * The 4 or 16 bytes of an IP literal, or undefined when `host` is not one. IPv4-mapped IPv6 gives 4 bytes;
 * a zone index (`%eth0`) is dropped, since it means nothing to others.
 */
export function parseIp(host: string): Uint8Array | undefined {
  if (!host.includes(':')) return parseIpv4(host);
  const zone = host.indexOf('%');
  const bytes = parseIpv6(zone < 0 ? host : host.slice(0, zone));
  return bytes !== undefined && isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** Prints 4 or 16 bytes; IPv6 as in RFC 5952, IPv4-mapped as IPv4. Throws RangeError for other lengths. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16)
    throw new RangeError(`Cannot print an IP address of ${bytes.length} bytes: it has 4 or 16`);
  if (isMapped(bytes)) return bytes.subarray(12).join('.');
  return formatIpv6(bytes);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.', 5);
  if (parts.length !== 4) return undefined;
  const out = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    // A leading zero is refused: some systems read it as octal.
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    out[i] = Number(part);
  }
  return out;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::', 3);
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  const out = new Uint8Array(16);
  out.set(head, 0);
  out.set(tail, 16 - tail.length);
  return out;
}

function parseGroups(text: string, dottedEnd: boolean): number[] | undefined {
  const bytes: number[] = [];
  if (text === '') return bytes;
  const groups = text.split(':', 9);
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i]!;
    if (dottedEnd && i === groups.length - 1 && group.includes('.')) {
      const dotted = parseIpv4(group);
      if (dotted === undefined) return undefined;
      bytes.push(...dotted);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >>> 8, value & 0xff);
    }
  }
  return bytes.length > 16 ? undefined : bytes;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

function formatIpv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  let runStart = -1;
  let runLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > runLength) {
      runStart = i;
      runLength = length;
    }
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (runStart < 0) return text(groups);
  return `${text(groups.slice(0, runStart))}::${text(groups.slice(runStart + runLength))}`;
}
