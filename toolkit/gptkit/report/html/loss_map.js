// The loss map: it is drawn again for another pair of tokenizers, another model, or token borders.
const CLASSES = 4;
const CLAMPED_SHARE = 0.02;
const ALPHABET = [...Array(0x7f - 0x23).keys()].map((i) => String.fromCharCode(0x23 + i))
  .filter((c) => c !== "<" && c !== "\\");
const VALUE_OF = new Map(ALPHABET.map((c, i) => [c, i]));
const BASE = ALPHABET.length;

function unpack(text) {
  const numbers = [];
  for (let i = 0; i < text.length; i++) {
    let n = VALUE_OF.get(text[i]);
    if (n === BASE - 1) {
      n = 0;
      for (let k = 1; k <= 3; k++) n = n * BASE + VALUE_OF.get(text[i + k]);
      i += 3;
    }
    numbers.push(n);
  }
  return numbers;
}

function sums(numbers) {
  let total = 0;
  return numbers.map((n) => (total += n));
}

const data = JSON.parse(document.getElementById("map-data").textContent);
const byId = (id) => document.getElementById(id);
const pick = { a: byId("map-a"), b: byId("map-b"), model: byId("map-model"), edges: byId("map-edges") };
const box = byId("map-text");
const info = byId("map-info");
const place = byId("map-place");
const minimap = byId("minimap");
const pieces = [...box.querySelectorAll("pre")].map((pre, at) => {
  const text = pre.textContent;
  const starts = [0]; // in bytes, of each character and of the end
  const at16 = [0]; // the same places in the string
  let byte = 0, i = 0;
  for (const c of text) {
    const code = c.codePointAt(0);
    byte += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    i += c.length;
    starts.push(byte);
    at16.push(i);
  }
  return { pre, text, starts, at16, start: data.pieces[at], at };
});

const nameOf = (tokenizer) => data.tokenizers[tokenizer].name;
const cache = new Map();
function remember(key, make) {
  if (!cache.has(key)) cache.set(key, make());
  return cache.get(key);
}
function endsOf(tokenizer, piece) {
  return remember(`ends ${tokenizer} ${piece.at}`, () => {
    const { lengths } = data.tokenizers[tokenizer];
    return lengths === null ? piece.starts.slice(1) : sums(unpack(lengths[piece.at]));
  });
}
function totalsOf(tokenizer, model, piece) {
  return remember(`sums ${tokenizer} ${model} ${piece.at}`,
    () => sums(unpack(data.arms[tokenizer][model].bits[piece.at])));
}

// The stretches of a piece: where each starts and ends, and the bits that a saves over b.
function stretchesOf(piece, a, b, model) {
  const [aEnds, bEnds] = [endsOf(a, piece), endsOf(b, piece)];
  const [aSums, bSums] = [totalsOf(a, model, piece), totalsOf(b, model, piece)];
  const found = [];
  let i = 0, j = 0, k = 0, start = 0, k0 = 0, before = [0, 0], tokens = [0, 0];
  while (i < aEnds.length && j < bEnds.length) {
    if (aEnds[i] < bEnds[j]) i++;
    else if (aEnds[i] > bEnds[j]) j++;
    else {
      const end = aEnds[i];
      while (piece.starts[k] < end) k++;
      if (piece.starts[k] === end) {
        const bits = [aSums[i] - before[0], bSums[j] - before[1]];
        found.push({
          start, end, from: piece.at16[k0], to: piece.at16[k], bits,
          perByte: (bits[1] - bits[0]) / (10 * (end - start)),
          tokens: [[tokens[0], i + 1], [tokens[1], j + 1]], piece,
        });
        before = [aSums[i], bSums[j]];
        tokens = [i + 1, j + 1];
        start = end;
        k0 = k;
      }
      i++;
      j++;
    }
  }
  return found;
}

function limitOf(stretches) {
  const sizes = stretches.map((s) => Math.abs(s.perByte)).sort((x, y) => x - y);
  return sizes[Math.floor((1 - CLAMPED_SHARE) * (sizes.length - 1))] || 0.1;
}
function classOf(perByte, limit) {
  const size = Math.min(CLASSES, Math.floor((CLASSES * Math.abs(perByte)) / limit + 0.5));
  return size ? (perByte > 0 ? "a" : "b") + size : "";
}

// Characters that cannot be seen, or that would move the text around them, keep their place.
const HIDDEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
function shownAs(c) {
  const code = c.codePointAt(0);
  return code < 0x20 ? String.fromCodePoint(0x2400 + code) : code === 0x7f ? "␡" : "�";
}
function appendText(parent, text) {
  let rest = text;
  for (let at = rest.search(HIDDEN); at >= 0; at = rest.search(HIDDEN)) {
    const mark = document.createElement("i");
    mark.className = "hidden";
    mark.dataset.shown = shownAs(rest[at]);
    mark.textContent = rest[at];
    parent.append(rest.slice(0, at), mark);
    rest = rest.slice(at + 1);
  }
  parent.append(rest);
}

let shown = [];
let current = -1;

function spanOf(one, limit, edges) {
  const span = document.createElement("b");
  span.className = classOf(one.perByte, limit) || "a0";
  span.dataset.at = shown.length;
  let from = one.from;
  for (const edge of edges) {
    appendText(span, one.piece.text.slice(from, edge));
    const mark = document.createElement("s");
    mark.className = "edge";
    span.append(mark);
    from = edge;
  }
  appendText(span, one.piece.text.slice(from, one.to));
  one.span = span;
  shown.push(one);
  return span;
}

