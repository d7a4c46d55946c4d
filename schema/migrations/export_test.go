package migrations

// ApplyFiles is Apply with another migration directory.
var ApplyFiles = apply
