// Takes the first words of the document (widgets/document/first_words.py) away once the page says them itself; loaded before Streamlit.
(() => {
  const LONGEST = 20000; // milliseconds until they leave, whatever the page does
  const PATIENCE = 1000; // milliseconds for a page that the server has sent to be drawn
  const REPORTED = "data-test-script-state"; // of Streamlit's root: whether it runs the page

  // As Streamlit chooses: what the reader chose here before, or else what the system says.
  const chosenTheme = () => {
    try {
      const kept = Object.entries({ ...localStorage }).filter(([name]) => name.startsWith(`stActiveTheme-${location.pathname}-v`));
      return kept.map(([, value]) => value.replaceAll('"', "")).find((value) => value === "Light" || value === "Dark");
    } catch {
      return undefined; // a browser that keeps nothing
    }
  };
  const chosen = chosenTheme();
  const dark = chosen ? chosen === "Dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dpmed-dark", dark);

  const words = () => document.getElementById("dpmed-first-words");
  const page = () => {
    const main = document.querySelector('[data-testid="stMain"]');
    return main?.querySelector('h1, [data-testid="stElementContainer"]') ? main : null;
  };
  const leave = () => {
    observer.disconnect();
    for (const one of [timer, soon]) clearTimeout(one);
    for (const kind of ["pointerdown", "keydown"]) removeEventListener(kind, leaveIfDrawn, true);
    words()?.remove();
  };
  let soon = null;
  const leaveSoon = () => {
    soon ??= setTimeout(leave, PATIENCE);
  };
  const leaveIfDrawn = () => page() && leave();
  const look = () => {
    const main = page();
    if (!main) return;
    if (!words() || main.textContent.includes(words().dataset.until)) leave();
    else if (document.querySelector(`[${REPORTED}]`)?.getAttribute(REPORTED) === "notRunning") leaveSoon();
  };
  const observer = new MutationObserver(look);
  const timer = setTimeout(leave, LONGEST);
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, leaveIfDrawn, true);
  observer.observe(document, { childList: true, subtree: true, attributeFilter: [REPORTED] });
})();
