/** The shop page: films, questions about them, and the counter. */
import { render } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Ask } from "./ask";
import { Counter } from "./counter";
import { Film } from "./film";
import { Films } from "./films";
import { type Route, href, useRoute } from "./route";
import "./style.css";

/** The views, by the first segment of their addresses. */
const views = new Map([
  ["films", "Films"],
  ["ask", "Ask"],
  ["counter", "Counter"],
]);

function Shop() {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  useArrival(route, main);
  useLostFocus(main);
  const active = route.path[0] || "films";
  // A view may then set a title of its own, in an effect.
  useLayoutEffect(() => {
    document.title = `${views.get(active) ?? "Not found"} – Pagila`;
  }, [route.path.join("/")]);

  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), focusHeading(main.current))}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={href("films")}>
          Pagila
        </a>
        <nav aria-label="Views">
          {[...views].map(([path, name]) => (
            <a key={path} href={href(path)} aria-current={active === path ? "page" : undefined}>
              {name}
            </a>
          ))}
          <a href="docs">API</a>
        </nav>
      </header>
      <main ref={main} id="main">
        <View route={route} />
      </main>
    </>
  );
}

function View({ route }: { route: Route }) {
  const { path, params, left } = route;
  switch (path[0]) {
    case "":
    case "films":
      return path[1] ? <Film key={path[1]} id={path[1]} /> : <Films params={params} isBack={left !== undefined} />;
    case "ask":
      return <Ask params={params} />;
    case "counter":
      return <Counter route={route} />;
    default:
      return (
        <>
          <h1 tabIndex={-1}>There is no such page</h1>
          <p>
            <a href={href("films")}>All films</a>
          </p>
        </>
      );
  }
}

/**
 * Takes the reader to a view that has just been shown: to its heading, or, when the reader comes back, to where the view
 * was left. A change of the parameters alone, such as another filter, moves nothing.
 */
function useArrival({ path, address, left }: Route, main: { current: HTMLElement | null }): void {
  const view = path.join("/") || "films";
  const last = useRef({ view, address });
  useLayoutEffect(() => {
    const isNew = last.current.view !== view;
    const isOther = last.current.address !== address;
    last.current = { view, address };
    if (left && isOther) {
      scrollTo(0, left.scroll);
      const link = left.link && main.current?.querySelector<HTMLElement>(`a[href="${CSS.escape(left.link)}"]`);
      link ? link.focus({ preventScroll: true }) : isNew && focusHeading(main.current);
    } else if (isNew) {
      scrollTo(0, 0);
      focusHeading(main.current);
    }
  });
}

/** Keeps the reader's place when the control that has the focus disappears: its section gets the focus, or else the heading. */
function useLostFocus(main: { current: HTMLElement | null }): void {
  useEffect(() => {
    let focused: Element | undefined;
    let section: HTMLElement | null;
    const restore = () => {
      if (document.activeElement === document.body) {
        section?.isConnected ? section.focus({ preventScroll: true }) : focusHeading(main.current);
      }
    };
    main.current!.addEventListener("focusin", ({ target }) => {
      focused = target as Element;
      section = focused.closest<HTMLElement>("section[tabindex]");
    });
    // The view may choose a better place before the next frame.
    new MutationObserver(() => {
      if (focused && !focused.isConnected) {
        focused = undefined;
        requestAnimationFrame(restore);
      }
    }).observe(main.current!, { childList: true, subtree: true });
  }, []);
}

function focusHeading(main: HTMLElement | null): void {
  main?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
}

render(<Shop />, document.getElementById("shop")!);
