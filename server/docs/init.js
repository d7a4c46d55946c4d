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
  // Swagger UI has no field for this format. It falls back to a text field, but warns about that in an array.
  plugins: [
    ({ React }) => ({
      components: {
        JsonSchema_integer_int32: (props) => React.createElement(props.getComponent("JsonSchema_string"), props),
      },
    }),
  ],
});
