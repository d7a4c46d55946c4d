/** The client of the API, and the session of the counter. */
import { type Client, createClient } from "pagila-api-client";
import { useEffect, useState } from "preact/hooks";

/** A member of staff who has logged in. */
export interface Session {
  token: string;
  username: string;
}

// The session survives a reload, and ends with the tab.
const key = "pagila-session";

/** The session, if somebody has logged in. */
export let session: Session | undefined = load();

let client = create();
const listeners = new Set<(session: Session | undefined) => void>();

/** Returns the client, with the session's token if there is one. */
export function api(): Client {
  return client;
}

/** Logs in. Rejects with the SDK's error if the server refuses. */
export async function logIn(username: string, password: string, signal?: AbortSignal): Promise<void> {
  const { access_token: token } = await client.createToken(username, password, signal && { signal });
  change({ token, username });
}

/** Ends the session. */
export function logOut(): void {
  change(undefined);
}

/** Returns the session, and renders the component again when it changes. */
export function useSession(): Session | undefined {
  const [value, setValue] = useState(session);
  useEffect(() => {
    listeners.add(setValue);
    setValue(session);
    return () => void listeners.delete(setValue);
  }, []);
  return value;
}

function create(): Client {
  return createClient({
    // Relative to the page, which may be behind a prefix.
    baseUrl: new URL(".", document.baseURI).href,
    ...(session && { token: session.token }),
    // The page says at once what failed, and counts down to the next attempt itself. Retries in the SDK would be
    // waits that the reader cannot see.
    retries: 0,
    // Every response begins within seconds, also a stream, whose rest has no limit. A reader should not wait two minutes
    // to hear that the network has failed.
    timeout: 20_000,
  });
}

function change(next: Session | undefined): void {
  session = next;
  client = create();
  store(next);
  for (const listener of listeners) {
    listener(next);
  }
}

/** Reads the session of the tab. A browser may deny access to its storage, and anything may be stored there. */
function load(): Session | undefined {
  try {
    const { token, username } = JSON.parse(sessionStorage.getItem(key) ?? "") as Partial<Session>;
    return typeof username === "string" && typeof token === "string" && /^[!-~]+$/.test(token) ? { token, username } : undefined;
  } catch {
    return undefined;
  }
}

function store(value: Session | undefined): void {
  try {
    value ? sessionStorage.setItem(key, JSON.stringify(value)) : sessionStorage.removeItem(key);
  } catch {
    // The session then ends with the page.
  }
}
