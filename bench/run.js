/** `npm run bench -- NAME`: runs bench/NAME.js, which measures when it is imported. */
import { readdirSync } from 'node:fs'

const HELPERS = new Set(['run.js', 'index-delay.js', 'graphs.js', 'load.js', 'processes.js', 'table.js', 'tree.js'])
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.js') && !HELPERS.has(file))
  .map((file) => file.slice(0, -'.js'.length))

const [name = '', ...args] = process.argv.slice(2)
if (names.includes(name)) {
  process.argv.splice(2, Infinity, ...args)
  await import(`./${name}.js`)
} else {
  console.error(`Usage: npm run bench -- NAME, where NAME is one of: ${names.join(', ')}`)
  process.exitCode = 2
}
