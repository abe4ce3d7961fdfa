/** One form for texts that people take for the same. */

// biome and eslint alike take control characters in a class for a slip; this says "ASCII only".
const ASCII = /^[\0-\x7f]*$/

/**
 * A text without the difference of capitals and small letters, and of the two ways to write `é`. Character by character,
 * so that a part of a text stays a part of it; coarser than what RE2 takes for one letter with `(?i)`.
 */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  // There and back: long s and s, final and other sigma have one capital. A sigma at an end becomes a final one again.
  const small = text.normalize('NFC').toLowerCase().toUpperCase().toLowerCase()
  return small.replaceAll('ς', 'σ')
}
