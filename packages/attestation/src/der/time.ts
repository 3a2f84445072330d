/**
 * Times of certificates (RFC 5280 section 4.1.2.5) without a date library.
 */
import type { UnixMillis } from '@witan/core';

const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334] as const;
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/**
 * @param text `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`
 * @param yearDigits 2 or 4; two digits mean 1950 to 2049
 * @returns milliseconds since 1970, or undefined for a malformed text or a time before 1970
 */
export function unixMillisOf(text: string, yearDigits: 2 | 4): UnixMillis | undefined {
  if (text.length !== yearDigits + 11 || !/^[0-9]+Z$/.test(text)) return undefined;
  const field = (index: number): number =>
    Number(text.slice(yearDigits + 2 * index, yearDigits + 2 * index + 2));
  const shortYear = Number(text.slice(0, yearDigits));
  const year = yearDigits === 4 ? shortYear : shortYear + (shortYear < 50 ? 2000 : 1900);
  const [month, day, hour, minute, second] = [field(0), field(1), field(2), field(3), field(4)];
  if (year < 1970 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) {
    return undefined;
  }
  const leapDay = isLeap(year) ? 1 : 0;
  const daysInMonth = (DAYS_IN_MONTH[month - 1] ?? 0) + (month === 2 ? leapDay : 0);
  if (day < 1 || day > daysInMonth) return undefined;
  const dayOfYear = (DAYS_BEFORE_MONTH[month - 1] ?? 0) + (month > 2 ? leapDay : 0) + day - 1;
  const days = daysBeforeYear(year) - daysBeforeYear(1970) + dayOfYear;
  return ((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000) as UnixMillis;
}

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

/** Days of the Gregorian calendar before the first of January. */
function daysBeforeYear(year: number): number {
  const past = year - 1;
  return 365 * past + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
}
