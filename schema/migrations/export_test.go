package migrations

// ApplyFiles is Apply with another directory.
var ApplyFiles = apply
