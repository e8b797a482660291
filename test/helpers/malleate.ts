const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The other valid ECDSA P-256 signature of the same key over the same bytes: (r, n-s) for (r, s), in DER. */
export function malleated(signature: Buffer): Buffer {
  const [r, s] = numbersOf(signature);
  return derOf(r, order - s);
}

function numbersOf(der: Buffer): readonly [bigint, bigint] {
  const length = der[3] ?? 0;
  return [bigintOf(der.subarray(4, 4 + length)), bigintOf(der.subarray(6 + length))];
}

const bigintOf = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`);

function derOf(...numbers: readonly bigint[]): Buffer {
  const parts = numbers.map((number) => {
    const digits = number.toString(16);
    const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
    const positive = (bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
    return Buffer.concat([Buffer.from([2, positive.length]), positive]);
  });
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}
