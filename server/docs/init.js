"use strict";

// The paths are relative, so that the page also works behind a prefix.
window.ui = SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.yaml",
  // Nothing is sent to anybody else's validator.
  validatorUrl: null,
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
});
