import { mediaTypeOf } from "./errors.js";
import { isJSON } from "./shape.js";
import { shapes } from "./shapes.js";

/** What tells the promised response of an operation from any other. */
export interface Wanted {
  /** The body is handed on as it comes. */
  stream: boolean;
  /** Whether the head is that of a success. A proxy's page is not, whatever its status. */
  isSuccess(response: Response): boolean;
  /** Whether the body is what the head promises. */
  isWhole(text: string, response: Response): boolean;
}

const eventStream = "text/event-stream";

/** What a request wants. `parseAs` is how openapi-fetch is going to read the body. */
export function wantedOf(request: Request, path: string, parseAs: string): Wanted {
  const operation = `${request.method} ${path}`;
  const isShaped = Object.keys(shapes).some((name) => name.startsWith(`${operation} `));
  const isAsk = path === "/ai/ask";
  const isText = request.headers.get("Accept") !== eventStream;
  return {
    stream: parseAs === "stream",
    isSuccess(response) {
      const type = mediaTypeOf(response);
      if (isAsk) {
        return response.status === 200 && (type === eventStream || (isText && type === "text/plain"));
      }
      if (isShaped && shapes[`${operation} ${response.status}`] === undefined) {
        return false;
      }
      return response.ok && (type === "application/json" || !(isShaped || parseAs === "json"));
    },
    isWhole(text, response) {
      return mediaTypeOf(response) !== "application/json" || isJSON(text, `${operation} ${response.status}`);
    },
  };
}

const text = { parseAs: "text" };

/** What openapi-fetch has to be told of an operation, because it takes any body for JSON. */
const inits: Record<string, (init: Init) => Init> = {
  "/ai/ask": (init) => ({ ...text, ...init }),
  "/docs": (init) => ({ ...text, ...init }),
  "/docs/{asset}": (init) => ({ parseAs: "blob", ...init }),
  "/openapi.yaml": (init) => ({ ...text, ...init }),
  "/token": (init) => ({
    bodySerializer: (form: Record<string, string | undefined>) =>
      new URLSearchParams(Object.entries(form).filter((member): member is [string, string] => member[1] !== undefined)),
    ...init,
    params: { ...init.params, header: { ...init.params?.header, "Content-Type": "application/x-www-form-urlencoded" } },
  }),
};

interface Init {
  params?: { header?: object };
}

/** The caller's options with what the operation at the path needs. */
export function initOf(path: string, init: object = {}): object {
  return inits[path]?.(init) ?? init;
}
