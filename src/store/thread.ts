/** Where the code of a thread lies: always among what was built. Threads run JavaScript only, and the bundled program lies elsewhere. */
export function threadUrl(file: string): URL {
  return new URL(`../../dist/store/${file}`, import.meta.url)
}
