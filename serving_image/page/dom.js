// Elements are made here and nowhere from HTML: whatever a text or a label holds stays text.

/** The element of index.html with this id. */
export const byId = (id) => document.getElementById(id);

/** A new element. Properties are set as properties where it has them, as attributes otherwise. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** A table whose first column heads its rows. */
export function table(caption, columns, rows) {
  const head = columns.map((column) => element("th", { scope: "col" }, column));
  const body = rows.map(([first, ...cells]) =>
    element("tr", {}, element("th", { scope: "row" }, first), ...cells.map((cell) => element("td", {}, cell))),
  );
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...body),
  );
}

export function details(summary, ...children) {
  return element("details", {}, element("summary", {}, summary), ...children);
}

/** JSON, laid out for reading. What is wider than the page is scrolled, by keyboard too. */
export function json(value, label) {
  return element("pre", { tabIndex: 0, role: "region", "aria-label": label }, JSON.stringify(value, null, 2));
}

/** Tell it to screen readers; a text that was told before is told again. */
export function announce(text) {
  const status = byId("status");
  status.textContent = "";
  requestAnimationFrame(() => (status.textContent = text));
}

const percentage = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
export const percent = (share) => percentage.format(share);
