// One entry of the browser's history for each gesture, whatever Streamlit pushes; loaded before Streamlit (widgets/address/served.py).
// What the marks `entry` and `moved` mean is said in widgets/address/state.py. Neither stays in an address that a person sees.
(() => {
  const ENTRY = "entry";
  const MOVED = "moved";
  const push = history.pushState.bind(history);
  const replace = history.replaceState.bind(history);
  let moves = 0;
  let shown = "";

  const here = () => location.pathname + location.search;
  const written = (how, state, url) => {
    how(state, "", url.href);
    shown = here();
  };

  const write = (asAsked) => (state, unused, to) => {
    const url = new URL(to ?? location.href, document.baseURI);
    const [how, heard] = (url.searchParams.get(ENTRY) ?? "").split("-");
    url.searchParams.delete(ENTRY);
    url.searchParams.delete(MOVED);
    const elsewhere = url.pathname !== location.pathname;
    if (!how || elsewhere) written(asAsked, state, url); // another page is one entry, whatever stood in the address
    else if (Number(heard) < moves) return; // written before the server heard of the last move: it belongs to the entry that was left
    else if (how === "new" && url.href !== location.href) written(push, state, url);
    else written(replace, state, url);
  };
  history.pushState = write(push);
  history.replaceState = write(replace);

  // Before Streamlit, which reports the address as it stands.
  addEventListener(
    "popstate",
    () => {
      if (here() === shown) return; // to another place on the page that is shown
      moves += 1;
      shown = here();
      const url = new URL(location.href);
      url.searchParams.set(MOVED, String(moves));
      replace(history.state, "", url.href);
    },
    { capture: true },
  );

  // A link that was copied with its marks, or opened in a new tab.
  history.replaceState(history.state, "", location.href);
  shown = here();
})();
