// Package gen is the server interface and the types that oapi-codegen generates from the contract.
package gen
