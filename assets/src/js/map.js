// The maps: one that picks a point for a form, one that shows all customers, one that shows a point, and that of the network.
import L from "leaflet";
import "leaflet.markercluster";
import { start, still } from "./map-base.js";
import { network } from "./network.js";
import { say } from "./words.js";

function pin(kind) {
  const mark = document.createElement("span");
  mark.className = `pin pin-${kind}`;
  return L.divIcon({ className: "", html: mark, iconSize: kind === "place" ? [24, 24] : [18, 18] });
}

function picker(box) {
  const element = box.querySelector("[data-map]");
  const field = (name) => box.querySelector(`[data-geo="${name}"]`);
  const [lat, lng, accuracy, said] = ["lat", "lng", "accuracy", "status"].map(field);
  const map = start(element);
  let marker = null;

  const put = (point, move) => {
    if (marker) marker.setLatLng(point);
    else {
      marker = L.marker(point, { icon: pin("place"), draggable: true, keyboard: false, title: say("Location"), alt: say("Location") }).addTo(map);
      marker.on("dragend", () => chosen(marker.getLatLng(), "manual"));
    }
    if (move) map.setView(point, Math.max(map.getZoom(), 16));
  };
  const chosen = (point, how) => {
    lat.value = point.lat.toFixed(7);
    lng.value = point.lng.toFixed(7);
    accuracy.value = how;
    lat.dispatchEvent(new Event("input", { bubbles: true }));
    put(point, how !== "manual");
    said.textContent = say("Location set to {}, {}.", point.lat.toFixed(5), point.lng.toFixed(5));
  };
  const typed = () => {
    const point = L.latLng(Number(lat.value), Number(lng.value));
    if (lat.value === "" || lng.value === "" || Math.abs(point.lat) > 90 || Math.abs(point.lng) > 180 || Number.isNaN(point.lat + point.lng)) return;
    put(point, true);
  };

  if (lat.value !== "" && lng.value !== "") typed();
  map.on("click", (event) => chosen(event.latlng.wrap(), "manual"));
  lat.addEventListener("change", typed);
  lng.addEventListener("change", typed);
  box.querySelector("[data-geo-centre]")?.addEventListener("click", () => chosen(map.getCenter().wrap(), "manual"));
  box.querySelector("[data-geo-locate]")?.addEventListener("click", () => {
    said.textContent = say("Looking for your position…");
    navigator.geolocation?.getCurrentPosition(
      ({ coords }) => chosen(L.latLng(coords.latitude, coords.longitude), "exact"),
      () => (said.textContent = say("Your position could not be read. Click on the map, or type the coordinates.")),
      { enableHighAccuracy: true, timeout: 10000 },
    );
  });
  box.querySelector("[data-geo-clear]")?.addEventListener("click", () => {
    lat.value = "";
    lng.value = "";
    lat.dispatchEvent(new Event("input", { bubbles: true }));
    marker?.remove();
    marker = null;
    said.textContent = say("Location removed.");
  });
}

function popup(feature) {
  const { name, href, status_label: status, address, area } = feature.properties;
  const box = document.createElement("div");
  const link = document.createElement("a");
  link.href = href;
  link.textContent = name;
  link.className = "row-link";
  const state = document.createElement("div");
  state.textContent = status;
  const place = document.createElement("div");
  place.className = "muted";
  place.textContent = [address, area].filter(Boolean).join(", ");
  box.append(link, state, place);
  return box;
}

function overview(element) {
  const map = start(element);
  const said = document.querySelector("[data-map-status]");
  const listed = document.querySelector("[data-map-list]");
  const group = L.markerClusterGroup({
    showCoverageOnHover: false,
    animate: !still(),
    chunkedLoading: true,
    maxClusterRadius: 48,
    iconCreateFunction: (cluster) => {
      const mark = document.createElement("span");
      mark.className = "cluster";
      mark.textContent = cluster.getChildCount();
      return L.divIcon({ className: "", html: mark, iconSize: [40, 40] });
    },
  });
  map.addLayer(group);
  let features = [];

  // The same customers as words, for those who cannot use the map.
  const write = () => {
    if (!listed) return;
    const bounds = map.getBounds();
    const inside = features.filter(({ geometry: { coordinates: [x, y] } }) => bounds.contains([y, x]));
    listed.replaceChildren(
      ...inside.slice(0, 50).map((feature) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.href = feature.properties.href;
        link.textContent = feature.properties.name;
        link.className = "row-link";
        const note = document.createElement("div");
        note.className = "muted tiny";
        note.textContent = [feature.properties.status_label, feature.properties.area].filter(Boolean).join(" · ");
        item.append(link, note);
        return item;
      }),
    );
    if (said) said.textContent = [
      say("{} in view", inside.length.toLocaleString()) + (inside.length > 50 ? `, ${say("first {} listed", 50)}` : ""),
      say("{} on the map", features.length.toLocaleString()),
    ].join(" · ");
  };

  const load = async () => {
    const answer = await fetch(element.dataset.geojson, { headers: { Accept: "application/geo+json, application/json" }, credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    features = (await answer.json()).features;
    group.clearLayers();
    group.addLayers(
      features.map((feature) => {
        const [x, y] = feature.geometry.coordinates;
        const marker = L.marker([y, x], { icon: pin(feature.properties.status), title: feature.properties.name, alt: feature.properties.name });
        marker.bindPopup(() => popup(feature));
        return marker;
      }),
    );
    if (features.length) map.fitBounds(group.getBounds().pad(0.1), { maxZoom: 16, animate: false });
    write();
  };
  map.on("moveend", write);
  load().catch(() => {
    if (said) said.textContent = say("The map could not be loaded. Reload the page, or use the list.");
  });
}

function singlePoint(element) {
  const map = start(element);
  L.marker([Number(element.dataset.lat), Number(element.dataset.lng)], { icon: pin("place"), keyboard: false, interactive: false, alt: "" }).addTo(map);
}

for (const box of document.querySelectorAll("[data-geo-picker]")) picker(box);
for (const element of document.querySelectorAll("[data-map-overview]")) overview(element);
for (const element of document.querySelectorAll("[data-map-point]")) singlePoint(element);
for (const box of document.querySelectorAll("[data-network]")) network(box);
