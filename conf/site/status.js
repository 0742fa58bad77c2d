// Shows what /status says, whatever its fields: single values as a table of two columns, a list of objects as a table
// with a row for each. Without scripts, or where /status is closed, the page's link remains.
"use strict";

const isSingle = (value) => value === null || typeof value !== "object";

function row(cells, tag) {
  const tr = document.createElement("tr");
  cells.forEach((text, i) => {
    const cell = document.createElement(i === 0 ? "th" : tag);
    cell.textContent = text;
    tr.append(cell);
  });
  return tr;
}

function table(rows) {
  const element = document.createElement("table");
  element.append(...rows);
  return element;
}

function render(name, value) {
  if (Array.isArray(value)) {
    const objects = value.filter((item) => !isSingle(item));
    if (objects.length === 0) return [];
    const keys = Object.keys(objects[0]).filter((key) => isSingle(objects[0][key]));
    const heading = document.createElement("h3");
    heading.textContent = name;
    return [heading, table([row(keys, "th"), ...objects.map((item) => row(keys.map((key) => item[key]), "td"))])];
  }
  const entries = Object.entries(value);
  const single = entries.filter(([, item]) => isSingle(item)).map(([key, item]) => row([key, item], "td"));
  const nested = entries.filter(([, item]) => !isSingle(item)).flatMap(([key, item]) => render(key, item));
  return single.length > 0 ? [table(single), ...nested] : nested;
}

async function refresh() {
  const response = await fetch("/status", { headers: { Accept: "application/json" } });
  if (!response.ok) return;
  document.getElementById("status").replaceChildren(...render("", await response.json()));
}

const refreshQuietly = () => refresh().catch(() => {});  // a server that is being restarted is not an error here
refreshQuietly();
setInterval(refreshQuietly, 2000);
