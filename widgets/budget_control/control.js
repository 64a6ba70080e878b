// The budget axis, and what follows it. While the axis is moved, words and figures change here, from data that was sent once for all
// trained budgets; the server is told of a gesture when it is over.

const TOLERANCE = 5; // pixels that a press may move and still be a click
const REST = 100; // milliseconds without a step of the axis after which figures are drawn anew where pictures of them are shown
const PAUSE = 300; // milliseconds without a key after which a choice by keyboard is over
const PATIENCE = 30000; // milliseconds after which the page's budget counts again, where the server never took a gesture over
const LOOK_AGAIN = 100; // milliseconds
const LETTER = 7.5; // pixels of a digit under the axis
const APART = 11; // pixels between a mark of a budget without a model and its neighbours, or it is not there
const OFFER = "click to see what training it would add";
const BLOCK = '[data-testid="stMainBlockContainer"]'; // Streamlit's element around all that a page shows
const LEAST = 300; // pixels of a figure that takes what is left of the window
const NARROW = 600; // pixels of a figure whose title has no room beside Plotly's buttons
const BESIDE = 13; // pixels that Plotly leaves beside the names of rows
const LEAST_DRAWN = 64; // pixels of width that Plotly leaves to what is drawn, however long the names

const parts = new WeakMap(); // what stands in an element: Streamlit calls `show` again whenever its data change
const scopes = new Map(); // a budget that axis and followers share, by name

// Entry of Streamlit's component; see `widgets/browser_programs.py`.
export function show(component) {
  const root = component.parentElement.querySelector(".dpmed-budget");
  if (!parts.has(root)) parts.set(root, component.data.kind === "axis" ? new Axis(root) : new Follower(root));
  parts.get(root).update(component);
  // Streamlit also cleans up after data that are out of date: what still stands on the page goes on.
  return () => setTimeout(() => root.isConnected || parts.get(root)?.close());
}

function scopeOf(name) {
  if (!scopes.has(name)) scopes.set(name, { budget: undefined, gesture: 0, followers: new Set() });
  return scopes.get(name);
}

function stand(scope, budget) {
  if (scope.budget === budget) return;
  scope.budget = budget;
  for (const follower of scope.followers) follower.show();
}

function element(name, className, parent, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text; // never HTML: names of findings and groups come from others
  parent?.append(made);
  return made;
}

class Axis {
  constructor(root) {
    root.classList.add("dpmed-axis");
    this.root = root;
    const words = element("div", "dpmed-axis-words", root);
    this.name = element("span", "dpmed-axis-name", words, "Privacy budget ");
    this.value = element("strong", "dpmed-axis-value", words);
    this.guarantee = element("span", "dpmed-axis-guarantee", words);
    this.rail = element("div", "dpmed-axis-rail", root);
    for (const [attribute, value] of Object.entries({ role: "slider", tabindex: "0", "aria-orientation": "horizontal" }))
      this.rail.setAttribute(attribute, value);
    this.key = element("div", "dpmed-axis-key", root);
    this.listen();
    this.watcher = new ResizeObserver(([{ contentRect }]) => {
      this.width = contentRect.width; // kept: to ask for it at each step of a drag would lay the page out each time
      this.label();
    });
    this.watcher.observe(this.rail);
  }

  update({ data, setTriggerValue }) {
    this.scope = scopeOf(data.scope);
    this.send = setTriggerValue;
    const stops = JSON.stringify(data.stops);
    if (stops !== this.drawn) this.build(data.stops);
    this.drawn = stops;
    this.rail.setAttribute("aria-label", data.label);
    this.page = location.pathname;
    const behind = data.seen < this.scope.gesture && Date.now() - this.scope.gesture < PATIENCE;
    const { budget, page } = this.scope.reported ?? {};
    const lost = behind && page !== this.page; // the server drops what a part of a page reports that was left
    if (lost) this.scope.pending = { budget, at: this.scope.gesture };
    if (this.start !== undefined || this.timer || (behind && !lost)) return this.paint();
    if (this.catchUp(data.chosen)) return;
    this.chosen = data.chosen ?? undefined; // nothing where the address names a budget that is not trained
    this.settle();
  }

  // A choice that the page before went away with is made here: what was seen to be chosen is chosen.
  catchUp(chosen) {
    const { budget, at } = this.scope.pending ?? {};
    const stop = this.trained.find((one) => one.budget === budget);
    this.scope.pending = undefined;
    if (!stop || budget === chosen || Date.now() - at > PATIENCE) return false;
    this.chosen = chosen ?? undefined;
    stand(this.scope, stop.budget);
    this.finish();
    return true;
  }

