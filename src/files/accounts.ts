import type { FileSystem } from './file-system.js';

/** What a user database says of a group: the users in it. */
type Members = ReadonlyMap<number, ReadonlySet<number | 'unknown'>>;

/**
 * Which groups have one member, as user-private groups do: Debian, Ubuntu and RHEL give each user one and make directories
 * of mode 0775 in it. The rule is that of sshd's StrictModes there (`secure_permissions` of Debian's user-group-modes.patch),
 * less root's own group, which pam_umask leaves out, too: /etc/passwd and /etc/group are read, so groups of a directory
 * service are not known, and count as groups of many. An access list that lets somebody else in is not seen, as it is not there.
 */
export class Accounts {
  readonly #files: FileSystem;
  #members: Promise<Members> | undefined;

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /** The only user of a group besides root; undefined when there are more, none, or the group is not known. */
  async onlyMember(gid: number | undefined): Promise<number | undefined> {
    if (gid === undefined || gid === 0) return undefined;
    this.#members ??= this.#read();
    const [member, ...others] = [...((await this.#members).get(gid) ?? [])].filter((uid) => uid !== 0);
    return others.length > 0 || member === 'unknown' ? undefined : member;
  }

  async #read(): Promise<Members> {
    const [users, groups] = await Promise.all([this.#lines('/etc/passwd'), this.#lines('/etc/group')]);
    const ids = new Map(users.map(([name = '', , uid]) => [name, Number(uid)]));
    const primary = users.map(([, , uid, gid]) => [Number(gid), Number(uid)] as const);
    // Without a user whose own group it is, a list of members need not be whole.
    const members = new Map<number, Set<number | 'unknown'>>();
    for (const [gid, uid] of primary) members.set(gid, (members.get(gid) ?? new Set()).add(uid));
    for (const [, , gid, names = ''] of groups)
      for (const name of names.split(',').filter((each) => each !== ''))
        members.get(Number(gid))?.add(ids.get(name) ?? 'unknown');
    const known = new Set(groups.map(([, , gid]) => Number(gid)));
    return new Map([...members].filter(([gid]) => known.has(gid)));
  }

  async #lines(path: string): Promise<string[][]> {
    const text = await this.#files.readFile(path).then(String, () => '');
    return text
      .split('\n')
      .map((line) => line.split(':'))
      .filter((fields) => fields.length >= 4);
  }
}
