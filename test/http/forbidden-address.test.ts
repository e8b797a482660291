import { expect, test } from 'vitest';
import { isForbiddenAddress } from '../../src/http/forbidden-address.js';

test.each([
  'fe80::1%eth0',
  '169.254.1.2',
  '::ffff:169.254.169.254%3',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::',
  'fe80::5efe:a9fe:a9fe',
])('%s leads to the keeper of a machine', (address) => {
  expect(isForbiddenAddress(address)).toBe(true);
});

test.each([
  '127.0.0.1',
  '::1',
  '::',
  '10.0.0.1',
  '100.100.100.201',
  'fd00::1',
  'fd12:3456:789a::a9fe:a9fe',
  '2001:db8::a9fe:a9fe',
  '64:ff9b::10.0.0.1',
  '64:ff9b:1::10.0.0.1',
  '64:ff9b:2::a9fe:a9fe',
  '2002:a00:1::1',
  '2001:0:a00:1::f5ff:fffe',
  '2001:db8::5efe:a00:1',
  '2001:db8:a9fe:a9fe::1',
  'plugins.example.com',
  '',
])('%s does not', (address) => {
  expect(isForbiddenAddress(address)).toBe(false);
});
