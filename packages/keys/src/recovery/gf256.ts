/**
 * The field GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1 of AES (FIPS 197, section 4).
 *
 * No table and no branch depends on a value, so that neither cache nor branch predictor sees it.
 * What a JavaScript engine makes of this code is beyond our reach; there are no numbers above 2^31
 * here, so engines keep to integer instructions.
 */

/** Sum and difference are the same in this field. */
export function add(left: number, right: number): number {
  return left ^ right;
}

/** Product of two elements. */
export function multiply(left: number, right: number): number {
  let product = 0;
  let shifted = left;
  for (let bit = 0; bit < 8; bit += 1) {
    product ^= shifted & -((right >> bit) & 1);
    shifted = (shifted << 1) ^ (0x11b & -(shifted >> 7));
  }
  return product;
}

/** The inverse: the 254th power (Fermat); 0 for 0, which callers rule out. */
export function invert(element: number): number {
  // 254 = 0b11111110: the product of the squares e^2, e^4, ..., e^128.
  let square = element;
  let product = 1;
  for (let bit = 1; bit < 8; bit += 1) {
    square = multiply(square, square);
    product = multiply(product, square);
  }
  return product;
}
