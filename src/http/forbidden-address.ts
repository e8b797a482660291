import { BlockList, isIP } from 'node:net';

/**
 * Where no plugin server stands, but the services that give a machine its identity and keys: link-local addresses (RFC 3927,
 * RFC 4291), and the metadata services of clouds that have others: Alibaba, Azure, Oracle, and over IPv6 AWS, Google, Oracle and
 * Scaleway. Private addresses are where plugin servers do stand.
 */
const forbidden = new BlockList();
forbidden.addSubnet('169.254.0.0', 16);
for (const address of ['100.100.100.200', '168.63.129.16', '192.0.0.192']) forbidden.addAddress(address);
forbidden.addSubnet('fe80::', 10, 'ipv6');
for (const subnet of ['fd00:ec2::', 'fd20:ce::', 'fd00:c1::', 'fd00:42::'])
  forbidden.addSubnet(subnet, 64, 'ipv6');

/**
 * Whether nothing is asked at an address. An IPv6 address by which routers or translators reach an IPv4 address counts as that.
 *
 * @param address in any form that Node takes for one, also with a zone (`fe80::1%eth0`).
 */
export function isForbiddenAddress(address: string): boolean {
  const [plain = ''] = address.split('%', 1);
  switch (isIP(plain)) {
    case 4:
      return forbidden.check(plain);
    case 6:
      return (
        forbidden.check(plain, 'ipv6') || embedded(groupsOf(plain)).some((each) => forbidden.check(each))
      );
    default:
      return false;
  }
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  // As a URL has it: hexadecimal throughout, also where IPv4 was written at the end.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const parse = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [first, last] = [parse(head), parse(tail ?? '')];
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last];
}

/** The IPv4 addresses that an IPv6 address stands for. */
function embedded(groups: readonly number[]): string[] {
  const at = (index: number): number => groups[index] ?? 0;
  const pair = (index: number, mask = 0): string => dotted(at(index) ^ mask, at(index + 1) ^ mask);
  const begins = (...prefix: readonly number[]): boolean =>
    prefix.every((group, index) => at(index) === group);
  const found: string[] = [];
  // IPv4-compatible and IPv4-mapped (RFC 4291, 2.5.5), IPv4-translated (RFC 2765), NAT64 (RFC 6052).
  const whole = [
    [0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0xffff],
    [0, 0, 0, 0, 0xffff, 0],
    [0x64, 0xff9b, 0, 0, 0, 0],
  ];
  if (whole.some((prefix) => begins(...prefix))) found.push(pair(6));
  // NAT64 with a prefix of the operator's own (RFC 8215), of any length that has room there (RFC 6052, 2.2).
  if (begins(0x64, 0xff9b, 1)) {
    const bytes = groups.flatMap((group) => [group >> 8, group & 0xff]).filter((_, index) => index !== 8);
    for (const start of [6, 7, 8]) found.push(bytes.slice(start, start + 4).join('.'));
    found.push(pair(6));
  }
  // 6to4 (RFC 3056).
  if (begins(0x2002)) found.push(pair(1));
  // Teredo (RFC 4380): its server, and the client with all bits turned over.
  if (begins(0x2001, 0)) found.push(pair(2), pair(6, 0xffff));
  // ISATAP (RFC 5214, 6.1), whatever the prefix.
  if ((at(4) & ~0x0200) === 0 && at(5) === 0x5efe) found.push(pair(6));
  return found;
}

const dotted = (high: number, low: number): string =>
  [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
