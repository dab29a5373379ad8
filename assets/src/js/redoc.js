const place = document.getElementById("redoc");
if (place) {
  window.Redoc.init(place.dataset.url, { hideDownloadButton: false, nativeScrollbars: true, disableSearch: true, expandResponses: "200,201" }, place);
}
