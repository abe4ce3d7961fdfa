/** Where the code of a thread lies. Threads run JavaScript only: when this is TypeScript itself, as in tests, the built one is taken. */
export function threadUrl(file: string): URL {
  const folder = import.meta.url.endsWith('.ts') ? '../../dist/store/' : './'
  return new URL(folder + file, import.meta.url)
}
