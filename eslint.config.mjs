import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * Data flows one way (docs/architecture.md): each folder of src/ with the folders that it may import.
 * A folder that is not listed may import nothing, so a new folder has to be placed here first.
 */
const mayImport = {
  base: [],
  config: ['base'],
  architecture: ['base', 'config'],
  events: ['base'],
  data: ['base', 'config'],
  checkpoint: ['base', 'architecture'],
  interop: ['base', 'architecture', 'checkpoint'],
  offload: ['base', 'architecture', 'checkpoint'],
  plan: ['base', 'config', 'architecture', 'events', 'data', 'interop'],
  engine: ['base'],
  model: ['base', 'architecture', 'engine'],
  upcycle: ['base', 'architecture', 'checkpoint'],
  prune: ['base', 'architecture'],
  serve: [...['base', 'config', 'architecture', 'data', 'plan'], ...['engine', 'checkpoint', 'model', 'offload']],
  train: [
    ...['base', 'config', 'architecture', 'events', 'data', 'plan'],
    ...['engine', 'checkpoint', 'interop', 'model', 'upcycle', 'prune', 'offload', 'serve'],
  ],
  store: ['base', 'architecture', 'events', 'plan', 'checkpoint'],
  launch: ['base', 'config', 'events', 'data', 'plan', 'checkpoint', 'interop', 'offload', 'store'],
  messages: ['base'],
  report: ['base', 'config', 'events', 'plan', 'store', 'messages'],
  cli: ['base', 'config', 'events', 'interop', 'offload', 'plan', 'engine', 'store', 'launch', 'report'],
  extension: ['base', 'config', 'architecture', 'events', 'data', 'plan', 'store', 'launch', 'report', 'messages'],
};

const folders = Object.keys(mayImport);

/** The rule for one folder: no import of a folder that is not on its list, and `vscode` only in the extension. */
function oneWay(folder) {
  const forbidden = folders.filter((other) => other !== folder && !mayImport[folder].includes(other));
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: folder === 'extension' ? [] : [{ name: 'vscode', message: 'Only src/extension may import vscode.' }],
          patterns: forbidden.map((other) => ({
            regex: `^(\\.\\./)+${other}(/|$)`,
            message: `src/${folder} may not import src/${other}: data flows one way (docs/architecture.md).`,
          })),
        },
      ],
    },
  };
}

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '.bam/**'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  {
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly' } },
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'No default exports: a name is searched for.' },
        { selector: 'ExportAllDeclaration', message: 'No barrels: import from the file that defines the name.' },
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: { require: 'readonly', module: 'writable' } },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
  { files: ['eslint.config.mjs'], rules: { 'no-restricted-syntax': 'off' } },
  ...folders.map(oneWay),
);
