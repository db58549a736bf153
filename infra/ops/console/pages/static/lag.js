// Draws the lag of the last minutes anew every five seconds. Without it the page shows what was when it was loaded.
"use strict";
(() => {
  const figure = document.querySelector("figure[data-lag]");
  if (!figure) return;
  const svg = figure.querySelector("svg.chart"), legend = figure.querySelector(".legend");
  const body = document.querySelector("#lag-table tbody"), updated = document.querySelector("[data-updated]");
  const space = "http://www.w3.org/2000/svg";
  const made = (name, attributes, text) => {
    const one = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
    if (text !== undefined) one.textContent = text;
    return one;
  };
  const told = (value) => (value === null || value === undefined ? "unknown" : value.toLocaleString("en"));
  const draw = (drawn) => {
    svg.replaceChildren();
    for (const [y, text] of drawn.ticks) {
      svg.append(made("line", { class: "grid", x1: drawn.left, x2: drawn.width - 8, y1: y, y2: y }));
      svg.append(made("text", { x: drawn.left - 6, y: y + 4, "text-anchor": "end" }, text));
    }
    legend.replaceChildren();
    drawn.lines.forEach((line, index) => {
      svg.append(made("path", { class: `line l${index}`, d: line.path }));
      const item = document.createElement("li"), key = made("svg", { viewBox: "0 0 34 8", "aria-hidden": "true" });
      key.append(made("line", { class: `line l${index}`, x1: 0, x2: 34, y1: 4, y2: 4 }));
      item.append(key, line.name);
      legend.append(item);
    });
  };
  const tell = (lines) => {
    if (!lines.length) return;
    body.replaceChildren(...lines.map((line) => {
      const row = document.createElement("tr"), head = document.createElement("th");
      head.scope = "row";
      head.textContent = line.name;
      row.append(head, ...[line.now, line.most].map((value) => {
        const cell = document.createElement("td");
        cell.className = "num";
        cell.textContent = told(value);
        return cell;
      }));
      return row;
    }));
  };
  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(figure.dataset.lag, { headers: { Accept: "application/json" }, redirect: "error" });
        if (answer.ok) {
          const found = await answer.json();
          draw(found.drawn);
          tell(found.lines);
          updated.textContent = found.error ? `unknown since then: ${found.error}` : `at ${found.at} UTC`;
        }
      } catch {
        updated.textContent = "the console doesn't answer; this is the last that was known";
      }
    }
    setTimeout(look, 5000);
  };
  setTimeout(look, 5000);
})();