// Where a tokenizer's tokens end within the string of a piece, but not within a character.
function edgesOf(piece, tokenizer) {
  if (tokenizer === undefined) return [];
  const places = new Map(piece.starts.map((byte, k) => [byte, piece.at16[k]]));
  return endsOf(tokenizer, piece).map((end) => places.get(end)).filter((at) => at !== undefined);
}

function drawPiece(piece, stretches, limit, edges) {
  let i = 0;
  const spans = stretches.map((one) => {
    const first = i;
    while (i < edges.length && edges[i] <= one.to) i++;
    return spanOf(one, limit, edges.slice(first, i));
  });
  piece.pre.replaceChildren(...spans);
}

function draw() {
  const [a, b, model] = [pick.a, pick.b, pick.model].map((one) => Number(one.value));
  const edgesFor = [undefined, a, b][pick.edges.value];
  const all = pieces.map((piece) => stretchesOf(piece, a, b, model));
  const limit = limitOf(all.flat());
  shown = [];
  current = -1;
  pieces.forEach((piece, at) => drawPiece(piece, all[at], limit, edgesOf(piece, edgesFor)));
  for (const name of document.querySelectorAll(".name-a")) name.textContent = nameOf(a);
  for (const name of document.querySelectorAll(".name-b")) name.textContent = nameOf(b);
  byId("map-limit").textContent = limit.toFixed(1);
  drawMinimap(a, b, model);
  for (const list of document.querySelectorAll("[data-pair]")) {
    list.hidden = list.dataset.pair !== [Math.min(a, b), Math.max(a, b), model].join();
  }
}

function drawMinimap(a, b, model) {
  const [aBits, bBits] = [a, b].map((name) => unpack(data.arms[name][model].blocks));
  const perByte = aBits.map((bits, i) => (bBits[i] - bits) / (10 * data.blocks[i]));
  const limit = limitOf(perByte.map((value) => ({ perByte: value })));
  [...minimap.children].forEach((rect, i) => {
    rect.setAttribute("class", classOf(perByte[i], limit));
  });
}

function piecesText(one, which) {
  const tokenizer = Number(which ? pick.b.value : pick.a.value);
  const ends = endsOf(tokenizer, one.piece);
  const bytes = new TextEncoder().encode(one.piece.text.slice(one.from, one.to));
  const [first, last] = one.tokens[which];
  let from = one.start;
  const tokens = ends.slice(first, last).map((end) => {
    const part = bytes.slice(from - one.start, end - one.start);
    from = end;
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(part)
        .replaceAll(" ", "·").replaceAll("\n", "⏎");
    } catch {
      return [...part].map((n) => n.toString(16).padStart(2, "0")).join(" ");
    }
  });
  const count = last - first === 1 ? "1 token" : `${last - first} tokens`;
  const line = document.createElement("div");
  appendText(line, `${nameOf(tokenizer)}: ${(one.bits[which] / 10).toFixed(1)} bits, ${count}: ${tokens.join(" | ")}`);
  return line;
}

function select(at, scroll) {
  if (at < 0 || at >= shown.length) return;
  if (shown[current]) shown[current].span.classList.remove("here");
  current = at;
  const one = shown[at];
  one.span.classList.add("here");
  if (scroll) one.span.scrollIntoView({ block: "center" });
  const head = document.createElement("div");
  const winner = nameOf(one.perByte >= 0 ? pick.a.value : pick.b.value);
  const where = one.piece.start + one.start;
  appendText(head, `Bytes ${where} to ${one.piece.start + one.end}: ${winner} saves ${Math.abs(one.perByte).toFixed(2)} bits per byte`);
  info.replaceChildren(head, piecesText(one, 0), piecesText(one, 1));
}

function goTo(byte) {
  let best = 0;
  shown.forEach((one, at) => {
    const [start, end] = [one.piece.start + one.start, one.piece.start + one.end];
    const far = byte < start ? start - byte : byte >= end ? byte - end + 1 : 0;
    const bestOne = shown[best];
    const [s, e] = [bestOne.piece.start + bestOne.start, bestOne.piece.start + bestOne.end];
    const bestFar = byte < s ? s - byte : byte >= e ? byte - e + 1 : 0;
    if (far < bestFar) best = at;
  });
  select(best, true);
}

box.addEventListener("mouseover", (event) => {
  const span = event.target.closest("[data-at]");
  if (span) select(Number(span.dataset.at), false);
});
box.addEventListener("click", (event) => {
  const span = event.target.closest("[data-at]");
  if (span) select(Number(span.dataset.at), false);
});
box.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  select(Math.max(0, current + step), true);
});
minimap.addEventListener("click", (event) => {
  const frame = minimap.getBoundingClientRect();
  const byte = Math.floor(((event.clientX - frame.left) / frame.width) * data.bytes);
  place.value = byte;
  goTo(byte);
});
place.addEventListener("input", () => goTo(Number(place.value)));
for (const button of document.querySelectorAll("[data-byte]")) {
  button.addEventListener("click", () => goTo(Number(button.dataset.byte)));
}
for (const one of [pick.a, pick.b]) {
  one.addEventListener("change", () => {
    if (pick.a.value === pick.b.value) {
      const other = one === pick.a ? pick.b : pick.a;
      other.value = [...other.options].map((o) => o.value).find((name) => name !== one.value);
    }
    draw();
  });
}
pick.model.addEventListener("change", draw);
pick.edges.addEventListener("change", draw);
draw();