  // One mark for each budget, and a label under each that is trained.
  build(stops) {
    this.stops = stops;
    this.trained = stops.filter((stop) => stop.trained);
    this.rail.replaceChildren(element("div", "dpmed-axis-line", null));
    element("span", "dpmed-axis-end", this.rail, "stronger protection");
    element("span", "dpmed-axis-end dpmed-weaker", this.rail, "weaker");
    this.marks = new Map();
    for (const stop of stops) {
      const mark = element("span", `dpmed-axis-mark ${stop.trained ? "dpmed-trained" : "dpmed-offered"}`, this.rail);
      const label = stop.trained ? element("span", "dpmed-axis-label", this.rail, stop.budget) : null;
      mark.title = `ε = ${stop.budget}${stop.trained ? "" : `, not trained: ${OFFER}`}`;
      for (const placed of [mark, label]) if (placed) placed.style.left = `${100 * stop.at}%`;
      this.marks.set(stop.budget, { mark, label });
    }
    this.thumb = element("span", "dpmed-axis-thumb", this.rail);
    this.key.replaceChildren(element("span", "dpmed-axis-mark dpmed-trained", null), " trained");
    if (this.trained.length < stops.length) {
      this.key.append(element("span", "dpmed-axis-mark dpmed-offered", null), " not trained");
      this.key.title = `Not trained: ${OFFER}`;
      this.rail.setAttribute("aria-description", "Shift and an arrow point at budgets that are not trained, Enter shows what one would add.");
    } else {
      this.key.removeAttribute("title");
      this.rail.removeAttribute("aria-description");
    }
  }

  listen() {
    const rail = this.rail;
    rail.addEventListener("pointerdown", (event) => this.press(event));
    rail.addEventListener("pointermove", (event) => this.start !== undefined && this.drag(event));
    rail.addEventListener("pointerup", (event) => this.start !== undefined && this.release());
    rail.addEventListener("pointercancel", () => this.settle());
    rail.addEventListener("keydown", (event) => this.type(event));
    rail.addEventListener("blur", () => this.timer && this.finish());
    // Who goes back or forward goes by the address, whatever was chosen just before.
    this.moved = () => {
      Object.assign(this.scope, { gesture: 0, reported: undefined, pending: undefined });
      if (this.timer) this.settle();
    };
    window.addEventListener("popstate", this.moved);
  }

  // The nearest of `stops` to a pointer.
  nearest(event, stops) {
    const box = this.rail.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width;
    return stops.reduce((best, stop) => (Math.abs(stop.at - at) < Math.abs(best.at - at) ? stop : best));
  }

  press(event) {
    if (event.button || !this.trained.length) return;
    this.start = event.clientX;
    this.dragged = false;
    this.rail.setPointerCapture(event.pointerId);
    const stop = this.nearest(event, this.stops.filter((one) => !this.marks.get(one.budget).mark.hidden));
    if (stop.trained) this.go(stop);
    else this.point(stop);
  }

  // A drag moves over trained budgets alone: there is nothing to show of the others, and none is asked for in passing.
  drag(event) {
    this.dragged ||= Math.abs(event.clientX - this.start) > TOLERANCE;
    if (this.dragged) this.go(this.nearest(event, this.trained));
  }

  release() {
    this.start = undefined;
    if (!this.dragged && this.pointed) this.ask();
    else this.finish();
  }

