import SwaggerUI from "swagger-ui-dist/swagger-ui-bundle.js";

// The line of an operation is a button, and a link inside a button is out of reach for a keyboard: its path becomes plain words.
const plainPaths = () => ({
  wrapComponents: {
    DeepLink: (original, { React }) => (props) => React.createElement("span", null, props.text),
  },
});

const place = document.getElementById("swagger");
if (place) {
  SwaggerUI({
    url: place.dataset.url,
    domNode: place,
    deepLinking: true,
    displayRequestDuration: true,
    persistAuthorization: false,
    tryItOutEnabled: true,
    validatorUrl: null,
    plugins: [plainPaths],
  });
}

// Its fields have no names for a screen reader: each takes that of its parameter.
function nameFields() {
  for (const field of place.querySelectorAll("select:not([aria-label]), textarea:not([aria-label]), input:not([aria-label])")) {
    // The servers' label wraps the choice itself and says nothing else.
    if (field.labels?.length && field.id !== "servers") continue;
    const parameter = field.closest("[data-param-name]")?.dataset.paramName;
    const name = parameter ?? (field.id === "servers" ? "Server" : field.closest(".body-param, .opblock-section-request-body") ? "Request body" : "Value");
    field.setAttribute("aria-label", name);
  }
}
if (place) new MutationObserver(nameFields).observe(place, { childList: true, subtree: true });
