// Pagila 3.1.0 as Atlas sees it: its enum, tables, indexes and foreign keys, and the one column that we add to
// film. Atlas neither reads nor changes Pagila's views, functions, triggers, domains and the partitions of
// payment.

schema "public" {
}

enum "mpaa_rating" {
  schema = schema.public
  values = ["G", "PG", "PG-13", "R", "NC-17"]
}

table "actor" {
  schema = schema.public
  column "actor_id" {
    type = serial
  }
  column "first_name" {
    type = text
  }
  column "last_name" {
    type = text
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.actor_id]
  }
  index "idx_actor_last_name" {
    columns = [column.last_name]
  }
}

table "address" {
  schema = schema.public
  column "address_id" {
    type = serial
  }
  column "address" {
    type = text
  }
  column "address2" {
    null = true
    type = text
  }
  column "district" {
    type = text
  }
  column "city_id" {
    type = integer
  }
  column "postal_code" {
    null = true
    type = text
  }
  column "phone" {
    type = text
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.address_id]
  }
  foreign_key "address_city_id_fkey" {
    columns     = [column.city_id]
    ref_columns = [table.city.column.city_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  index "idx_fk_city_id" {
    columns = [column.city_id]
  }
}

table "category" {
  schema = schema.public
  column "category_id" {
    type = serial
  }
  column "name" {
    type = text
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.category_id]
  }
}

table "city" {
  schema = schema.public
  column "city_id" {
    type = serial
  }
  column "city" {
    type = text
  }
  column "country_id" {
    type = integer
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.city_id]
  }
  foreign_key "city_country_id_fkey" {
    columns     = [column.country_id]
    ref_columns = [table.country.column.country_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  index "idx_fk_country_id" {
    columns = [column.country_id]
  }
}

table "country" {
  schema = schema.public
  column "country_id" {
    type = serial
  }
  column "country" {
    type = text
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.country_id]
  }
}

