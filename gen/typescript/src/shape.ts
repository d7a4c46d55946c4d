import { shapes } from "./shapes.js";

/** The shape that a value must have. api/sdk derives the shapes from the contract and documents them. */
export type Shape = string | readonly [Shape] | { readonly [member: string]: Shape };

/**
 * Whether a text is JSON of a shape. The key is an operation's id and the status, or an event's name. If there is
 * no such shape, any JSON is accepted.
 */
export function isJSON(text: string, key: string): boolean {
  const shape = shapes[key];
  try {
    const value: unknown = JSON.parse(text);
    return shape === undefined || hasShape(value, shape);
  } catch {
    return false;
  }
}

/** Whether a value has a shape. */
export function hasShape(value: unknown, shape: Shape): boolean {
  if (typeof shape === "string") {
    return isScalar(value, shape);
  }
  if (isList(shape)) {
    return Array.isArray(value) && value.every((item) => hasShape(item, shape[0]));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return false;
  }
  const members = value as Record<string, unknown>;
  return Object.entries(shape).every(([key, of]) => {
    const name = key.replace(/\?$/, "");
    return (name !== key && (members[name] ?? null) === null) || (Object.hasOwn(members, name) && hasShape(members[name], of));
  });
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}

/** The strings of each format. */
const formats: Record<string, RegExp> = {
  date: /^\d{4}-\d\d-\d\d$/,
  "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
};

function isScalar(value: unknown, shape: string): boolean {
  const [kind, nullable] = shape.split("|");
  switch (typeof value) {
    case "boolean":
      return kind === "boolean";
    case "string":
      return kind === "string" || (formats[kind ?? ""]?.test(value) ?? false);
    case "number":
      if (kind === "number") {
        return Number.isFinite(value);
      }
      return Number.isInteger(value) && (kind === "integer" || (kind === "int32" && value === (value | 0)));
    default:
      return value === null && nullable !== undefined;
  }
}
