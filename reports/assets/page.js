// Reads the table of figures out beside the drawings, at the moment that is pointed at. Without it nothing is missing.
(() => {
  const openTarget = () => {
    const named = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named instanceof HTMLDetailsElement) named.open = true;
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  const chart = document.querySelector(".chart"), table = document.getElementById("figures");
  if (!chart || !table) return;
  const slider = document.getElementById("moment"), read = document.getElementById("read");
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const rows = [...table.tBodies[0].rows], cursors = chart.querySelectorAll(".cursor");
  const seconds = Number(chart.dataset.seconds), step = Number(chart.dataset.step);

  const show = (index) => {
    const row = rows[index], middle = `${Math.min(100, (100 * (index + 0.5) * step) / seconds)}%`;
    rows.forEach((other) => other.classList.toggle("at", other === row));
    cursors.forEach((cursor) => { cursor.setAttribute("x1", middle); cursor.setAttribute("x2", middle); });
    chart.classList.add("reading");
    read.replaceChildren();
    [...row.cells].forEach((cell, column) => {
      if (!cell.textContent) return;
      const figure = document.createElement("b");
      figure.textContent = cell.textContent;
      read.append(`${names[column]} `, figure);
    });
    slider.setAttribute("aria-valuetext", `from ${row.cells[0].textContent} s`);
  };
  slider.addEventListener("input", () => show(Number(slider.value)));
  chart.addEventListener("pointermove", (event) => {
    const plot = event.target.closest(".plot");
    if (!plot) return;
    const box = plot.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * seconds;
    slider.value = Math.max(0, Math.min(rows.length - 1, Math.floor(at / step)));
    show(Number(slider.value));
  });
  chart.querySelector(".reader").hidden = false;
})();
