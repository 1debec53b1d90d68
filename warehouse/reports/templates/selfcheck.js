"use strict";
// Compares the page with what it carries: results, parts, cited records, checkpoint, signature.
(async () => {
  const strip = document.getElementById("selfcheck");
  const faults = [];
  const subtle = globalThis.crypto && globalThis.crypto.subtle;
  const utf8 = (text) => new TextEncoder().encode(text);
  const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  const unbase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const equal = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

  // SHA-256 (FIPS 180-4), for browsers that keep WebCrypto from pages on disk.
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) {
    if (!primes.some((prime) => n % prime === 0)) primes.push(n);
  }
  const fraction = (x) => ((x - Math.floor(x)) * 4294967296) | 0;
  const start = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const consts = primes.map((prime) => fraction(Math.cbrt(prime)));
  const sha256 = (input) => {
    const length = input.length, blocks = (length + 72) >> 6;
    const data = new Uint8Array(blocks * 64);
    data.set(input);
    data[length] = 128;
    const view = new DataView(data.buffer);
    view.setUint32(data.length - 8, Math.floor(length / 536870912));
    view.setUint32(data.length - 4, (length << 3) >>> 0);
    const turn = (x, n) => (x >>> n) | (x << (32 - n));
    const state = start.slice(), w = new Int32Array(64);
    for (let block = 0; block < blocks; block += 1) {
      for (let i = 0; i < 64; i += 1) {
        if (i < 16) { w[i] = view.getInt32(block * 64 + i * 4); continue; }
        const x = w[i - 15], y = w[i - 2];
        const s0 = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3), s1 = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let i = 0; i < 64; i += 1) {
        const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25), s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + consts[i] + w[i]) | 0;
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
      }
      [a, b, c, d, e, f, g, h].forEach((x, i) => { state[i] = (state[i] + x) | 0; });
    }
    const out = new DataView(new ArrayBuffer(32));
    state.forEach((x, i) => out.setInt32(i * 4, x));
    return new Uint8Array(out.buffer);
  };
  const digest = async (bytes) =>
    subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : sha256(bytes);

  const carried = new Map();
  for (const each of document.querySelectorAll("template[data-rows]")) {
    carried.set(each.dataset.rows, each.content.textContent);
  }
  const page = JSON.parse(carried.get("report"));
  carried.delete("report");

  // 1. The rows of each result have the digest that the page names.
  const rows = new Map();
  for (const [name, text] of carried) {
    if (hex(await digest(utf8(text))) !== page.results[name]) {
      faults.push(`the rows carried for the result ${name} have another digest than the page names`);
    }
    rows.set(name, JSON.parse(text).rows);
  }
  const root = hex(await digest(utf8(JSON.stringify(
    Object.fromEntries(Object.keys(page.results).sort().map((name) => [name, page.results[name]])),
  ))));
  if (root !== page.root) faults.push("the root of the results is another than the page names");
  for (const each of document.querySelectorAll("details.query")) {
    const name = each.querySelector("code").textContent;
    if (each.querySelector(".digest").textContent !== page.results[name]) {
      faults.push(`appendix, statement ${name}: the digest shown is not that of its result`);
    }
  }

  // 2. Each number is the number of its cell, rounded to the places that are shown.
  const label = (cell) => {
    const section = cell.closest("section, header");
    const title = section && section.querySelector("h1, h2");
    const row = cell.closest("tr, dl > div");
    const first = row && row.querySelector("td, th, dt");
    const column = cell.cellIndex === undefined ? null
      : cell.closest("table").querySelector("thead tr:last-child").cells[cell.cellIndex];
    return [title, first === cell ? null : first, column]
      .filter((each) => each).map((each) => each.textContent.trim().replace(/\s+/g, " ")).join(", ");
  };
  const agrees = (text, value, scale) => {
    const plain = text.replace(/\u2212/g, "-").replace(/[\u202f\s,]/g, "").replace(/[%\u00d7]$/, "");
    const parts = /^[+-]?\d+(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(plain);
    if (!parts || typeof value !== "number") return false;
    const unit = 10 ** (Number(parts[2] || 0) - (parts[1] || "").length);
    const exact = scale * value;
    return Math.abs(Number(plain) - exact) <= 0.5 * unit * (1 + 1e-9) + 1e-12 * Math.abs(exact);
  };
  let numbers = 0, beyond = 0;
  for (const cell of document.querySelectorAll("[data-n]")) {
    const [name, row, column, scale] = cell.dataset.n.split(":");
    if (!rows.has(name)) { beyond += 1; continue; }
    const line = rows.get(name)[Number(row)];
    const value = line && line[Number(column)];
    numbers += 1;
    if (!agrees(cell.textContent, value, Number(scale))) {
      const held = typeof value === "number" ? Number(scale) * value : value;
      faults.push(`${label(cell)}: the page shows ${cell.textContent}, its result ${name} holds ${held}`);
    }
  }

  // 3. Every part has the text and the drawings that it was made with.
  const parts = document.querySelectorAll("[data-region]");
  for (const part of parts) {
    const walker = document.createTreeWalker(part, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    let text = "";
    while (walker.nextNode()) {
      const node = walker.currentNode;
      text += node.nodeType === Node.TEXT_NODE ? node.data : node.getAttribute("d") || "";
    }
    const name = part.dataset.region;
    if (hex(await digest(utf8(text.replace(/[ \t\n\f\r]+/g, "")))) !== page.regions[name]) {
      faults.push(`${name}: a text or a drawing was changed`);
    }
  }
  if (parts.length !== Object.keys(page.regions).length) faults.push("a part of the page is missing");

  // 4. The cited records stand under the root of the checkpoint, and the head is among them.
  const cited = rows.get("cited_records") || [];
  const head = cited.find((row) => row[0] === page.head.seq);
  if (!head || head[1] !== page.head.hash) faults.push("the head is not among the cited records");
  const held = new Map(cited.map((row) => [row[0], row[1]]));
  const seqs = cited.map((row) => row[0]).filter((seq) => seq < page.size).sort((a, b) => a - b);
  let said;
  if (page.note) {
    let next = 0;
    const node = async (first, stop, wanted) => {
      if (!wanted.length) { next += 1; return unbase64(page.tree[next - 1] || ""); }
      if (stop - first === 1) {
        return Uint8Array.from(held.get(first).match(/../g), (byte) => parseInt(byte, 16));
      }
      let half = 1;
      while (half * 2 < stop - first) half *= 2;
      const middle = first + half;
      const left = await node(first, middle, wanted.filter((seq) => seq < middle));
      const right = await node(middle, stop, wanted.filter((seq) => seq >= middle));
      const both = new Uint8Array(65);
      both[0] = 1; both.set(left, 1); both.set(right, 33);
      return digest(both);
    };
    const cut = page.note.indexOf("\n\n") + 1;
    const signed = page.note.slice(0, cut), lines = signed.split("\n");
    const top = await node(0, page.size, seqs);
    if (Number(lines[1]) !== page.size || !equal(top, unbase64(lines[2]))) {
      faults.push("the cited records are not those under the root of the checkpoint");
    }
    const shown = document.querySelector("footer pre");
    if (shown.textContent.trim() !== signed.trim()) {
      faults.push("the checkpoint shown is not the one that the page carries");
    }
    // 5. The key of the page signed the checkpoint, where the browser knows Ed25519.
    const pieces = page.key.split("+");
    const key = unbase64(pieces.slice(2).join("+"));
    const line = page.note.slice(cut + 1).split("\n").map((each) => each.split(" "))
      .find((each) => each[1] === lines[0] && hex(unbase64(each[2]).slice(0, 4)) === pieces[1]);
    if (key[0] !== 1) said = "its signature was not checked: the key is of another kind";
    else if (!line) { faults.push("no signature of the key stands under the checkpoint"); }
    else if (!subtle) said = "its signature was not checked: this browser offers no WebCrypto here";
    else {
      try {
        const imported = await subtle.importKey("raw", key.slice(1), { name: "Ed25519" }, false, ["verify"]);
        const right = await subtle.verify("Ed25519", imported, unbase64(line[2]).slice(4), utf8(signed));
        if (!right) faults.push("the signature of the checkpoint is wrong");
        said = `signed with key ${pieces[1]}`;
      } catch (error) {
        if (error.name !== "NotSupportedError") throw error;
        said = "its signature was not checked: this browser does not know Ed25519";
      }
    }
  } else {
    said = "there is no signed checkpoint";
  }

  if (faults.length) {
    strip.className = "selfcheck fail";
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
    strip.textContent = `CHANGED. ${faults[0]}${more}. Do not rely on this page; take another copy.`;
    return;
  }
  strip.className = "selfcheck pass";
  const rest = beyond ? `; ${beyond} numbers of long results by their part alone` : "";
  strip.textContent = `Checked in this browser: ${numbers} numbers against ${carried.size} results${rest}, `
    + `${parts.length} parts, ${cited.length} cited records`
    + (page.note ? ` under the checkpoint of size ${page.size}; ${said}.` : `; ${said}.`)
    + " Whether the ledger agrees, assay report verify says.";
})().catch((error) => {
  const strip = document.getElementById("selfcheck");
  strip.className = "selfcheck fail";
  strip.textContent = `NOT CHECKED. What the page carries to check itself is damaged: ${error.message}`;
});
