-- The role of the server. It has the privileges that the server's statements need, and no others: it owns
-- nothing, creates nothing, and cannot read the passwords of the staff.
--
-- Run this as the owner of the tables, who may also create roles, after the restore and after each migration:
--
--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -1 -f store/roles/roles.sql
--
-- and give the role a password the first time, with \password pagila_api. If Pagila is in another schema than public,
-- replace public below, and set the schema with PGOPTIONS='-c search_path=other'.

DO $$ BEGIN
  CREATE ROLE pagila_api LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL; -- unique_violation if another session creates the role at the same time
END $$;

-- Revoke what an earlier version of this file granted.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM pagila_api;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM pagila_api;
REVOKE ALL ON SCHEMA public FROM pagila_api;

GRANT USAGE ON SCHEMA public TO pagila_api;

GRANT SELECT ON film, language, category, film_category, actor, film_actor, inventory, store, address, city, country,
  customer, rental, payment, streaming_subscription, atlas_schema_revisions TO pagila_api;
GRANT SELECT (staff_id, active) ON staff TO pagila_api;

GRANT INSERT (rental_date, inventory_id, customer_id, staff_id) ON rental TO pagila_api;
GRANT INSERT (customer_id, plan_name, start_date, end_date) ON streaming_subscription TO pagila_api;
GRANT USAGE ON SEQUENCE rental_rental_id_seq, streaming_subscription_id_seq TO pagila_api;

GRANT UPDATE (return_date) ON rental TO pagila_api;
GRANT UPDATE (streaming_available) ON film TO pagila_api;
GRANT UPDATE (end_date) ON streaming_subscription TO pagila_api;
-- The server updates neither of these. PostgreSQL requires UPDATE on some column for row locks.
GRANT UPDATE (last_update) ON inventory, customer TO pagila_api;