  type(event) {
    if (!this.trained.length) return;
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step && event.shiftKey) this.point(this.beside(this.stops, step));
    else if (step) this.go(this.beside(this.trained, step));
    else if (event.key === "Home") this.go(this.trained[0]);
    else if (event.key === "End") this.go(this.trained.at(-1));
    else if (event.key === "Enter" || event.key === " ") this.pointed ? this.ask() : this.finish();
    else if (event.key === "Escape") this.settle();
    else return;
    event.preventDefault();
    clearTimeout(this.timer);
    this.timer = this.pointed || this.scope.budget === this.chosen ? undefined : setTimeout(() => this.finish(), PAUSE);
  }

  // The stop of `stops` that is next to where the axis stands, in one direction; the last one stays.
  beside(stops, step) {
    const from = (this.pointed ?? this.standing() ?? { at: step > 0 ? -1 : 2 }).at;
    const further = stops.filter((stop) => !this.marks.get(stop.budget).mark.hidden && (stop.at - from) * step > 0);
    return further.at(step > 0 ? 0 : -1) ?? stops.at(step > 0 ? -1 : 0);
  }

  standing() {
    return this.stops.find((stop) => stop.budget === this.scope.budget);
  }

  // Show a trained budget, here and in all that follows.
  go(stop) {
    this.pointed = undefined;
    stand(this.scope, stop.budget);
    this.paint();
  }

  // Point at a budget without a model, which shows nothing else; at a trained one, show it.
  point(stop) {
    if (stop.trained) return this.go(stop);
    this.pointed = stop;
    this.paint();
  }

  ask() {
    const asked = this.pointed.budget;
    this.settle();
    this.report(asked);
  }

  finish() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.scope.budget === this.chosen) return this.settle();
    this.chosen = this.scope.budget;
    this.report(this.chosen);
    this.paint();
  }

  report(budget) {
    const number = Date.now();
    this.scope.gesture = number;
    this.scope.reported = { budget, page: this.page };
    document.documentElement.toggleAttribute("data-dpmed-waiting", budget === this.scope.budget);
    this.deliver(budget, number);
    // Figures are drawn while the server works.
    setTimeout(() => this.scope.followers.forEach((follower) => follower.rest()));
  }

  // Not from an axis of a page that was left: the axis of the next one does it, which is another one or becomes of this one.
  deliver(budget, number) {
    if (number !== this.scope.gesture || !this.root.isConnected) return;
    if (this.page !== location.pathname && this.root.closest('[data-stale="true"]')) setTimeout(() => this.deliver(budget, number), LOOK_AGAIN);
    else this.send("gesture", { budget, number });
  }

  // Back to the page's budget.
  settle() {
    clearTimeout(this.timer);
    this.start = this.timer = this.pointed = undefined;
    stand(this.scope, this.chosen);
    document.documentElement.removeAttribute("data-dpmed-waiting");
    this.paint();
  }

  paint() {
    const stop = this.pointed ?? this.standing();
    const said = stop && `ε = ${stop.budget}`;
    const beside = stop?.trained ? stop.guarantee : stop && "not trained";
    this.value.textContent = said ?? "not chosen";
    this.guarantee.textContent = beside ?? "";
    this.thumb.hidden = !stop;
    this.thumb.classList.toggle("dpmed-offered", Boolean(this.pointed));
    if (stop) this.thumb.style.left = `${100 * stop.at}%`;
    const state = stop?.trained ? "trained" : "not trained: press Enter to see what training it would add";
    this.rail.setAttribute("aria-valuetext", stop ? [said, stop.trained && stop.guarantee, state].filter(Boolean).join(", ") : "not chosen");
    this.rail.setAttribute("aria-valuemin", this.stops[0]?.budget ?? 0);
    this.rail.setAttribute("aria-valuemax", this.stops.at(-1)?.budget ?? 0);
    this.rail.setAttribute("aria-valuenow", stop?.budget ?? this.stops[0]?.budget ?? 0);
    document.documentElement.toggleAttribute("data-dpmed-moving", this.scope.budget !== this.chosen);
    this.label();
  }

  // Marks and labels that have room; the label of the shown budget first.
  label() {
    const width = this.width;
    if (!width || !this.trained) return;
    const marked = [...this.trained];
    for (const stop of this.stops.filter((one) => !one.trained)) {
      const hidden = marked.some((other) => Math.abs(other.at - stop.at) * width < APART);
      this.marks.get(stop.budget).mark.hidden = hidden;
      if (!hidden) marked.push(stop);
    }
    const first = this.standing();
    const taken = [];
    for (const stop of [...(first?.trained ? [first] : []), ...this.trained]) {
      const half = (stop.budget.length * LETTER) / 2 + 3;
      const [from, to] = [stop.at * width - half, stop.at * width + half];
      const { label } = this.marks.get(stop.budget);
      const fits = stop === first || taken.every(([other, end]) => to <= other || from >= end);
      if (stop === first && taken.length) continue;
      label.style.visibility = fits ? "visible" : "hidden";
      label.classList.toggle("dpmed-shown", stop === first);
      if (fits) taken.push([from, to]);
    }
  }

  close() {
    this.watcher.disconnect();
    window.removeEventListener("popstate", this.moved);
    if (this.timer) this.scope.pending = { budget: this.scope.budget, at: Date.now() };
    clearTimeout(this.timer);
    for (const state of ["moving", "waiting"]) document.documentElement.removeAttribute(`data-dpmed-${state}`);
    parts.delete(this.root);
  }
}

class Follower {
  constructor(root) {
    this.root = root;
    this.raw = {};
  }

