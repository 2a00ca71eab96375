"use strict";

const FRAME_MS = 250, LAST_MS = 900;

for (const sequence of document.querySelectorAll(".sequence")) {
  const leads = JSON.parse(sequence.dataset.leads), context = Number(sequence.dataset.context);
  const slider = sequence.querySelector("input"), said = sequence.querySelector("output");
  const button = sequence.querySelector(".play"), films = sequence.querySelectorAll(".film");
  let timer = null;

  const show = () => {
    const frame = Number(slider.value), last = Math.max(1, leads.length - 1);
    for (const film of films) film.style.backgroundPosition = `0 ${100 * frame / last}%`;
    const forecasting = frame >= context;
    sequence.classList.toggle("forecasting", forecasting);
    said.textContent = `${forecasting ? "forecast" : "given"} ${leads[frame]}`;
    slider.setAttribute("aria-valuetext", said.textContent);
  };
  const title = button.getAttribute("aria-label").replace("Play ", "");
  const name = (word) => { button.textContent = word; button.setAttribute("aria-label", `${word} ${title}`); };
  const stop = () => { clearTimeout(timer); timer = null; name("Play"); };
  const step = () => {
    slider.value = (Number(slider.value) + 1) % leads.length;
    show();
    timer = setTimeout(step, Number(slider.value) === leads.length - 1 ? LAST_MS : FRAME_MS);
  };
  slider.addEventListener("input", () => { stop(); show(); });
  button.addEventListener("click", () => {
    if (timer !== null) { stop(); return; }
    name("Pause");
    step();
  });
  show();
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const key = (row) => {
      const cell = row.cells[column];
      return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
    };
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (typeof x === "string") return rising ? x.localeCompare(y) : y.localeCompare(x);
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);  // the undefined come last
      return rising ? x - y : y - x;
    };
    body.append(...[...body.rows].sort(compare));
  }));
}
