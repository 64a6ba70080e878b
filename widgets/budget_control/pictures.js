// Pictures of a figure at all budgets, drawn while the browser has nothing else to do. While the axis is dragged they stand over the
// figure: Plotly takes longer to draw a figure anew than a hand takes to the next budget.

const LOOK_LATER = 300; // milliseconds
const TAKEN_UP = 1000; // milliseconds within which what somebody pressed shows
const BUSY = "[data-dpmed-moving], [data-dpmed-waiting], [data-dpmed-starting]"; // the document: axis, and widgets/document/ahead.js
const STYLE = new CSSStyleSheet(); // what Plotly's own says of what is seen
STYLE.replaceSync(".main-svg { position: absolute; left: 0; top: 0 } .crisp { shape-rendering: crispEdges }");

class Pictures {
  // `figureAt` gives the arguments with which Plotly draws the figure at a budget.
  constructor(root, Plotly, figureAt) {
    this.host = element("div", "dpmed-pictures", root);
    this.host.setAttribute("aria-hidden", "true");
    this.inside = this.host.attachShadow({ mode: "open" }); // whoever looks for the page's figures finds none of these
    this.Plotly = Plotly;
    this.figureAt = figureAt;
    this.kept = new Map();
  }

  // Draw those that are missing, one after another; not while the page changes or somebody does something on it.
  async draw(budgets, width, height) {
    if (budgets.every((budget) => this.kept.has(budget))) return;
    const drawing = (this.drawing = {});
    const board = element("div", "", this.inside);
    Object.assign(board.style, { position: "absolute", visibility: "hidden", width: `${width}px`, height });
    for (const budget of budgets.filter((one) => !this.kept.has(one))) {
      do await quiet(); while (isBusy());
      if (this.drawing === drawing) await this.Plotly.react(board, ...this.figureAt(budget));
      if (this.drawing !== drawing) break; // another figure or size, meanwhile too
      this.keep(budget, board);
    }
    this.Plotly.purge(board);
    board.remove();
  }

  keep(budget, board) {
    const picture = element("div", "", this.inside);
    const inside = picture.attachShadow({ mode: "open" }); // its names are its own: parts of one picture find no parts of another
    inside.adoptedStyleSheets = [STYLE];
    picture.style.visibility = "hidden";
    for (const part of board.querySelectorAll(".main-svg")) inside.append(part.cloneNode(true));
    this.kept.set(budget, picture);
    this.host.dataset.kept = [...this.kept.keys()].join(" ");
  }

  // Whether the picture of a budget is there; it then stands over the figure until that is drawn.
  show(budget) {
    if (this.shown !== budget) this.hide();
    if (!this.kept.has(budget)) return false;
    this.kept.get(budget).style.visibility = "visible";
    this.shown = this.host.dataset.shown = budget;
    return true;
  }

  hide() {
    if (this.shown === undefined) return;
    this.kept.get(this.shown).style.visibility = "hidden";
    this.shown = undefined;
    delete this.host.dataset.shown;
  }

  // The figure is drawn at a budget; two frames, since a heat map may be there in the second one.
  giveWay(budget) {
    requestAnimationFrame(() => requestAnimationFrame(() => this.shown === budget && this.hide()));
  }

  // None is that of the figure any more.
  forget() {
    this.hide();
    this.drawing = undefined;
    for (const picture of this.kept.values()) picture.remove();
    this.kept.clear();
    delete this.host.dataset.kept;
  }
}

let pressed = -TAKEN_UP;
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { pressed = performance.now(); }, true);

// Whether the server runs the page or is about to, programs are started that other pages need, or the axis is dragged or was let go just now.
function isBusy() {
  const page = document.querySelector('[data-testid="stApp"]');
  const taken = performance.now() - pressed < TAKEN_UP;
  return taken || page?.dataset.testScriptState !== "notRunning" || document.documentElement.matches(BUSY);
}

// Some time later, when the browser has nothing else to do.
async function quiet() {
  await new Promise((done) => setTimeout(done, LOOK_LATER));
  await new Promise((done) => (window.requestIdleCallback ?? setTimeout)(done));
}
