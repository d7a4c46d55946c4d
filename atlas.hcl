// Settings of the Atlas command. `make atlas` builds the release that schema/atlas pins. The Makefile's migrate
// targets use it.

// The database. The server uses the same variable.
variable "database_url" {
  type    = string
  default = getenv("DATABASE_URL")
}

// An empty scratch database, which Atlas fills and empties again. Atlas needs it to plan migrations, to lint
// them and to detect drift, but not to apply them.
variable "dev_url" {
  type    = string
  default = getenv("ATLAS_DEV_URL")
}

// There is one environment, which any name selects: --env local, --env production.
env {
  name = atlas.env
  // The declared schema.
  src = "file://schema"
  // The actual database. Pagila is in one schema, so Atlas looks only at that one.
  url = urlqueryset(var.database_url, "search_path", "public")
  dev = urlqueryset(var.dev_url, "search_path", "public")
  // The table in which Atlas records what it has applied belongs to neither.
  exclude = ["atlas_schema_revisions"]
  migration {
    dir = "file://schema/migrations"
    // The baseline represents Pagila itself. It runs on the scratch database, but never on the real one.
    // schema/migrations/migrations.go contains the same version.
    baseline = "20221213000000"
  }
  format {
    migrate {
      // One column a line.
      diff = "{{ sql . \"  \" }}"
    }
  }
  lint {
    // The number of files after the baseline. Raise it with each new migration.
    latest = 2
    destructive {
      error = true
    }
  }
}