  // A figure without a scope stands still: it has one stop, without a name.
  update({ data, setTriggerValue }) {
    this.send = data.cells ? setTriggerValue : undefined; // where a click on a cell says something
    this.root.classList.toggle("dpmed-cells", Boolean(data.cells));
    this.fills = Boolean(data.fills);
    this.scope = data.scope ? scopeOf(data.scope) : STILL;
    this.scope.followers.add(this);
    this.root.classList.toggle("dpmed-still", !data.scope);
    this.settings = data.bar === "none" ? { ...SETTINGS, displayModeBar: false } : SETTINGS;
    for (const name of ["words", "figure", "alternatives", "instead"]) {
      if (data[name] === this.raw[name]) continue;
      this.raw[name] = data[name];
      this[name] = JSON.parse(data[name]);
      if (name === "figure") this.prepare(data.plotly);
    }
    this.show();
  }

  show() {
    const budget = this.scope.budget;
    if (budget === undefined) return;
    if (this.words?.[budget]) this.say(this.words[budget]);
    if (this.figure) this.draw(budget);
    this.root.dataset.budget = budget; // what is shown now
  }

  // Words of a budget: where the parts are of the same kinds, only their text changes.
  say(said) {
    const kinds = JSON.stringify(said.map((part) => [part.role, !part.mark]));
    if (kinds !== this.kinds) {
      this.takeOver();
      this.kinds = kinds;
      this.root.replaceChildren();
      this.places = said.map((part) => PARTS[part.role](this.root, part));
    }
    said.forEach((part, i) => {
      for (const [name, place] of Object.entries(this.places[i])) if (place.textContent !== part[name]) place.textContent = part[name];
    });
  }

  // The server's words (`first_words.py`) stand after these, and come again with each gesture: nothing is said twice.
  takeOver() {
    const place = this.root.closest('[data-testid="stElementContainer"]');
    if (!place || this.firstWords) return;
    const empty = () => {
      const words = place.nextElementSibling?.querySelector('[data-testid="stMarkdownContainer"]');
      if (!words) return;
      // The elements are React's, which removes them itself: only their texts are taken away.
      const texts = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) if (texts.currentNode.nodeValue) texts.currentNode.nodeValue = "";
    };
    this.firstWords = new MutationObserver(empty);
    this.firstWords.observe(place.parentElement, { childList: true, characterData: true, subtree: true });
    empty();
  }

  async prepare(address) {
    this.plot ??= element("figure", "dpmed-figure", this.root);
    this.note ??= element("p", "dpmed-note", this.root);
    this.plot.style.height = `${this.height()}px`; // nothing moves when the figure comes
    this.pictures?.forget();
    this.Plotly ??= await plotly(address);
    if (!this.root.isConnected) return;
    this.pictures ??= new Pictures(this.root, this.Plotly, (budget) => this.drawnAt(budget));
    this.watcher ??= new ResizeObserver(() => this.fit());
    this.watcher.observe(this.plot);
    if (this.fills) this.watcher.observe(this.plot.closest(BLOCK));
    this.show();
  }

  // Pixels: the figure's own, or what all else on the page leaves of the window.
  height() {
    const whole = this.fills && this.plot.closest(BLOCK);
    if (!whole) return this.figure.layout.height;
    const beside = whole.getBoundingClientRect().height - this.plot.offsetHeight;
    return Math.max(Math.floor(window.innerHeight - beside), LEAST);
  }

  // The figure of a budget: its picture at once where there is one, and the figure itself once the axis rests.
  draw(budget) {
    const frame = this.figure.frames[budget];
    this.plot.setAttribute("aria-label", this.alternatives?.[budget] ?? "");
    this.note.textContent = frame ? "" : (this.instead?.[budget] ?? "");
    this.plot.hidden = !frame;
    if (!frame) {
      // Nothing of the budget before may be drawn later, or be taken for what is asked for next.
      this.pictures?.hide();
      clearTimeout(this.resting);
      this.drawn = this.resting = undefined;
    }
    this.width ||= this.plot.clientWidth;
    if (!frame || !this.pictures || (this.drawn === this.figure && this.at === budget)) return;
    this.drawn = this.figure;
    this.at = budget;
    clearTimeout(this.resting);
    if (this.pictures.show(budget)) this.resting = setTimeout(() => this.rest(), REST);
    else this.drawItself();
  }

  // The axis stands for a while, or was let go.
  rest() {
    if (this.resting) this.drawItself();
  }

  // In the same element: what the figure shares with the budget before stays.
  drawItself() {
    clearTimeout(this.resting);
    this.resting = undefined;
    this.Plotly.react(this.plot, ...this.drawnAt(this.at));
    this.listen();
    this.pictures.giveWay(this.at);
    if (this.width && this.scope !== STILL && !this.isChanged) this.pictures.draw(Object.keys(this.figure.frames), this.width, this.plot.style.height);
  }

  // The arguments with which Plotly draws the figure of a budget: copies, since it writes into what it is given.
  drawnAt(budget) {
    const { data, layout } = this.figure.frames[budget];
    // Sizes that are known: to ask for them at each step of a drag would lay the page out each time.
    const size = { autosize: false, width: this.width, height: parseFloat(this.plot.style.height) };
    return [
      structuredClone(this.figure.data.map((trace, i) => data[i] ?? trace)),
      structuredClone(withRoom({ ...this.figure.layout, ...layout, ...size, uirevision: "kept" })),
      // Without buttons where they would lie on the title: a device without a mouse shows them all the time.
      this.width < NARROW ? { ...this.settings, displayModeBar: false } : this.settings,
    ];
  }

  listen() {
    if (this.listens) return;
    this.listens = true;
    // What a reader enlarges or leaves out is so in the figure alone.
    for (const kind of ["plotly_relayout", "plotly_restyle"])
      this.plot.on(kind, () => {
        this.isChanged = true;
        this.pictures.forget();
      });
    // A click on a cell, which `layout.meta` names by its place.
    this.plot.on("plotly_click", ({ points: [point] }) => {
      const place = `${point.x},${point.y}`;
      if (this.figure.layout.meta?.cells?.[place]) this.send?.("cell", place);
    });
  }

  fit() {
    const height = this.fills ? `${this.height()}px` : this.plot.style.height;
    const width = this.plot.clientWidth;
    if (!width || (height === this.plot.style.height && width === this.width)) return;
    this.plot.style.height = height;
    this.width = width;
    this.drawn = undefined; // the room for the names of rows depends on the width
    this.pictures.forget();
    this.show();
  }

  close() {
    this.scope?.followers.delete(this);
    this.watcher?.disconnect();
    this.firstWords?.disconnect();
    clearTimeout(this.resting);
    this.pictures?.forget();
    if (this.listens) this.Plotly.purge(this.plot);
    parts.delete(this.root);
  }
}

