// Puts the program `p2p-rx` into a few files. Node opens some 300 modules otherwise, rxjs alone 200, and every command
// waits 0.1 s longer for its first line. The library (dist/index.js) stays as the compiler made it.
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'

const OUT = 'dist/cli'
const require = createRequire(import.meta.url)

// What the compiler put here is replaced; what the commands share lies beside them.
rmSync(OUT, { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: ['src/cli/main.ts'],
  outdir: OUT,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  logLevel: 'warning',
  // It carries native code, which only its own package can find.
  external: ['classic-level'],
  // Its modules, where its default for Node is one CommonJS tree that cannot be cut down to what is used.
  alias: { rxjs: join(dirname(require.resolve('rxjs/package.json')), 'dist/esm/index.js') },
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" }
})
// npm does this for what it installs; in a clone it is run as it is.
chmodSync(join(OUT, 'main.js'), 0o755)
writeFileSync(join(OUT, 'LICENSES.txt'), licences(Object.keys(metafile.inputs)))

/** The licences of the packages inside, as each asks for. */
function licences(inputs) {
  const folders = new Set(inputs.flatMap((file) => file.match(/^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []))
  return [...folders].sort().map(licence).join('\n\n')
}

function licence(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  for (const file of ['LICENSE', 'LICENSE.txt', 'LICENSE.md', 'license', 'LICENCE'])
    try {
      return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}`
    } catch {
      // Under another name.
    }
  return `${name} ${version}: ${license}`
}
