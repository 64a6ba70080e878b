// Starts what other pages need (widgets/document/ahead.py) while the first one is read, so that going there waits for nothing but the server.
(() => {
  const { ahead, axis, plotly } = document.currentScript.dataset;
  if (!ahead) return;
  const LOOK_AGAIN = 250; // milliseconds
  const STATE = "data-test-script-state"; // of Streamlit's root: whether it runs the page
  const STARTING = "data-dpmed-starting"; // of the document, for what waits until this is done (widgets/budget_control/pictures.js)

  let pressed = false; // nothing is asked of the server while somebody drags
  addEventListener("pointerdown", () => { pressed = true; }, true);
  for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, () => { pressed = false; }, true);

  const pause = () => new Promise((done) => setTimeout(done, LOOK_AGAIN));
  const idle = () => new Promise((done) => (window.requestIdleCallback ?? setTimeout)(done));
  const isStill = () => !pressed && document.querySelector(`[${STATE}]`)?.getAttribute(STATE) === "notRunning";
  const start = (address) => import(new URL(address, document.baseURI).href);

  const startAll = async () => {
    // Twice: between its parts the page is still for a moment.
    for (let looks = 0; looks < 2; looks = isStill() ? looks + 1 : 0) await pause();
    const steps = [...ahead.split(" ").map((address) => () => start(address)), async () => (await start(axis)).plotly(plotly)];
    for (const step of steps) {
      do await idle(); while (pressed && (await pause(), true));
      await step().catch(() => {}); // the page that needs it asks again
    }
    document.documentElement.removeAttribute(STARTING);
  };
  document.documentElement.setAttribute(STARTING, "");
  startAll();
})();
