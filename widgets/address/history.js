// One entry of the browser's history for each gesture, whatever Streamlit pushes; loaded before Streamlit (widgets/document/served.py).
// What the marks `entry` and `moved` mean is said in widgets/address/state.py. Neither stays in an address that a person sees.
(() => {
  const ENTRY = "entry";
  const MOVED = "moved";
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  const PATIENCE = 2000; // milliseconds
  let moves = 0; // back and forward, since this document was loaded
  let needed = 0; // the move that the server must have heard of before it writes here; a click on a page is newer than any move
  let shown = ""; // the address, without marks
  let held = null; // what is written for a page that is not open yet
  let unheard = false; // the last move, by the server
  let again = false;
  let timer = null;
  let leaving = null;
  let going = null; // the page that was clicked on, until it is open

  const here = () => location.pathname + location.search;
  const page = () => location.pathname.split("/").pop();
  const written = (how, state, search) => {
    how(state, "", location.pathname + search);
    arrived();
  };

  // The address is that of a page: the one that was clicked on last, or one that is being left.
  const arrived = () => {
    shown = here();
    if (going === null || going === location.pathname) rest(false);
  };

  // Controls of a page that is being left take no input: Streamlit drops it, or ends in an error.
  const rest = (on) => {
    clearTimeout(leaving);
    const main = document.querySelector('[data-testid="stMain"]');
    if (main) main.inert = on;
    if (!on) going = null;
    if (on) leaving = setTimeout(() => rest(false), 2 * PATIENCE);
  };

  const write = (asAsked) => (state, unused, to) => {
    const url = new URL(to ?? location.href, document.baseURI);
    const [how, heard, ...path] = (url.searchParams.get(ENTRY) ?? "").split("-");
    url.searchParams.delete(ENTRY);
    url.searchParams.delete(MOVED);
    if (how && Number(heard) >= needed) unheard = false;
    if (!how || url.pathname !== location.pathname) {
      if (unheard) return; // Streamlit goes to a page that was clicked on before the move
      asAsked(state, "", url.href); // another page is one entry, whatever stood in the address
      arrived();
      // Streamlit writes what the new page shows before it goes there.
      if (held?.page === page()) written(replace, state, held.search);
      held = null;
    } else if (Number(heard) < needed) {
      // Written before the server heard of the last move: it belongs to the entry that was left.
    } else if (path.join("-") !== page()) {
      held = { page: path.join("-"), search: url.search };
    } else if (how === "new" && url.search !== location.search) {
      written(push, state, url.search);
    } else {
      written(replace, state, url.search);
    }
  };
  history.pushState = write(push);
  history.replaceState = write(replace);

  // Streamlit loses a move that comes before it is connected, and a request that another follows at once. A click is newer than the move.
  const waitForAnswer = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!new URLSearchParams(location.search).has(MOVED)) return;
      again = true;
      dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
      again = false;
      waitForAnswer();
    }, PATIENCE);
  };
  addEventListener(
    "click",
    (event) => {
      clearTimeout(timer);
      const link = event.target.closest?.('a[data-testid="stSidebarNavLink"], a[data-testid="stPageLink-NavLink"]');
      const stays = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
      if (!link || !stays || new URL(link.href).pathname === location.pathname) return;
      unheard = false;
      needed = 0;
      going = new URL(link.href).pathname;
      rest(true);
    },
    { capture: true },
  );

  // Before Streamlit, which reports the address as it stands.
  addEventListener(
    "popstate",
    () => {
      if (again || here() === shown) return; // to another place on the page that is shown
      moves += 1;
      needed = moves;
      unheard = true;
      held = null;
      going = null;
      shown = here();
      const url = new URL(location.href);
      url.searchParams.set(MOVED, String(moves));
      replace(history.state, "", url.href);
      waitForAnswer();
      rest(true);
    },
    { capture: true },
  );

  // A link that was copied with its marks, or opened in a new tab.
  const opened = new URL(location.href);
  opened.searchParams.delete(ENTRY);
  opened.searchParams.delete(MOVED);
  if (opened.href !== location.href) replace(history.state, "", opened.href);
  shown = here();
})();
