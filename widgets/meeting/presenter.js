// The keys of a presenter: the page has no controls then, but for a way out that a finger finds too. Left and right move the axis of budgets, up and down go through the views.

const IN_USE = 'input, textarea, select, [contenteditable="true"], [role="slider"], [role="listbox"]'; // what has keys of its own

const parts = new WeakMap(); // what stands in an element: Streamlit calls `show` again whenever its data change

// Entry of Streamlit's component; see `widgets/browser_programs.py`.
export function show(component) {
  const root = component.parentElement.querySelector(".dpmed-presenter");
  if (!parts.has(root)) parts.set(root, new Presenter(root));
  parts.get(root).update(component);
  // Streamlit also cleans up after data that are out of date: what still stands on the page goes on.
  return () => setTimeout(() => root.isConnected || parts.get(root)?.close());
}

class Presenter {
  constructor(root) {
    this.root = root;
    this.pressed = 0; // the last key that went to another view
    this.listener = (event) => this.press(event);
    document.addEventListener("keydown", this.listener);
    root.querySelector(".dpmed-presenter-end").onclick = () => this.tell({ ends: true });
  }

  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    this.stops = data.stops;
    // The browser keeps its own place until the page has taken its last key over: keys may come faster than pages.
    if (data.seen >= this.pressed) this.at = data.at;
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.target.closest?.(IN_USE)) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.move(event.key);
    else if (event.key === "ArrowDown") this.go(Math.min(this.at + 1, this.stops - 1));
    else if (event.key === "ArrowUp") this.go(Math.max(this.at - 1, 0));
    else if (event.key === "Escape") this.tell({ ends: true });
    else return;
    event.preventDefault(); // nothing scrolls
  }

  // The axis stands on the page, though it is not seen, and does the rest: it knows the budgets and when a choice is over.
  move(key) {
    document.querySelector(".dpmed-axis-rail")?.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
  }

  go(at) {
    if (at === this.at) return;
    this.at = at;
    this.tell({ at });
  }

  tell(what) {
    this.pressed = Date.now();
    this.send("key", { ...what, number: this.pressed });
  }

  close() {
    document.removeEventListener("keydown", this.listener);
    parts.delete(this.root);
  }
}
