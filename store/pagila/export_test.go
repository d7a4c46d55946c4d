package pagila

// Name returns the name of a dataset.
func Name(s Source) string { return s.name }