table "customer" {
  schema = schema.public
  column "customer_id" {
    type = serial
  }
  column "store_id" {
    type = integer
  }
  column "first_name" {
    type = text
  }
  column "last_name" {
    type = text
  }
  column "email" {
    null = true
    type = text
  }
  column "address_id" {
    type = integer
  }
  column "activebool" {
    type    = boolean
    default = true
  }
  column "create_date" {
    type    = date
    default = sql("CURRENT_DATE")
  }
  column "last_update" {
    null    = true
    type    = timestamptz
    default = sql("now()")
  }
  column "active" {
    null = true
    type = integer
  }
  primary_key {
    columns = [column.customer_id]
  }
  foreign_key "customer_address_id_fkey" {
    columns     = [column.address_id]
    ref_columns = [table.address.column.address_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  foreign_key "customer_store_id_fkey" {
    columns     = [column.store_id]
    ref_columns = [table.store.column.store_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  index "idx_fk_address_id" {
    columns = [column.address_id]
  }
  index "idx_fk_store_id" {
    columns = [column.store_id]
  }
  index "idx_last_name" {
    columns = [column.last_name]
  }
}

table "film" {
  schema = schema.public
  column "film_id" {
    type = serial
  }
  column "title" {
    type = text
  }
  column "description" {
    null = true
    type = text
  }
  // Pagila's domain "year". Without "public", Atlas would take the name for the unit of an interval.
  column "release_year" {
    null = true
    type = sql("public.year")
  }
  column "language_id" {
    type = integer
  }
  column "original_language_id" {
    null = true
    type = integer
  }
  column "rental_duration" {
    type    = smallint
    default = 3
  }
  column "rental_rate" {
    type    = numeric(4, 2)
    default = 4.99
  }
  column "length" {
    null = true
    type = smallint
  }
  column "replacement_cost" {
    type    = numeric(5, 2)
    default = 19.99
  }
  column "rating" {
    null    = true
    type    = enum.mpaa_rating
    default = "G"
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  column "special_features" {
    null = true
    type = sql("text[]")
  }
  column "fulltext" {
    type = tsvector
  }
  // This column is ours, not Pagila's. The first migration adds it.
  column "streaming_available" {
    null    = true
    type    = boolean
    default = false
  }
  primary_key {
    columns = [column.film_id]
  }
  foreign_key "film_language_id_fkey" {
    columns     = [column.language_id]
    ref_columns = [table.language.column.language_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  foreign_key "film_original_language_id_fkey" {
    columns     = [column.original_language_id]
    ref_columns = [table.language.column.language_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  index "film_fulltext_idx" {
    columns = [column.fulltext]
    type    = GIST
  }
  index "idx_fk_language_id" {
    columns = [column.language_id]
  }
  index "idx_fk_original_language_id" {
    columns = [column.original_language_id]
  }
  index "idx_title" {
    columns = [column.title]
  }
}

table "film_actor" {
  schema = schema.public
  column "actor_id" {
    type = integer
  }
  column "film_id" {
    type = integer
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.actor_id, column.film_id]
  }
  foreign_key "film_actor_actor_id_fkey" {
    columns     = [column.actor_id]
    ref_columns = [table.actor.column.actor_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  foreign_key "film_actor_film_id_fkey" {
    columns     = [column.film_id]
    ref_columns = [table.film.column.film_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  index "idx_fk_film_id" {
    columns = [column.film_id]
  }
}

table "film_category" {
  schema = schema.public
  column "film_id" {
    type = integer
  }
  column "category_id" {
    type = integer
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.film_id, column.category_id]
  }
  foreign_key "film_category_category_id_fkey" {
    columns     = [column.category_id]
    ref_columns = [table.category.column.category_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  foreign_key "film_category_film_id_fkey" {
    columns     = [column.film_id]
    ref_columns = [table.film.column.film_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
}

table "inventory" {
  schema = schema.public
  column "inventory_id" {
    type = serial
  }
  column "film_id" {
    type = integer
  }
  column "store_id" {
    type = integer
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.inventory_id]
  }
  foreign_key "inventory_film_id_fkey" {
    columns     = [column.film_id]
    ref_columns = [table.film.column.film_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  foreign_key "inventory_store_id_fkey" {
    columns     = [column.store_id]
    ref_columns = [table.store.column.store_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  index "idx_store_id_film_id" {
    columns = [column.store_id, column.film_id]
  }
}

table "language" {
  schema = schema.public
  column "language_id" {
    type = serial
  }
  column "name" {
    type = character(20)
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.language_id]
  }
}

table "payment" {
  schema = schema.public
  column "payment_id" {
    type = serial
  }
  column "customer_id" {
    type = integer
  }
  column "staff_id" {
    type = integer
  }
  column "rental_id" {
    type = integer
  }
  column "amount" {
    type = numeric(5, 2)
  }
  column "payment_date" {
    type = timestamptz
  }
  primary_key {
    columns = [column.payment_date, column.payment_id]
  }
  partition {
    type    = RANGE
    columns = [column.payment_date]
  }
}

table "rental" {
  schema = schema.public
  column "rental_id" {
    type = serial
  }
  column "rental_date" {
    type = timestamptz
  }
  column "inventory_id" {
    type = integer
  }
  column "customer_id" {
    type = integer
  }
  column "return_date" {
    null = true
    type = timestamptz
  }
  column "staff_id" {
    type = integer
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.rental_id]
  }
  foreign_key "rental_customer_id_fkey" {
    columns     = [column.customer_id]
    ref_columns = [table.customer.column.customer_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  foreign_key "rental_inventory_id_fkey" {
    columns     = [column.inventory_id]
    ref_columns = [table.inventory.column.inventory_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  foreign_key "rental_staff_id_fkey" {
    columns     = [column.staff_id]
    ref_columns = [table.staff.column.staff_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  index "idx_fk_inventory_id" {
    columns = [column.inventory_id]
  }
  index "idx_unq_rental_rental_date_inventory_id_customer_id" {
    unique  = true
    columns = [column.rental_date, column.inventory_id, column.customer_id]
  }
}

table "staff" {
  schema = schema.public
  column "staff_id" {
    type = serial
  }
  column "first_name" {
    type = text
  }
  column "last_name" {
    type = text
  }
  column "address_id" {
    type = integer
  }
  column "email" {
    null = true
    type = text
  }
  column "store_id" {
    type = integer
  }
  column "active" {
    type    = boolean
    default = true
  }
  column "username" {
    type = text
  }
  column "password" {
    null = true
    type = text
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  column "picture" {
    null = true
    type = bytea
  }
  primary_key {
    columns = [column.staff_id]
  }
  foreign_key "staff_address_id_fkey" {
    columns     = [column.address_id]
    ref_columns = [table.address.column.address_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  foreign_key "staff_store_id_fkey" {
    columns     = [column.store_id]
    ref_columns = [table.store.column.store_id]
    on_update   = NO_ACTION
    on_delete   = NO_ACTION
  }
}

table "store" {
  schema = schema.public
  column "store_id" {
    type = serial
  }
  column "manager_staff_id" {
    type = integer
  }
  column "address_id" {
    type = integer
  }
  column "last_update" {
    type    = timestamptz
    default = sql("now()")
  }
  primary_key {
    columns = [column.store_id]
  }
  foreign_key "store_address_id_fkey" {
    columns     = [column.address_id]
    ref_columns = [table.address.column.address_id]
    on_update   = CASCADE
    on_delete   = RESTRICT
  }
  index "idx_unq_manager_staff_id" {
    unique  = true
    columns = [column.manager_staff_id]
  }
}
