// What a person with an eye for it would complain about, as a list of sentences. Run inside a page by the browser tests.
() => {
  const complaints = [];
  const channels = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const solid = (colour) => { const [, , , alpha = 1] = channels(colour); return colour.startsWith("rgb") && alpha === 1; };
  const luminance = (colour) => {
    const [r, g, b] = channels(colour).map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    const box = element.closest("g") && element.closest("g").querySelector("rect.box");
    if (box) return getComputedStyle(box).fill;
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (solid(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };

  let texts = 0;
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!own || !element.checkVisibility() || ["SCRIPT", "STYLE", "title"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const found = contrast(colour, behind(element));
    texts += 1;
    if (found < 4.5) complaints.push(`"${element.textContent.trim().slice(0, 40)}" has a contrast of ${found.toFixed(2)}`);
  }
  if (texts < 20) complaints.push(`only ${texts} texts were looked at`);

  for (const drawing of document.querySelectorAll("svg[role=img]")) {
    if (!drawing.getAttribute("aria-label")) complaints.push("a drawing has no words");
  }
  for (const drawing of document.querySelectorAll("svg:not([role])")) {
    if (!drawing.closest("[role=img], [aria-hidden=true]")) complaints.push("a drawing is neither described nor hidden");
  }
  for (const field of document.querySelectorAll("input")) {
    if (!field.labels.length) complaints.push(`the field ${field.id} has no label`);
  }
  for (const head of document.querySelectorAll("th")) {
    if (!head.scope) complaints.push(`the heading ${head.textContent} of a table says not what it heads`);
  }
  for (const more of document.querySelectorAll("details")) {
    if (!more.querySelector(":scope > summary")) complaints.push("something can be opened and says not what");
  }
  for (const part of document.querySelectorAll("section, [role=region]")) {
    const named = document.getElementById(part.getAttribute("aria-labelledby") || "");
    if (!named && !part.getAttribute("aria-label")) complaints.push("a part of the page has no name");
  }
  for (const box of document.querySelectorAll(".scroll")) {
    if (box.tabIndex !== 0) complaints.push("a box that scrolls is out of the keyboard's reach");
  }
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((heading) => Number(heading.tagName[1]));
  if (levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1) complaints.push("there is not one first heading");
  if (levels.some((level, at) => at && level - levels[at - 1] > 1)) complaints.push("a level of headings is left out");
  if (document.querySelectorAll("main").length !== 1) complaints.push("there is not one main part");
  if (!document.documentElement.lang || !document.title) complaints.push("the page has no language or no title");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) complaints.push("an id is there twice");
  return complaints;
}
