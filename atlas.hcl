// Settings of the Atlas command. `make atlas` builds the release that schema/atlas pins; the
// migrate targets of the Makefile use it.

// The database, as the server has it.
variable "database_url" {
  type    = string
  default = getenv("DATABASE_URL")
}

// An empty scratch database, which Atlas fills and empties again. To plan, to lint and to look for
// drift takes one; to apply does not.
variable "dev_url" {
  type    = string
  default = getenv("ATLAS_DEV_URL")
}

// One environment under any name: --env local, --env production.
env {
  name = atlas.env
  // What the schema should be.
  src = "file://schema"
  // What it is. Pagila lives in one schema, so Atlas is kept to it.
  url = urlqueryset(var.database_url, "search_path", "public")
  dev = urlqueryset(var.dev_url, "search_path", "public")
  // Atlas's own account of what it has applied is no part of either.
  exclude = ["atlas_schema_revisions"]
  migration {
    dir = "file://schema/migrations"
    // Stands for Pagila itself: replayed on the scratch database, never run on the real one.
    // schema/migrations/migrations.go names the same version.
    baseline = "20221213000000"
  }
  format {
    migrate {
      // One column to a line.
      diff = "{{ sql . \"  \" }}"
    }
  }
  lint {
    // What comes after the baseline. Raise it with each new migration.
    latest = 2
    destructive {
      error = true
    }
  }
}
