package server

// For the tests of the contract's examples.
var (
	CheckEvents   = checkEvents
	CheckDocument = checkDocument
)
