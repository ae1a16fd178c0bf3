// What the report can do with JavaScript. Without it nothing is lost but sorting, highlighting and the theme's button.
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

// The theme: the system's, until somebody chooses.
const theme = document.createElement("button");
theme.id = "theme";
theme.type = "button";
const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
const nameTheme = () => { theme.textContent = isDark() ? "Light theme" : "Dark theme"; };
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
dark.addEventListener("change", nameTheme);
nameTheme();
document.querySelector(".skip").after(theme);

// Figures on hover: the native titles, at once and where the pointer is.
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);
for (const title of document.querySelectorAll("svg.chart > * title, svg.chart g title")) {
  title.parentElement.dataset.tip = title.textContent;
  title.remove();
}
for (const element of document.querySelectorAll("main [title]")) {
  element.dataset.tip = element.title;
  element.setAttribute("aria-description", element.title);
  element.removeAttribute("title");
}
const placeTip = (x, y) => {
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, x + 14), innerWidth - box.width - 8);
  const top = y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18;
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
};
const showTip = (event) => {
  const element = event.target.closest?.("[data-tip]");
  tip.hidden = !element;
  if (element) {
    tip.textContent = element.dataset.tip;
    placeTip(event.clientX, event.clientY);
  }
};
document.addEventListener("pointermove", showTip);

// Cells of a large matrix are too many for an element each; the pointer's place tells which one it is.
for (const map of document.querySelectorAll("svg.map")) {
  map.querySelector("title").remove();
  const names = JSON.parse(map.dataset.names);
  const cells = new Map(map.dataset.cells.split(" ").map((cell) => {
    const [label, decision, rows] = cell.split(",").map(Number);
    return [label * names.length + decision, rows];
  }));
  map.addEventListener("pointermove", (event) => {
    const box = map.getBoundingClientRect();
    const at = (offset, size) => Math.min(names.length - 1, Math.max(0, Math.floor((offset / size) * names.length)));
    const label = at(event.clientY - box.top, box.height);
    const decision = at(event.clientX - box.left, box.width);
    const rows = cells.get(label * names.length + decision) ?? 0;
    map.dataset.tip = `${names[label]} decided as ${names[decision]}: ${rows}`;
  });
}
document.addEventListener("pointerdown", showTip);
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// A class under the pointer lights up in every figure.
let lit = [];
const light = (event) => {
  for (const element of lit) element.classList.remove("lit");
  lit = [];
  const at = event.target.closest?.("[data-class]");
  if (at) lit = [...document.querySelectorAll(`[data-class="${CSS.escape(at.dataset.class)}"]`)];
  for (const element of lit) element.classList.add("lit");
};
document.addEventListener("pointerover", light);
document.addEventListener("focusin", light);

// Tables that sort by a click on a header.
const keyOf = (row, column) => {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text);
  return text === "" || text === "–" || text === "undefined" ? null : Number.isNaN(number) ? text : number;
};
const compare = (a, b) => (typeof a === "number" && typeof b === "number"
  ? a - b
  : String(a).localeCompare(String(b), undefined, { numeric: true }));
const sortBy = (table, header) => {
  const down = header.getAttribute("aria-sort") === "ascending";
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [keyOf(row, header.cellIndex), row]);
  // Undefined figures stay at the end either way.
  rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : compare(a, b) * (down ? -1 : 1)));
  body.append(...rows.map(([, row]) => row));
};
for (const table of document.querySelectorAll("table.sortable")) {
  for (const header of table.tHead.rows[0].cells) {
    if (!header.textContent.trim()) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, header));
    header.append(button);
  }
}

// The section in view, in the navigation.
const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.classList.remove("here");
    links.get(entry.target.id)?.classList.add("here");
  }
}, { rootMargin: "-10% 0px -80% 0px" });
for (const section of document.querySelectorAll("main > section")) watcher.observe(section);

// On paper nothing can be unfolded.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.forPrint = "";
  }
});
addEventListener("afterprint", () => {
  for (const details of document.querySelectorAll("details[data-for-print]")) {
    details.open = false;
    delete details.dataset.forPrint;
  }
});
