/** Amounts as people type them: `2M`, `500K`, `20000000`, `none`. K, M and G are powers of 1024, as curl and aria2 have them. */
import { formatSize } from './output.js'

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 }

export const RATE_RULE = 'A rate is bytes a second, like 500K, 2M or 20000000; 0 or none is no cap.'
export const SIZE_RULE = 'A size is a number of bytes, like 512M, 1G or 20000000; 0 is none.'

/** A whole number of bytes, 0 for `none`; nothing when it is not understood. */
export function parseAmount(text: string): number | undefined {
  if (text.toLowerCase() === 'none') return 0
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]?)$/i.exec(text) ?? []
  if (number === undefined) return undefined
  const bytes = Math.round(Number(number) * (UNITS[unit.toUpperCase()] ?? 1))
  // 0.0001 was meant to be something, and what does not fit was a slip.
  if (!Number.isSafeInteger(bytes) || (bytes === 0 && Number(number) !== 0)) return undefined
  return bytes
}

/** 0 is how people say that there is no cap. */
export function capOf(bytesPerSecond: number | undefined): number | undefined {
  return bytesPerSecond === 0 ? undefined : bytesPerSecond
}

/** A cap for people. */
export function formatRate(bytesPerSecond: number | undefined): string {
  return bytesPerSecond === undefined ? 'none' : `${formatSize(bytesPerSecond)}/s`
}

/** A time for people: `42 s`, `3 min 5 s`, `2 h 10 min`. */
export function formatTime(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const hours = Math.floor(whole / 3600)
  return hours < 100 ? `${hours} h ${Math.floor((whole % 3600) / 60)} min` : 'days'
}
