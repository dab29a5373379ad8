// The network map: what lies inside the view, layer by layer, with the fibre that leads there. Asks anew when the view moves.
import L from "leaflet";
import "leaflet.markercluster";
import { start, still } from "./map-base.js";
import { say } from "./words.js";

const SIZES = { lcps: 32, splitters: 24, naps: 24, customers: 24, installations: 24 };
const GLYPHS = { lcps: "tower", splitters: "split", naps: "box", installations: "home" };
const NAMES = { lcps: "LCP", splitters: say("Splitter"), naps: "NAP", customers: say("Customer"), installations: say("Installation") };
const LISTED = 50;

export function network(box) {
  const part = (name) => box.querySelector(`[data-network-${name}]`);
  const [element, said, listed, search, found] = ["map", "status", "list", "search", "found"].map(part);
  const { url, searchUrl, icons } = element.dataset;
  const map = start(element);
  const ticked = () => [...box.querySelectorAll('[name="layer"]:checked')].map((input) => input.value);
  const status = box.querySelector('[name="status"]');
  const coverage = box.querySelector('[name="coverage"]');
  // One group for all layers: marks that would cover each other become one, which opens as the view comes closer.
  const marks = L.markerClusterGroup({
    showCoverageOnHover: false,
    animate: !still(),
    chunkedLoading: true,
    maxClusterRadius: 40,
    disableClusteringAtZoom: 18,
    iconCreateFunction: (cluster) => counted(null, cluster.getChildCount(), cluster.getAllChildMarkers().some((marker) => marker.options.isDown)),
  }).addTo(map);
  const lines = L.layerGroup().addTo(map);
  const circles = L.layerGroup().addTo(map);
  let wanted = null;
  let under = null;
  // A map that was asked for no place of its own begins with what there is.
  let isFirst = !location.hash;

  function counted(layer, count, isDown) {
    const mark = document.createElement("span");
    mark.className = `cluster${layer ? ` cluster-${layer}` : ""}${isDown ? " is-down" : ""}`;
    mark.textContent = count.toLocaleString();
    return L.divIcon({ className: "", html: mark, iconSize: [40, 40] });
  }

  function icon({ layer, status: state, is_down: isDown, used, capacity }) {
    const mark = document.createElement("span");
    mark.className = `node node-${layer}${isDown ? " is-down" : ""}${state ? ` node-${state}` : ""}${layer === "naps" && used >= capacity ? " is-full" : ""}`;
    if (GLYPHS[layer]) {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
      svg.setAttribute("class", "icon");
      use.setAttribute("href", `${icons}#${GLYPHS[layer]}`);
      svg.append(use);
      mark.append(svg);
    }
    return L.divIcon({ className: "", html: mark, iconSize: [SIZES[layer], SIZES[layer]] });
  }

  function popup({ title, href, lines: words, status: state, is_down: isDown }) {
    const about = document.createElement("div");
    const link = document.createElement("a");
    link.href = href;
    link.textContent = title;
    link.className = "row-link";
    about.append(link);
    const down = isDown ? say("Down") : null;
    for (const line of [down, state, ...words].filter(Boolean)) {
      const row = document.createElement("div");
      row.className = line === down ? "text-error font-medium" : "muted";
      row.textContent = line;
      about.append(row);
    }
    return about;
  }

  const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim();

  function draw({ features, clusters }) {
    marks.clearLayers();
    lines.clearLayers();
    circles.clearLayers();
    const markers = [];
    const ways = new Map();
    for (const { id, geometry: { coordinates: [x, y] }, properties } of features) {
      const { layer, title, from, is_down: isDown } = properties;
      const marker = L.marker([y, x], { icon: icon(properties), title, alt: title, isDown });
      marker.bindPopup(() => popup(properties));
      if (under === id) under = marker;
      markers.push(marker);
      if (from) {
        const key = isDown ? "down" : layer;
        if (!ways.has(key)) ways.set(key, []);
        ways.get(key).push([[from[1], from[0]], [y, x]]);
      }
      if (layer === "lcps" && coverage.checked && properties.radius_m)
        L.circle([y, x], { radius: properties.radius_m, color: "#dc2626", fillColor: "#dc2626", fillOpacity: 0.1, weight: 1, interactive: false }).addTo(circles);
    }
    marks.addLayers(markers);
    for (const [key, way] of ways)
      L.polyline(way, { color: colour(key === "down" ? "--node-down" : `--node-${key}`), weight: key === "down" ? 3 : 1.5, opacity: 0.75, dashArray: key === "down" ? "6 5" : null, interactive: false }).addTo(lines);
    for (const { layer, coordinates: [x, y], count } of clusters) {
      const words = `${count.toLocaleString()} ${layer}`;
      const marker = L.marker([y, x], { icon: counted(layer, count, false), title: words, alt: words });
      marker.on("click", () => map.setView([y, x], map.getZoom() + 2));
      lines.addLayer(marker);
    }
    if (under instanceof L.Marker) {
      under.openPopup();
      under = null;
    }
    write(features, clusters);
  }

  // The same as words, for those who cannot use the map. What is down comes first.
  function write(features, clusters) {
    const order = [...features].sort((a, b) => Number(b.properties.is_down) - Number(a.properties.is_down));
    listed.replaceChildren(
      ...order.slice(0, LISTED).map(({ properties: { title, href, layer, status: state, is_down: isDown } }) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.href = href;
        link.textContent = title;
        link.className = "row-link";
        const note = document.createElement("div");
        note.className = "muted tiny";
        note.textContent = [isDown ? say("Down") : null, NAMES[layer], state].filter(Boolean).join(" · ");
        item.append(link, note);
        return item;
      }),
    );
    const gathered = clusters.reduce((sum, cluster) => sum + cluster.count, 0);
    const all = features.length + gathered;
    const down = features.filter((feature) => feature.properties.is_down).length;
    said.textContent = [
      say("{} in view", all.toLocaleString()),
      down ? say("{} down", down.toLocaleString()) : null,
      all > LISTED ? say("first {} listed", Math.min(LISTED, features.length)) : null,
    ]
      .filter(Boolean)
      .join(", ");
  }

  async function load() {
    wanted?.abort();
    wanted = new AbortController();
    const view = map.getBounds();
    const around = [view.getWest(), view.getSouth(), view.getEast(), view.getNorth()].map((n, i) => Math.max(i % 2 ? -90 : -180, Math.min(i % 2 ? 90 : 180, n)).toFixed(6));
    const layers = ticked();
    if (!layers.length) return draw({ features: [], clusters: [] });
    const query = new URLSearchParams({ bbox: around.join(","), layers: layers.join(","), status: status?.value ?? "" });
    try {
      const answer = await fetch(`${url}?${query}`, { credentials: "same-origin", signal: wanted.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const found = await answer.json();
      draw(found);
      if (isFirst && found.features.length) map.fitBounds(marks.getBounds().pad(0.15), { maxZoom: 16, animate: false });
      isFirst = false;
    } catch (error) {
      if (error.name !== "AbortError") said.textContent = say("The map could not be loaded. Refresh it, or use the tree.");
    }
  }

  // Filters stand in the address, so that a view can be sent on.
  function remember() {
    const query = new URLSearchParams();
    const all = [...box.querySelectorAll('[name="layer"]')];
    if (ticked().length < all.length) query.set("layers", ticked().join(","));
    if (status?.value) query.set("status", status.value);
    if (coverage.checked) query.set("coverage", "1");
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`);
  }

  function recall() {
    const query = new URLSearchParams(location.search);
    if (query.has("layers")) {
      const chosen = query.get("layers").split(",");
      for (const input of box.querySelectorAll('[name="layer"]')) input.checked = chosen.includes(input.value);
    }
    if (status && query.has("status")) status.value = query.get("status");
    coverage.checked = query.has("coverage");
    const [lat, lng] = location.hash.slice(1).split(",").map(Number);
    if (location.hash && Number.isFinite(lat) && Number.isFinite(lng)) map.setView([lat, lng], 18, { animate: false });
  }

  const patient = (wait, action) => {
    let timer;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(action, wait);
    };
  };

  async function seek() {
    const q = search.value.trim();
    if (q.length < 2) {
      found.hidden = true;
      return;
    }
    const answer = await fetch(`${searchUrl}?${new URLSearchParams({ q })}`, { credentials: "same-origin" });
    if (!answer.ok || q !== search.value.trim()) return;
    const { items } = await answer.json();
    found.replaceChildren(
      ...(items.length ? items : [null]).map((hit) => {
        const item = document.createElement("li");
        if (!hit) {
          item.className = "muted px-2 py-1";
          item.textContent = say("Nothing on the map is called that.");
          return item;
        }
        const button = document.createElement("button");
        button.type = "button";
        button.className = "menu-item";
        button.textContent = hit.title;
        button.addEventListener("click", () => {
          found.hidden = true;
          under = hit.href.split("/").pop();
          map.setView([hit.lat, hit.lng], 18, { animate: !still() });
          load();
        });
        item.append(button);
        return item;
      }),
    );
    found.hidden = false;
  }

  recall();
  map.on("moveend", patient(150, load));
  box.addEventListener("change", (event) => {
    if (!event.target.matches('[name="layer"], [name="status"], [name="coverage"]')) return;
    remember();
    load();
  });
  part("refresh").addEventListener("click", load);
  search.addEventListener("input", patient(200, seek));
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") found.hidden = true;
    if (event.key === "Enter" || event.key === "ArrowDown") {
      event.preventDefault();
      found.querySelector("button")?.focus();
    }
  });
  found.addEventListener("keydown", (event) => {
    const buttons = [...found.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    if (event.key === "ArrowDown") buttons[Math.min(at + 1, buttons.length - 1)]?.focus();
    else if (event.key === "ArrowUp") (buttons[at - 1] ?? search).focus();
    else if (event.key === "Escape") {
      found.hidden = true;
      search.focus();
    } else return;
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-network-search], [data-network-found]")) found.hidden = true;
  });
  new MutationObserver(load).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  load();
}
