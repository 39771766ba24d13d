// Tables with the class "sortable": a click on a heading, or Enter, sorts each group of rows.
document.documentElement.classList.add("scripted");

for (const empty of document.querySelectorAll("[data-nul]")) empty.textContent = "\0";

function sortKey(row, at) {
  const cell = row.cells[at];
  if (!cell) return "";
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const number = Number.parseFloat(cell.textContent.replaceAll(",", ""));
  return Number.isNaN(number) ? cell.textContent : number;
}

function compareKeys(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortTable(table, at, ascending) {
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => row.cells.length > at);
    rows.sort((a, b) => compareKeys(sortKey(a, at), sortKey(b, at)) * (ascending ? 1 : -1));
    body.append(...rows);
  }
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, at) => {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const ascending = heading.ariaSort !== "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sortTable(table, at, ascending);
    });
  });
}
