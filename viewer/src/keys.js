/** Keyboard: keys of the image work while the pointer is over the viewer or it has the focus, keys of the list everywhere on the page. */

const MANY = 5;

const STEPS = { n: [1, "Next case"], p: [-1, "Previous case"] };
const ALWAYS = {
  i: ["Invert", (viewer) => viewer.toggle("inverted")],
  s: ["Interpolation on or off", (viewer) => viewer.toggle("smooth")],
  "+": ["Zoom in", (viewer) => viewer.zoom(1.25)],
  "-": ["Zoom out", (viewer) => viewer.zoom(0.8)],
  0: ["Fit", (viewer) => viewer.fit()],
};
const CUTS = {
  ArrowUp: ["Next slice (towards head, back or left)", (viewer) => viewer.scroll(1)],
  ArrowDown: ["Previous slice", (viewer) => viewer.scroll(-1)],
  PageUp: ["Five slices forward", (viewer) => viewer.scroll(MANY)],
  PageDown: ["Five slices back", (viewer) => viewer.scroll(-MANY)],
  Home: ["First slice", (viewer) => viewer.scroll(-viewer.volume.shape[viewer.main.plane.through])],
  End: ["Last slice", (viewer) => viewer.scroll(viewer.volume.shape[viewer.main.plane.through])],
  " ": ["Play or stop", (viewer) => viewer.toggleCine()],
  v: ["Next plane in the large view", (viewer) => viewer.nextPlane()],
  l: ["Reference lines of the other planes", (viewer) => viewer.toggle("lines")],
};
const NAMES = { " ": "Space", ArrowUp: "↑", ArrowDown: "↓", PageUp: "Page ↑", PageDown: "Page ↓", "-": "−" };
const WRITING = "input, textarea, select, [contenteditable='true'], [role='slider'], [role='combobox'], [role='grid'], [role='listbox']";

/** Do what a key asks for; keys in form fields are left alone. */
export function keyOf(viewer, event) {
  const at = event.composedPath()[0];
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || (at instanceof Element && at.closest(WRITING))) return;
  const step = STEPS[event.key.toLowerCase()];
  if (step && viewer.wanted?.steps) viewer.step(step[0]);
  else if (viewer.volume && isHere(viewer) && !(event.key === " " && at instanceof HTMLButtonElement)) onImage(viewer, event);
}

function onImage(viewer, event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const [, act] = ALWAYS[key] ?? (viewer.cuts && CUTS[key]) ?? [];
  const number = Number(key);
  if (act) act(viewer);
  else if (number >= 1 && number <= viewer.windows.length) viewer.usePreset(number - 1);
  else return;
  event.preventDefault();
}

function isHere(viewer) {
  return viewer.box.matches(":hover, :focus-within");
}

/** Keys and mouse actions as an HTML list. */
export function keyHelp(viewer) {
  const keys = [
    ...(viewer.wanted.steps ? Object.entries(STEPS).map(([key, [, does]]) => [key.toUpperCase(), does]) : []),
    ...viewer.windows.map(([name], number) => [number + 1, `Window: ${name.toLowerCase()}`]),
    ...Object.entries(ALWAYS).map(([key, [does]]) => [NAMES[key] ?? key.toUpperCase(), does]),
    ...(viewer.cuts ? Object.entries(CUTS).map(([key, [does]]) => [NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key), does]) : []),
    ["Drag", "Window (across) and level (down)"],
    ["Shift + drag", "Pan"],
    ...(viewer.cuts ? [["Wheel", "Slices"], ["Click", "Go to this point in the other planes"], ["Double click", "Enlarge this plane"]] : []),
    ["Ctrl + wheel", "Zoom"],
  ];
  return `<dl>${keys.map(([key, does]) => `<div><dt>${key}</dt><dd>${does}</dd></div>`).join("")}</dl>`;
}
