import { describe, expect, test } from 'vitest';
import { hostConfig } from '../../../src/transport/ssh/config.js';

const text = `
# the first value counts
Host edge
  HostName edge.example.com
  User ferry
  Port 2222
  IdentityFile ~/.ssh/edge_key
Host *.example.com !db.example.com
  User other
  IdentityFile "~/my keys/wild"
Match host edge exec "rm -rf /"
  User matched
Host jump*
  ProxyJump bastion
Host direct
  ProxyJump none
Host short
  HostName %h.example.com
Host=equals
  Port=2200
Host *
  User everybody
  Port 22
  IdentityFile ~/.ssh/all
`;
const of = (alias: string) => hostConfig(text, alias, 'config');

describe('ssh config', () => {
  test('a host of its own', () => {
    expect(of('edge')).toEqual({
      hostName: 'edge.example.com',
      user: 'ferry',
      port: 2222,
      identityFiles: ['~/.ssh/edge_key', '~/.ssh/all'],
    });
  });

  test('wildcards and negation', () => {
    expect(of('web.example.com')).toMatchObject({
      user: 'other',
      identityFiles: ['~/my keys/wild', '~/.ssh/all'],
    });
    expect(of('db.example.com')).toMatchObject({ user: 'everybody', identityFiles: ['~/.ssh/all'] });
  });

  test('other spellings', () => {
    expect(of('equals').port).toBe(2200);
    expect(of('short').hostName).toBe('short.example.com');
    expect(hostConfig('HOST a\r\n\tUSER b\r\n', 'a', 'config').user).toBe('b');
  });

  test('a jump host is refused and not just left out', () => {
    expect(() => of('jump1')).toThrow(
      expect.objectContaining({ code: 'E_USAGE', message: expect.stringContaining('ProxyJump bastion') }),
    );
    expect(of('direct').user).toBe('everybody');
    expect(() => hostConfig('ProxyCommand nc %h %p', 'a', 'config')).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });

  test('a port that is none', () => {
    for (const port of ['0', '65536', 'ssh', '-1'])
      expect(() => hostConfig(`Port ${port}`, 'a', 'config')).toThrow(
        expect.objectContaining({ code: 'E_USAGE' }),
      );
  });
});
