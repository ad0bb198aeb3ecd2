// Follows changes and filters while one types. Without it the page is the same, until it is loaded again.
"use strict";

const tiles = document.getElementById("tiles");
const lost = document.getElementById("lost");

function filter() {
  if (!tiles) return;
  // The wall has no form; what it shows stands in its address.
  const form = document.getElementById("filter");
  const wanted = form ? { q: form.q.value, state: form.state.value } : tiles.dataset;
  const words = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
  const state = wanted.state;
  let shown = 0;
  for (const tile of tiles.children) {
    const of = tile.dataset;
    const isState = state === "" || (state === "problems" ? of.state !== "in_step" : of.state === state);
    const isShown = isState && words.every((word) => of.text.includes(word));
    if (tile.hidden === isShown) tile.hidden = !isShown;
    if (isShown) shown += 1;
  }
  document.getElementById("none").hidden = shown > 0;
}

function put(change) {
  if (!tiles) return;
  const byRoom = new Map(Array.from(tiles.children, (tile) => [tile.dataset.room, tile]));
  let moved = false;
  for (const { room, html } of change.tiles) {
    const box = document.createElement("template");
    box.innerHTML = html;
    const tile = box.content.firstElementChild;
    const old = byRoom.get(room);
    if (!old) continue;
    moved ||= old.dataset.order !== tile.dataset.order;
    const focused = old.contains(document.activeElement);
    old.replaceWith(tile);
    if (focused) tile.querySelector("a").focus();
  }
  if (moved) {
    const focused = document.activeElement;
    const order = (a, b) => (a.dataset.order < b.dataset.order ? -1 : a.dataset.order > b.dataset.order ? 1 : 0);
    tiles.append(...Array.from(tiles.children).sort(order));
    if (tiles.contains(focused)) focused.focus();
  }
  document.getElementById("summary").textContent = change.summary;
  filter();
}

// The parts of a room's page that change; the form keeps what one is typing.
async function renew() {
  const answer = await fetch(location.pathname);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["live", "live-history"]) {
    const part = page.getElementById(id);
    if (part) document.getElementById(id).replaceWith(document.adoptNode(part));
  }
}

function follow(address) {
  let since = null;
  const source = new EventSource(address);
  source.addEventListener("open", () => { if (lost) lost.hidden = true; });
  source.addEventListener("reload", () => { source.close(); location.reload(); });
  source.addEventListener("tiles", (event) => {
    const change = JSON.parse(event.data);
    since = change.since;
    if (tiles) put(change); else renew().catch(() => {});
  });
  source.addEventListener("error", () => {
    if (lost) lost.hidden = false;
    // Begins again from what it has by now, not from where the page began.
    source.close();
    const next = new URL(address, location.href);
    if (since) next.searchParams.set("since", since);
    setTimeout(() => follow(next.pathname + next.search), 5000);
  });
}

const form = document.getElementById("filter");
if (form) {
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    filter();
    history.replaceState(null, "", "/?" + new URLSearchParams(new FormData(form)));
  });
}
if (document.body.dataset.events) follow(document.body.dataset.events);
