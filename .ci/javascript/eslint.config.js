import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/node_modules/", "**/.venv/", "build/", "dist/", "tests/benchmarks/"] },
  js.configs.recommended,
  {
    files: ["**/*.js", "**/*.mjs"],
    languageOptions: { ecmaVersion: 2022, sourceType: "module" },
    rules: {
      complexity: ["error", 15],
      eqeqeq: "error",
      // Paths of icons cannot be wrapped.
      "max-len": ["error", { code: 140, ignorePattern: "^  \\w+: \"M" }],
      // A view is one function, with a function inside of it for each thing that it does.
      "max-lines-per-function": ["error", { max: 140, skipComments: true, skipBlankLines: true }],
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  { files: ["codex_jupyter/**/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["tests/**/*.mjs"], languageOptions: { globals: globals.node } },
];
