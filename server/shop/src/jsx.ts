/** What the bundle calls for JSX. */
export { Fragment, h } from "preact";
