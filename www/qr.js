// A QR code: ISO/IEC 18004, as much of it as an address needs.
//
// Byte mode, version 5, error correction level L, one mask: every reader undoes any of the eight.

/** Of version 5: modules on a side, bytes of data at level L. */
const SIZE = 37;
const DATA = 108;
const BYTE_MODE = '0100';
const TERMINATOR = '0000';
/** Mode, length (8 bits) and terminator. */
const FRAME_BYTES = 2;
const PADDING = [0xec, 0x11];
/** Level L and mask 0: table C.1. */
const FORMAT = '111011111000100';
/** For 26 check bytes, as powers fall: annex A. */
const DIVISOR = [
  246, 51, 183, 4, 136, 98, 199, 152, 77, 56, 206, 24, 145, 40, 209, 117, 233, 42, 135, 68, 70, 144, 146, 77, 43, 94,
];
const QUIET_ZONE = 4;

/** Its rows, true where it is dark; null if the text is too long. */
export function qrRows(text) {
  const bytes = [...new TextEncoder().encode(text)];
  if (bytes.length + FRAME_BYTES > DATA) return null;
  const rows = Array.from({ length: SIZE }, () => Array(SIZE).fill(undefined));
  drawFixedPatterns(rows);
  drawFormat(rows);
  drawBits(rows, codewords(bytes).map(binary).join(''));
  return rows;
}

/** The dark modules as the path of an SVG, in their quiet zone. */
export function qrPath(rows) {
  const squares = rows.flatMap((row, y) =>
    row.map((dark, x) => (dark ? `M${x + QUIET_ZONE},${y + QUIET_ZONE}h1v1h-1z` : '')));
  return { path: squares.join(''), size: SIZE + 2 * QUIET_ZONE };
}

/** Data bytes, padding, check bytes: sections 7.4 and 7.5. */
function codewords(bytes) {
  const framed = [BYTE_MODE, binary(bytes.length), ...bytes.map(binary), TERMINATOR].join('');
  const words = framed.match(/.{8}/g).map((bits) => parseInt(bits, 2));
  for (let i = 0; words.length < DATA; i++) words.push(PADDING[i % 2]);
  return [...words, ...checkBytes(words)];
}

function binary(byte) {
  return byte.toString(2).padStart(8, '0');
}

/** Reed-Solomon: the remainder of a division in the field of 256 elements. */
function checkBytes(message) {
  const remainder = Array(DIVISOR.length).fill(0);
  for (const byte of message) {
    const factor = byte ^ remainder.shift();
    remainder.push(0);
    DIVISOR.forEach((coefficient, i) => (remainder[i] ^= times(coefficient, factor)));
  }
  return remainder;
}

/** In that field: add (xor) and double, reducing by x⁸ + x⁴ + x³ + x² + 1. */
function times(a, b) {
  let product = 0;
  for (; b > 0; b >>= 1) {
    if (b & 1) product ^= a;
    a = (a << 1) ^ (a & 0x80 ? 0x11d : 0);
  }
  return product;
}

/** Three finders, an alignment pattern, the timing lines: section 6.3. */
function drawFixedPatterns(rows) {
  const last = SIZE - 1;
  for (let i = 0; i <= last; i++) rows[6][i] = rows[i][6] = i % 2 === 0;
  drawRings(rows, 3, 3, 4);
  drawRings(rows, 3, last - 3, 4);
  drawRings(rows, last - 3, 3, 4);
  drawRings(rows, last - 6, last - 6, 2);
}

/** A finder has light rings at 2 and 4, the alignment pattern at 1. */
function drawRings(rows, middleY, middleX, radius) {
  for (let y = -radius; y <= radius; y++) {
    for (let x = -radius; x <= radius; x++) {
      const ring = Math.max(Math.abs(x), Math.abs(y));
      const dark = radius === 2 ? ring !== 1 : ring !== 2 && ring !== 4;
      if (middleY + y in rows && middleX + x in rows) rows[middleY + y][middleX + x] = dark;
    }
  }
}

/** Twice: around the first finder, and split between the other two. Section 7.9. */
function drawFormat(rows) {
  const end = SIZE - 1;
  const around = [0, 1, 2, 3, 4, 5, 7, 8]; // the timing line is left out
  [...FORMAT].forEach((bit, i) => {
    const dark = bit === '1';
    if (i < 8) rows[8][around[i]] = dark;
    else rows[around[14 - i]][8] = dark;
    if (i < 7) rows[end - i][8] = dark;
    else rows[8][end - 14 + i] = dark;
  });
  rows[end - 7][8] = true;
}

/** Fills what is still free in columns of two, from the right, up and down in turn; mask 0 is a chessboard. */
function drawBits(rows, bits) {
  let upwards = true;
  let next = 0;
  for (let right = SIZE - 1; right > 0; right -= 2) {
    if (right === 6) right = 5; // the timing line is no part of a pair
    for (let step = 0; step < SIZE; step++) {
      const y = upwards ? SIZE - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (rows[y][x] !== undefined) continue;
        const mask = (x + y) % 2 === 0;
        rows[y][x] = (bits[next++] === '1') !== mask;
      }
    }
    upwards = !upwards;
  }
}
