import { defineConfig } from 'eslint/config'
import rxjsX from 'eslint-plugin-rxjs-x'
import tseslint from 'typescript-eslint'

/** Which rooms a room may not reach into; arrows go cli -> index -> peer -> {transport, store} -> streams. */
const closedDoors = (...patterns) => ({
  '@typescript-eslint/no-restricted-imports': ['error', { patterns: patterns.map((group) => ({ group: [group] })) }]
})

export default defineConfig(
  { ignores: ['dist', 'coverage', 'docs/api'] },
  {
    files: ['src/**/*.ts', 'test/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, rxjsX.configs.recommended],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      // The way to leave a member out.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }]
    }
  },
  {
    files: ['src/streams/**/*.ts'],
    rules: closedDoors('node:*', '!rxjs', '../transport/*', '../store/*', '../cli/*', '../peer*', '../index*')
  },
  { files: ['src/transport/**/*.ts'], rules: closedDoors('**/store/*', '**/cli/*', '**/peer.js', '**/index.js') },
  { files: ['src/store/**/*.ts'], rules: closedDoors('**/transport/**', '**/cli/*', '**/peer.js', '**/index.js') },
  {
    files: ['src/control/**/*.ts'],
    rules: closedDoors('../streams/*', '../transport/*', '../store/*', '../cli/*', '../peer.js')
  },
  { files: ['src/cli/**/*.ts'], rules: closedDoors('../streams/*', '../transport/*', '../store/*', '../peer.js') }
)
