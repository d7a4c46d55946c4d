-- Pagila 3.1.0, as Atlas reads it. A restored Pagila has all of this: there the file is the
-- baseline and never runs. It gives the scratch database the shape that the next files alter, and
-- the built-in sample its tables.

-- Atlas does not manage domains, so the one of film.release_year is written by hand. The scratch
-- database keeps it from run to run, hence the drop.
DROP DOMAIN IF EXISTS "year";
CREATE DOMAIN "year" AS integer CHECK (VALUE BETWEEN 1901 AND 2155);
-- Create enum type "mpaa_rating"
CREATE TYPE "mpaa_rating" AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');
-- Create "payment" table
CREATE TABLE "payment" (
  "payment_id" serial NOT NULL,
  "customer_id" integer NOT NULL,
  "staff_id" integer NOT NULL,
  "rental_id" integer NOT NULL,
  "amount" numeric(5,2) NOT NULL,
  "payment_date" timestamptz NOT NULL,
  PRIMARY KEY ("payment_date", "payment_id")
) PARTITION BY RANGE ("payment_date");
-- Create "language" table
CREATE TABLE "language" (
  "language_id" serial NOT NULL,
  "name" character(20) NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("language_id")
);
-- Create "film" table
CREATE TABLE "film" (
  "film_id" serial NOT NULL,
  "title" text NOT NULL,
  "description" text NULL,
  "release_year" year NULL,
  "language_id" integer NOT NULL,
  "original_language_id" integer NULL,
  "rental_duration" smallint NOT NULL DEFAULT 3,
  "rental_rate" numeric(4,2) NOT NULL DEFAULT 4.99,
  "length" smallint NULL,
  "replacement_cost" numeric(5,2) NOT NULL DEFAULT 19.99,
  "rating" "mpaa_rating" NULL DEFAULT 'G',
  "last_update" timestamptz NOT NULL DEFAULT now(),
  "special_features" text[] NULL,
  "fulltext" tsvector NOT NULL,
  PRIMARY KEY ("film_id"),
  CONSTRAINT "film_language_id_fkey" FOREIGN KEY ("language_id") REFERENCES "language" ("language_id") ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT "film_original_language_id_fkey" FOREIGN KEY ("original_language_id") REFERENCES "language" ("language_id") ON UPDATE CASCADE ON DELETE RESTRICT
);
-- Create index "film_fulltext_idx" to table: "film"
CREATE INDEX "film_fulltext_idx" ON "film" USING gist ("fulltext");
-- Create index "idx_fk_language_id" to table: "film"
CREATE INDEX "idx_fk_language_id" ON "film" ("language_id");
-- Create index "idx_fk_original_language_id" to table: "film"
CREATE INDEX "idx_fk_original_language_id" ON "film" ("original_language_id");
-- Create index "idx_title" to table: "film"
CREATE INDEX "idx_title" ON "film" ("title");
-- Create "country" table
CREATE TABLE "country" (
  "country_id" serial NOT NULL,
  "country" text NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("country_id")
);
-- Create "city" table
CREATE TABLE "city" (
  "city_id" serial NOT NULL,
  "city" text NOT NULL,
  "country_id" integer NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("city_id"),
  CONSTRAINT "city_country_id_fkey" FOREIGN KEY ("country_id") REFERENCES "country" ("country_id") ON UPDATE CASCADE ON DELETE RESTRICT
);
-- Create index "idx_fk_country_id" to table: "city"
CREATE INDEX "idx_fk_country_id" ON "city" ("country_id");
-- Create "address" table
CREATE TABLE "address" (
  "address_id" serial NOT NULL,
  "address" text NOT NULL,
  "address2" text NULL,
  "district" text NOT NULL,
  "city_id" integer NOT NULL,
  "postal_code" text NULL,
  "phone" text NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("address_id"),
  CONSTRAINT "address_city_id_fkey" FOREIGN KEY ("city_id") REFERENCES "city" ("city_id") ON UPDATE CASCADE ON DELETE RESTRICT
);
-- Create index "idx_fk_city_id" to table: "address"
CREATE INDEX "idx_fk_city_id" ON "address" ("city_id");
-- Create "store" table
CREATE TABLE "store" (
  "store_id" serial NOT NULL,
  "manager_staff_id" integer NOT NULL,
  "address_id" integer NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("store_id"),
  CONSTRAINT "store_address_id_fkey" FOREIGN KEY ("address_id") REFERENCES "address" ("address_id") ON UPDATE CASCADE ON DELETE RESTRICT
);
-- Create index "idx_unq_manager_staff_id" to table: "store"
CREATE UNIQUE INDEX "idx_unq_manager_staff_id" ON "store" ("manager_staff_id");
-- Create "inventory" table
CREATE TABLE "inventory" (
  "inventory_id" serial NOT NULL,
  "film_id" integer NOT NULL,
  "store_id" integer NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("inventory_id"),
  CONSTRAINT "inventory_film_id_fkey" FOREIGN KEY ("film_id") REFERENCES "film" ("film_id") ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT "inventory_store_id_fkey" FOREIGN KEY ("store_id") REFERENCES "store" ("store_id") ON UPDATE CASCADE ON DELETE RESTRICT
);
-- Create index "idx_store_id_film_id" to table: "inventory"
CREATE INDEX "idx_store_id_film_id" ON "inventory" ("store_id", "film_id");
-- Create "customer" table
CREATE TABLE "customer" (
  "customer_id" serial NOT NULL,
  "store_id" integer NOT NULL,
  "first_name" text NOT NULL,
  "last_name" text NOT NULL,
  "email" text NULL,
  "address_id" integer NOT NULL,
  "activebool" boolean NOT NULL DEFAULT true,
  "create_date" date NOT NULL DEFAULT CURRENT_DATE,
  "last_update" timestamptz NULL DEFAULT now(),
  "active" integer NULL,
  PRIMARY KEY ("customer_id"),
  CONSTRAINT "customer_address_id_fkey" FOREIGN KEY ("address_id") REFERENCES "address" ("address_id") ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT "customer_store_id_fkey" FOREIGN KEY ("store_id") REFERENCES "store" ("store_id") ON UPDATE CASCADE ON DELETE RESTRICT
);
-- Create index "idx_fk_address_id" to table: "customer"
CREATE INDEX "idx_fk_address_id" ON "customer" ("address_id");
-- Create index "idx_fk_store_id" to table: "customer"
CREATE INDEX "idx_fk_store_id" ON "customer" ("store_id");
-- Create index "idx_last_name" to table: "customer"
CREATE INDEX "idx_last_name" ON "customer" ("last_name");
-- Create "category" table
CREATE TABLE "category" (
  "category_id" serial NOT NULL,
  "name" text NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("category_id")
);
-- Create "film_category" table
CREATE TABLE "film_category" (
  "film_id" integer NOT NULL,
  "category_id" integer NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("film_id", "category_id"),
  CONSTRAINT "film_category_category_id_fkey" FOREIGN KEY ("category_id") REFERENCES "category" ("category_id") ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT "film_category_film_id_fkey" FOREIGN KEY ("film_id") REFERENCES "film" ("film_id") ON UPDATE CASCADE ON DELETE RESTRICT
);
-- Create "staff" table
CREATE TABLE "staff" (
  "staff_id" serial NOT NULL,
  "first_name" text NOT NULL,
  "last_name" text NOT NULL,
  "address_id" integer NOT NULL,
  "email" text NULL,
  "store_id" integer NOT NULL,
  "active" boolean NOT NULL DEFAULT true,
  "username" text NOT NULL,
  "password" text NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  "picture" bytea NULL,
  PRIMARY KEY ("staff_id"),
  CONSTRAINT "staff_address_id_fkey" FOREIGN KEY ("address_id") REFERENCES "address" ("address_id") ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT "staff_store_id_fkey" FOREIGN KEY ("store_id") REFERENCES "store" ("store_id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- Create "rental" table
CREATE TABLE "rental" (
  "rental_id" serial NOT NULL,
  "rental_date" timestamptz NOT NULL,
  "inventory_id" integer NOT NULL,
  "customer_id" integer NOT NULL,
  "return_date" timestamptz NULL,
  "staff_id" integer NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("rental_id"),
  CONSTRAINT "rental_customer_id_fkey" FOREIGN KEY ("customer_id") REFERENCES "customer" ("customer_id") ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT "rental_inventory_id_fkey" FOREIGN KEY ("inventory_id") REFERENCES "inventory" ("inventory_id") ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT "rental_staff_id_fkey" FOREIGN KEY ("staff_id") REFERENCES "staff" ("staff_id") ON UPDATE CASCADE ON DELETE RESTRICT
);
-- Create index "idx_fk_inventory_id" to table: "rental"
CREATE INDEX "idx_fk_inventory_id" ON "rental" ("inventory_id");
-- Create index "idx_unq_rental_rental_date_inventory_id_customer_id" to table: "rental"
CREATE UNIQUE INDEX "idx_unq_rental_rental_date_inventory_id_customer_id" ON "rental" ("rental_date", "inventory_id", "customer_id");
-- Create "actor" table
CREATE TABLE "actor" (
  "actor_id" serial NOT NULL,
  "first_name" text NOT NULL,
  "last_name" text NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("actor_id")
);
-- Create index "idx_actor_last_name" to table: "actor"
CREATE INDEX "idx_actor_last_name" ON "actor" ("last_name");
-- Create "film_actor" table
CREATE TABLE "film_actor" (
  "actor_id" integer NOT NULL,
  "film_id" integer NOT NULL,
  "last_update" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("actor_id", "film_id"),
  CONSTRAINT "film_actor_actor_id_fkey" FOREIGN KEY ("actor_id") REFERENCES "actor" ("actor_id") ON UPDATE CASCADE ON DELETE RESTRICT,
  CONSTRAINT "film_actor_film_id_fkey" FOREIGN KEY ("film_id") REFERENCES "film" ("film_id") ON UPDATE CASCADE ON DELETE RESTRICT
);
-- Create index "idx_fk_film_id" to table: "film_actor"
CREATE INDEX "idx_fk_film_id" ON "film_actor" ("film_id");
