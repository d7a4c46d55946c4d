/** What films can be chosen by: the categories, the languages and the stores. */
import type { Schemas } from "pagila-api-client";
import { api } from "./client";
import { type Loaded, useLoad } from "./load";

/** Each list is loaded once, because it hardly changes. A failure is forgotten, so that the next call tries again. */
function once<T>(load: () => Promise<{ items: T[] }>): () => Loaded<T[]> {
  let items: T[] | undefined;
  let loading: Promise<T[]> | undefined;
  const call = () =>
    (loading ??= load().then(
      (page) => (items = page.items),
      (error: unknown) => {
        loading = undefined;
        throw error;
      },
    ));
  return () => {
    const loaded = useLoad(call, []);
    return { ...loaded, value: loaded.value ?? items };
  };
}

/** Loads the categories. */
export const useCategories = once(() => api().listCategories());

/** Loads the languages. */
export const useLanguages = once(() => api().listLanguages());

/** Loads the stores. */
export const useStores = once(() => api().listStores());

/** Returns the name of a store: where it is. */
export function storeName(stores: Schemas["Store"][] | undefined, id: number): string {
  const store = stores?.find(({ store_id }) => store_id === id);
  return [store?.city, store?.country].filter(Boolean).join(", ") || `Store ${id}`;
}
