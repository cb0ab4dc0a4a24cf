// The entry point, which JupyterLab loads as a script. It has the form of a webpack container, so that no build is needed.

(() => {
  const NAME = "codex-jupyter";
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const address = script.src;
  /** @type {import("./front_end.js").ShareScope} */
  let scope = {};
  const containers = (window._JUPYTERLAB ??= {});
  containers[NAME] = {
    init: async (shared) => {
      scope = shared;
    },
    get: async () => {
      const { createPlugin } = await import(new URL("./plugin.js", address).href);
      const plugin = await createPlugin(scope);
      return () => ({ __esModule: true, default: plugin });
    },
  };
})();