const STILL = { budget: "", followers: new Set() };
const SETTINGS = { displaylogo: false, toImageButtonOptions: { format: "svg" } };

// The places of the texts of a part, by name.
const PARTS = {
  headline: (root) => ({ text: element("h2", "dpmed-headline", root) }),
  text: (root) => ({ text: element("p", "dpmed-text", root) }),
  caption: (root) => ({ text: element("p", "dpmed-caption", root) }),
  tile: tileIn,
};

function tileIn(root, { mark }) {
  const title = element("h2", "dpmed-tile-title", root);
  const first = element("p", "dpmed-tile-value", root);
  const value = element("span", "", first);
  const beside = element("span", "dpmed-tile-beside", first);
  const second = element("p", "dpmed-tile-detail", root);
  const verdict = mark ? { mark: element("span", "dpmed-tile-mark", second) } : {};
  second.append(" ");
  return { title, value, beside, ...verdict, detail: element("span", "", second) };
}

// A layout with room for the names of rows. Plotly finds how much they need by drawing the whole figure, and then draws it again.
function withRoom(layout) {
  const { ticktext, tickfont } = layout.yaxis ?? {};
  if (!ticktext) return layout;
  const left = Math.ceil(widest(ticktext, { ...layout.font, ...tickfont })) + BESIDE;
  const fits = left + layout.margin.r + LEAST_DRAWN <= layout.width;
  return fits && left > layout.margin.l ? { ...layout, margin: { ...layout.margin, l: left } } : layout;
}

// Pixels of the widest line of names as Plotly takes them: lines in bold, or in letters of a share of the others' size.
const measured = new Map(); // once: while the axis is dragged, the same names are drawn again and again
function widest(names, font) {
  const key = JSON.stringify([names, font]);
  if (!measured.has(key)) measured.set(key, measure(names, font));
  return measured.get(key);
}

function measure(names, { size, family }) {
  const canvas = document.createElement("canvas").getContext("2d");
  const widths = names.flatMap((name) => name.split("<br>")).map((line) => {
    const share = line.match(/font-size: ?([\d.]+)em/)?.[1] ?? 1;
    canvas.font = `${line.includes("<b>") ? "bold " : ""}${share * size}px ${family}`;
    return canvas.measureText(new DOMParser().parseFromString(line, "text/html").body.textContent).width;
  });
  return Math.max(...widths);
}

// Plotly, which is started once; `document/ahead.js` does it for the pages to come.
let drawing;
export function plotly(address) {
  drawing ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(address, document.baseURI).href;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => { drawing = undefined; reject(new Error("Plotly could not be loaded.")); };
    document.head.append(script);
  });
  return drawing;
}
