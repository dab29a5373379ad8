// What every map begins with: tiles and a start from data-attributes.
import L from "leaflet";

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function start(element) {
  const { tileUrl, attribution, lat, lng, zoom } = element.dataset;
  const map = L.map(element, { zoomAnimation: !still(), fadeAnimation: !still(), markerZoomAnimation: !still(), scrollWheelZoom: "scroll" in element.dataset });
  map.setView([Number(lat), Number(lng)], Number(zoom || 13));
  L.tileLayer(tileUrl, { attribution, maxZoom: 19 }).addTo(map);
  map.attributionControl.setPrefix(false);
  return map;
}
