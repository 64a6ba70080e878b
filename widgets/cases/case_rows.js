// The list of cases: a table whose rows select a case, by a click, or by the arrow keys and Enter.

const parts = new WeakMap(); // what stands in an element: Streamlit calls `show` again whenever its data change

// Entry of Streamlit's component; see `widgets/browser_programs.py`.
export function show(component) {
  const root = component.parentElement.querySelector(".dpmed-cases");
  if (!parts.has(root)) parts.set(root, new CaseList(root));
  parts.get(root).update(component);
  return () => setTimeout(() => root.isConnected || parts.delete(root));
}

function element(name, parent, text = "") {
  const made = document.createElement(name);
  made.textContent = text; // never HTML: names of findings come from others
  parent?.append(made);
  return made;
}

class CaseList {
  constructor(root) {
    this.root = root;
    this.table = element("table", root);
    root.addEventListener("click", (event) => this.pick(event.target.closest("tr[data-link]")));
    root.addEventListener("keydown", (event) => this.press(event));
  }

  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    this.root.setAttribute("aria-label", data.label);
    if (data.rows !== this.said) this.draw(data);
    this.said = data.rows;
    this.mark(data.current);
  }

  draw({ columns, rows }) {
    const table = document.createElement("table");
    const heads = element("tr", element("thead", table));
    for (const { name, isNumber } of columns) this.style(element("th", heads, name), isNumber).scope = "col";
    const body = element("tbody", table);
    for (const { link, cells } of JSON.parse(rows)) {
      const row = element("tr", body);
      row.dataset.link = link;
      cells.forEach((text, i) => {
        const cell = this.style(element(i ? "td" : "th", row, i ? text : ""), columns[i].isNumber);
        if (i) return;
        cell.scope = "row";
        const button = element("button", cell, text);
        button.type = "button";
        button.tabIndex = -1; // one of all rows is reached by the Tab key, and the others from it
      });
    }
    this.table.replaceWith(table);
    this.table = table;
  }

  style(cell, isNumber) {
    if (isNumber) cell.className = "dpmed-number";
    return cell;
  }

  // The row of the shown case, which is moved into sight within the list alone.
  mark(link) {
    const before = this.table.querySelector('[aria-current="true"]');
    const row = [...this.table.tBodies[0].rows].find((one) => one.dataset.link === link);
    if (before && before === row) return;
    before?.removeAttribute("aria-current");
    row?.setAttribute("aria-current", "true");
    for (const button of this.table.querySelectorAll('[tabindex="0"]')) button.tabIndex = -1;
    const reached = (row ?? this.table.tBodies[0].rows[0])?.querySelector("button");
    if (reached) reached.tabIndex = 0;
    if (row) this.bringIntoSight(row);
  }

  bringIntoSight(row) {
    const heads = this.table.tHead.offsetHeight;
    const top = row.offsetTop - heads;
    const bottom = row.offsetTop + row.offsetHeight - this.root.clientHeight;
    if (this.root.scrollTop > top) this.root.scrollTop = top;
    else if (this.root.scrollTop < bottom) this.root.scrollTop = bottom;
  }

  press(event) {
    const row = event.target.closest("tr[data-link]");
    const to = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
    if (!to) return;
    event.preventDefault(); // the page does not scroll
    to.querySelector("button").focus({ preventScroll: true });
    this.bringIntoSight(to);
  }

  pick(row) {
    if (!row || row.getAttribute("aria-current") === "true") return;
    row.querySelector("button").focus({ preventScroll: true });
    this.mark(row.dataset.link);
    this.send("pick", row.dataset.link);
  }
}
